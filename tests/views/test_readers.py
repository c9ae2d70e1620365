"""Predictions are read by programs that are not Spark."""

from pathlib import Path

import duckdb
import polars as pl
from deltalake import DeltaTable

from promptknn.settings import Settings
from tests.small import PHOTOGRAPHS


def _table(settings: Settings) -> DeltaTable:
    return DeltaTable(f"{settings.lake}/predictions")


def test_pandas_reads_predictions(built: Settings) -> None:
    frame = _table(built).to_pandas(columns=["image_uri", "predicted_prompt", "neighbours"])
    assert {Path(uri).name for uri in frame["image_uri"]} == set(PHOTOGRAPHS)
    for prompt, neighbours in zip(frame["predicted_prompt"], frame["neighbours"], strict=True):
        assert neighbours[0]["prompt"] == prompt


def test_duckdb_queries_predictions(built: Settings) -> None:
    connection = duckdb.connect()
    connection.register("found", _table(built).to_pyarrow_dataset())
    rows = connection.execute(
        "SELECT image_uri, predicted_prompt, neighbours[1].prompt, neighbours[1].similarity "
        "FROM found WHERE agreement > 0 ORDER BY image_uri"
    ).fetchall()
    assert [Path(uri).name for uri, *_ in rows] == sorted(PHOTOGRAPHS)
    assert all(prompt == nearest and 0 < score < 1 for _, prompt, nearest, score in rows)


def test_polars_scans_predictions(built: Settings) -> None:
    nearest = pl.col("neighbours").list.first().struct.field("prompt").alias("nearest")
    frame = (
        pl.scan_delta(f"{built.lake}/predictions")
        .filter(pl.col("agreement") > 0)
        .select("image_uri", "predicted_prompt", nearest)
        .collect()
    )
    assert {Path(uri).name for uri in frame["image_uri"]} == set(PHOTOGRAPHS)
    assert frame["nearest"].to_list() == frame["predicted_prompt"].to_list()
