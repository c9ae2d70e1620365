"""What is combined for an image: the prompts found, after the options that change them."""

import pyarrow as pa

from promptknn.arrow_vectors import from_arrow
from promptknn.encoders.encoder import unit
from promptknn.encoders.models import Models
from promptknn.index.neighbours import Neighbours
from promptknn.index.prompt_reading import FoundPrompts
from promptknn.index.write_shards import RESCORING_COLUMN
from promptknn.prediction.captions import with_captions
from promptknn.prediction.combination import Combination


def candidates(
    prompts: FoundPrompts,
    found: Neighbours,
    images: pa.RecordBatch,
    models: Models,
    combination: Combination,
    k: int,
) -> tuple[FoundPrompts, Neighbours]:
    """Score neighbours again by a second model and add captions, as far as the combination asks.

    Args:
        prompts: what the neighbours point into.
        found: for the images.
        images: embedding, and rescoring_embedding where the combination scores again.
        models: of the index.
        combination: has the options.
        k: how many candidates are wanted, at most.

    Returns:
        What to read texts and vectors from, and the candidates, best first.
    """
    if combination.rescoring:
        second = unit(from_arrow(images.column(RESCORING_COLUMN)))
        found = prompts.rescored(found, second, combination.rescoring)
    if combination.captions:
        profiles = from_arrow(images.column("embedding"))
        count = combination.captions
        prompts, found = with_captions(prompts, found, profiles, models, count, k)
    return prompts, found
