import numpy as np

from promptknn.deduplication.exact import prompt_id
from promptknn.deduplication.find_near_duplicates import FindNearDuplicates
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.stage import Context
from promptknn.tables import KEPT_PROMPTS, NEAR_DUPLICATES
from tests.pool import Pool, add_embeddings
from tests.rows import add_prompts

# The forbidden one of the two comes first: its id is the smaller one.
CLEAN = next(
    text
    for text in (f"a castle at dusk, painting {number}" for number in range(100))
    if prompt_id(f"{text}, gore") < prompt_id(text)
)
FOUL = f"{CLEAN}, gore"


def decide(lake: Lake, *forbidden: str) -> tuple[dict[str, str], set[str]]:
    """Look for near duplicates; give what is dropped, by what keeps it out, and what is kept."""
    settings = Settings.model_validate(
        {"lake": lake.location, "policy": {"terms": list(forbidden)}}
    )
    FindNearDuplicates().run(Context(lake.spark, lake, settings, lambda done, total: None))
    dropped = lake.read(NEAR_DUPLICATES).collect()
    kept = {row.prompt_id for row in lake.read(KEPT_PROMPTS).collect()}
    return {row.prompt_id: row.kept_prompt_id for row in dropped}, kept


def test_an_allowed_prompt_takes_the_place_of_a_forbidden_near_duplicate(lake: Lake) -> None:
    foul, clean = prompt_id(FOUL), prompt_id(CLEAN)
    vectors = np.zeros((2, 384), dtype=np.float32)
    vectors[:, 0] = 1
    add_prompts(lake, [FOUL, CLEAN])
    add_embeddings(lake, Pool([foul, clean], vectors))
    assert decide(lake) == ({clean: foul}, {foul})
    assert decide(lake, "gore") == ({}, {clean})
    assert decide(lake, "gore") == ({}, {clean})
    # Allowed again, it comes later than what was kept meanwhile.
    assert decide(lake) == ({foul: clean}, {clean})
