"""What does Spark cost the embed stage?

20,000 of the demo's prompts: the stage on one worker a core, reading and writing Delta, against a
bare loop in this process, on all cores, over the same encoder and in batches as large. Neither pays
for loading the model: the loop's process and each of Spark's workers embed a few prompts before.
"""

import json
import os
import sys
import tempfile
import time

from rich.console import Console
from rich.table import Table

from promptknn.encoders.embed_prompts import EmbedPrompts
from promptknn.encoders.models import Models
from promptknn.lake import Lake
from promptknn.session import open_session
from promptknn.settings import Settings, SparkSettings
from promptknn.sources.demo import compose
from promptknn.stage import Context
from promptknn.tables import PROMPT_EMBEDDINGS
from tests.rows import add_prompts

PROMPT_COUNT, WARMING_UP = 20_000, 200
PROMPTS_PER_TASK = Settings().embedding.prompts_per_task
ROUNDS = 2


def main() -> None:
    spark = open_session(SparkSettings(application_name="embed_overhead"))
    texts = compose(PROMPT_COUNT, seed=0)
    encoder = Models.of(Settings()).sentence_encoder()
    encoder.encode_texts(texts[:WARMING_UP])
    stage, loop = [], []
    with tempfile.TemporaryDirectory() as folder:
        a_worker = WARMING_UP // (os.cpu_count() or 1)
        _embed(Lake(spark, f"{folder}/warm", "benchmark"), texts[:WARMING_UP], a_worker)
        for number in range(ROUNDS):
            stage.append(_embed(Lake(spark, f"{folder}/{number}", "benchmark"), texts))
            started = time.perf_counter()
            for first in range(0, len(texts), PROMPTS_PER_TASK):
                encoder.encode_texts(texts[first : first + PROMPTS_PER_TASK])
            loop.append(time.perf_counter() - started)
    table = Table(title=f"{PROMPT_COUNT:,} prompts, {os.cpu_count()} cores, best of {ROUNDS}")
    for heading in ("who", "seconds", "prompts/s"):
        table.add_column(heading, justify="right")
    for name, seconds in (("bare loop", min(loop)), ("embed stage", min(stage))):
        table.add_row(name, f"{seconds:.1f}", f"{PROMPT_COUNT / seconds:,.0f}")
    Console().print(table)
    said = {"ratio_to_bare_loop": min(loop) / min(stage), "stage": stage, "loop": loop}
    sys.stdout.write(json.dumps(said) + "\n")


def _embed(lake: Lake, texts: list[str], rows: int = PROMPTS_PER_TASK) -> float:
    """Give the seconds that the stage takes, with so many rows a task."""
    lake.create([PROMPT_EMBEDDINGS])
    add_prompts(lake, texts)
    settings = Settings.model_validate(
        {"lake": lake.location, "embedding": {"prompts_per_task": rows}}
    )
    started = time.perf_counter()
    counts = EmbedPrompts().run(Context(lake.spark, lake, settings, lambda done, total: None))
    seconds = time.perf_counter() - started
    if counts.rows_out != len(texts):
        raise SystemExit(f"{counts.rows_out} of {len(texts)} prompts were embedded")
    return seconds


if __name__ == "__main__":
    main()
