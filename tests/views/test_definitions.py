from pathlib import Path

import pytest

from promptknn.errors import MissingInputError, SettingsError
from promptknn.tables import EVALUATIONS, PREDICTIONS
from promptknn.views.definitions import View, read_views, tables_read
from tests.submission import ROOT


def _folder(home: Path, **views: str) -> Path:
    for name, text in views.items():
        (home / f"{name}.sql").write_text(text)
    return home


def test_a_view_is_its_comment_and_its_query(tmp_path: Path) -> None:
    text = "-- One row is a cat,\n-- or a dog.\nSELECT 1 -- really\nFROM {predictions};\n"
    (view,) = read_views(_folder(tmp_path, pets=text))
    assert view == View(
        "pets", "One row is a cat, or a dog.", "SELECT 1 -- really\nFROM {predictions}"
    )


def test_names_in_braces_are_replaced_and_other_braces_stay() -> None:
    view = View("v", "", "SELECT regexp_count(x, 'a{2}') FROM {predictions} JOIN {other}")
    assert view.reads == {"predictions", "other"}
    assert view.query_over(str.upper) == (
        "SELECT regexp_count(x, 'a{2}') FROM PREDICTIONS JOIN OTHER"
    )


def test_views_come_after_those_they_read(tmp_path: Path) -> None:
    folder = _folder(tmp_path, a="SELECT * FROM {b}", b="SELECT * FROM {c}", c="SELECT 1")
    assert [view.name for view in read_views(folder)] == ["c", "b", "a"]


def test_tables_of_views_are_found() -> None:
    views = [View("a", "", "{predictions} {b}"), View("b", "", "{evaluations} {predictions}")]
    assert tables_read(views) == [EVALUATIONS, PREDICTIONS]


@pytest.mark.parametrize(
    ("views", "sentence"),
    [
        (
            {"a": "SELECT * FROM {predicitons}"},
            r"view a .* reads \{predicitons\}, which is neither",
        ),
        (
            {"a": "FROM {b}", "b": "FROM {a}"},
            r"in a circle \((a -> b -> a|b -> a -> b)\): break it",
        ),
        ({"prompts": "SELECT 1"}, r"view prompts .* is called like a table: rename its file"),
    ],
)
def test_a_wrong_view_is_named(tmp_path: Path, views: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        read_views(_folder(tmp_path, **views))


def test_a_folder_without_views_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"No view is in .*set `--views`"):
        read_views(tmp_path / "nowhere")


def test_each_view_of_conf_says_what_a_row_is() -> None:
    views = read_views(ROOT / "conf" / "sql")
    assert len(views) >= 6
    assert [view.name for view in views if not view.comment.startswith("One row is ")] == []
