"""Scoring evaluated images inside Spark's workers: one search at the largest k, every variant."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.arrow_runs import pieces_of
from promptknn.arrow_vectors import from_arrow, to_arrow
from promptknn.encoders.encoder import Vectors
from promptknn.encoders.models import Models
from promptknn.evaluation.cosine import mean_cosines
from promptknn.index.distribution import IndexHandle
from promptknn.index.neighbours import Neighbours
from promptknn.index.prompt_reading import FoundPrompts
from promptknn.index.shard import Texts
from promptknn.index.write_shards import RESCORING_COLUMN
from promptknn.prediction.candidates import candidates
from promptknn.prediction.combination import Combination
from promptknn.prediction.of_files import latest_of_files

SCORES = (
    "image_id string, image_uri string, image_name string, truths int, cosines array<double>, "
    "signals array<double>"
)
_IMAGES_A_SEARCH = 64


def embed_truths(
    models: Models,
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that embeds true prompts: truth -> truth, vector."""

    def embed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            texts = batch.column("truth").to_pylist()
            if texts:
                vectors = models.sentence_encoder().encode_texts(texts)
                names = ["truth", "vector"]
                yield pa.RecordBatch.from_arrays([batch.column("truth"), to_arrow(vectors)], names)

    return embed


def leaked_prompts(pool: DataFrame, truths: Vectors, similarity: float) -> Texts:
    """Find the prompts that are too close to an evaluated truth to be its neighbours.

    Args:
        pool: prompt_id and sentence_embedding.
        truths: float32, (t, d), unit rows, of all evaluated images.
        similarity: cosine above which a prompt is left out.

    Returns:
        Their ids; as many as there are near duplicates of truths, not of prompts.
    """

    def find(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                nearest = (from_arrow(batch.column("sentence_embedding")) @ truths.T).max(axis=1)
                close = pa.array(nearest > similarity)
                yield pa.RecordBatch.from_arrays(
                    [batch.column("prompt_id").filter(close)], ["prompt_id"]
                )

    found = pool.select("prompt_id", "sentence_embedding").mapInArrow(find, "prompt_id string")
    ids: Texts = found.toArrow().column("prompt_id").to_numpy()
    return ids


@dataclass(frozen=True)
class _Prepared:
    """Similarities and vectors of candidates."""

    similarities: Vectors
    sentence: Vectors
    mapped: Vectors | None

    @classmethod
    def of(cls, index: FoundPrompts, found: Neighbours, with_mapped: bool) -> "_Prepared":
        mapped = index.vectors(found, "clip_mapped") if with_mapped else None
        return cls(found.similarities, index.vectors(found), mapped)


def score_batches(
    handle: IndexHandle, variants: Sequence[Combination], left_out: Texts, models: Models
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that scores image_id, image_uri, image_name, embedding and truths.

    The truths are unit vectors. Where a variant scores neighbours again it also takes
    rescoring_embedding.

    Args:
        handle: the index.
        variants: combinations to score; the index is searched once, at the largest k.
        left_out: ids of prompts that must not be found.
        models: of the index.
    """
    k = max(variant.k for variant in variants)
    any_mapped = any(variant.space == "clip_mapped" for variant in variants)

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        index = handle.open()
        for batch in pieces_of(batches, _IMAGES_A_SEARCH):
            found = index.search(from_arrow(batch.column("embedding")), k, left_out)
            prepared: dict[tuple[float, int, int], _Prepared] = {}
            for variant in variants:
                option = _option(variant, k)
                if option not in prepared:
                    most = option[-1]
                    again = candidates(index, found.first(most), batch, models, variant, most)
                    prepared[option] = _Prepared.of(*again, any_mapped)
            of = [prepared[_option(variant, k)] for variant in variants]
            predicted = np.stack(
                [
                    variant.e_pred(own.similarities, own.sentence, own.mapped)
                    for variant, own in zip(variants, of, strict=True)
                ],
                axis=1,
            )
            signals = variants[-1].signals(of[-1].similarities, of[-1].sentence)
            truths = [from_arrow(cell.values) for cell in batch.column("truths")]
            cosines = [mean_cosines(*pair) for pair in zip(predicted, truths, strict=True)]
            yield pa.RecordBatch.from_pydict({
                "image_id": batch.column("image_id"),
                "image_uri": batch.column("image_uri"),
                "image_name": batch.column("image_name"),
                "truths": pa.array([len(vectors) for vectors in truths], pa.int32()),
                "cosines": pa.array(cosines, pa.list_(pa.float64())),
                "signals": pa.array(list(signals), pa.list_(pa.float64())),
            })  # fmt: skip

    return score


def _option(variant: Combination, k: int) -> tuple[float, int, int]:
    """Tell what a variant asks of candidates, k of which were found: how many it takes comes last.

    Neighbours that are scored again are cut to the variant's own first: one that a prediction does
    not find must not come up from behind.
    """
    return variant.rescoring, variant.captions, variant.k if variant.rescoring else k


def with_truths(images: DataFrame, truths: DataFrame) -> DataFrame:
    """Put the vectors of its true prompts beside each image that has any.

    A file that was overwritten counts as it was embedded last.

    Args:
        images: image_id, image_uri, image_name, embedding and embedded_at.
        truths: image_name and vector, one row a pair.
    """
    grouped = truths.groupBy("image_name").agg(F.collect_list("vector").alias("truths"))
    names = ["image_id", "image_uri", "image_name", "embedding", "truths"]
    again = [RESCORING_COLUMN] if RESCORING_COLUMN in images.columns else []
    evaluated = images.join(grouped, "image_name").select(*names, *again, "embedded_at")
    return latest_of_files(evaluated, "embedded_at").drop("embedded_at")
