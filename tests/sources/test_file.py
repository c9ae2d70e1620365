import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from promptknn.errors import MissingInputError
from promptknn.sources.file import FileSource

TEXTS = (
    'a sign that says "open, always"',
    "two lines\nof one caption, and a comma",
    "  spaces kept  ",
    "a path C:\\images and a tab\there",
    "une photo d'été, 日本の庭 🦓",
    "NaN",
)
ONE_LINE = tuple(text for text in TEXTS if "\n" not in text)


def write_separated(separator: str) -> Callable[[Path, Sequence[str]], None]:
    def write(path: Path, texts: Sequence[str]) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, delimiter=separator)
            rows.writerow(["number", "Caption"])
            rows.writerows(enumerate(texts))

    return write


def write_parquet(path: Path, texts: Sequence[str]) -> None:
    pq.write_table(pa.table({"number": list(range(len(texts))), "Caption": list(texts)}), path)


def objects(texts: Sequence[str]) -> list[dict[str, object]]:
    return [{"number": number, "Caption": text} for number, text in enumerate(texts)]


def write_json(path: Path, texts: Sequence[str]) -> None:
    path.write_text(json.dumps(objects(texts), indent=1), encoding="utf-8")


def write_json_lines(path: Path, texts: Sequence[str]) -> None:
    path.write_text("\n".join(map(json.dumps, objects(texts))), encoding="utf-8")


WRITERS = {
    "csv": write_separated(","),
    "tsv": write_separated("\t"),
    "parquet": write_parquet,
    "json": write_json,
    "jsonl": write_json_lines,
}


def source(path: Path, **keys: object) -> FileSource:
    return FileSource.model_validate({"kind": "file", "path": str(path), **keys})


@pytest.mark.parametrize("ending", WRITERS)
def test_texts_are_read_as_they_were_written(
    spark: SparkSession, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"captions.{ending}"
    WRITERS[ending](path, TEXTS)
    rows = source(path, text_column="caption").read(spark).collect()
    assert sorted(row.text for row in rows) == sorted(TEXTS)
    assert {row.text: row.metadata for row in rows} == {
        text: {"number": str(number)} for number, text in enumerate(TEXTS)
    }
    assert all(row.image_uri is None for row in rows)


def test_each_line_of_a_text_file_is_a_prompt(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "captions.txt"
    path.write_text("\n".join(ONE_LINE), encoding="utf-8")
    rows = source(path, text_column="prompt").read(spark).collect()
    assert sorted(row.text for row in rows) == sorted(ONE_LINE)
    assert all(row.metadata == {} for row in rows)


def test_format_may_be_set_where_the_name_does_not_tell(
    spark: SparkSession, tmp_path: Path
) -> None:
    path = tmp_path / "captions.dat"
    write_separated("\t")(path, TEXTS)
    rows = source(path, text_column="Caption", format="tsv").read(spark).collect()
    assert sorted(row.text for row in rows) == sorted(TEXTS)
    with pytest.raises(MissingInputError, match=r"captions\.dat.*set `format`"):
        source(path).read(spark)


def test_id_and_image_columns_are_used(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("ID,text,picture,artist\n7,a zebra,z.png,\n8,a cat,c.png,Hokusai\n")
    rows = source(path, id_column="id", image_column="picture").read(spark).collect()
    found = {row.source_row_id: (row.text, row.image_uri, row.metadata) for row in rows}
    assert found == {
        "7": ("a zebra", "z.png", {}),
        "8": ("a cat", "c.png", {"artist": "Hokusai"}),
    }


def test_rows_without_an_id_are_named_by_their_content(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("id,text\n,a zebra\n8,a cat\n")
    rows = source(path, id_column="id").read(spark).collect()
    ids = {row.text: row.source_row_id for row in rows}
    assert ids["a cat"] == "8"
    assert len(ids["a zebra"]) == 32


def test_ids_do_not_depend_on_files_and_partitions(spark: SparkSession, tmp_path: Path) -> None:
    texts = [f"a photo of {number} zebras" for number in range(60)]
    whole, parts = tmp_path / "whole.parquet", tmp_path / "parts"
    pq.write_table(pa.table({"text": texts}), whole)
    parts.mkdir()
    for number in range(6):
        pq.write_table(pa.table({"text": texts[number::6]}), parts / f"{number}.parquet")
    of_whole = source(whole).read(spark).collect()
    of_parts = source(parts, format="parquet").read(spark).repartition(5).collect()
    ids = {row.text: row.source_row_id for row in of_whole}
    assert ids == {row.text: row.source_row_id for row in of_parts}
    assert len(set(ids.values())) == len(texts)


@pytest.mark.parametrize("ending", [*WRITERS, "txt"])
def test_missing_file_is_named(spark: SparkSession, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"absent.{ending}"
    with pytest.raises(MissingInputError, match=rf"{path}.*`path`"):
        source(path).read(spark)


@pytest.mark.parametrize("ending", WRITERS)
def test_missing_column_is_named_beside_those_there_are(
    spark: SparkSession, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"captions.{ending}"
    WRITERS[ending](path, TEXTS)
    with pytest.raises(
        MissingInputError, match=r"no column 'prompt': set `text_column` to one of .*Caption"
    ):
        source(path, text_column="prompt").read(spark)
    with pytest.raises(MissingInputError, match=r"no column 'key': set `id_column`"):
        source(path, text_column="Caption", id_column="key").read(spark)
    with pytest.raises(MissingInputError, match=r"no column 'uri': set `image_column`"):
        source(path, text_column="Caption", image_column="uri").read(spark)


def test_file_that_is_not_of_its_format_is_named(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "captions.parquet"
    path.write_text("text\na zebra\n")
    with pytest.raises(MissingInputError, match=r"captions\.parquet"):
        source(path).read(spark)
