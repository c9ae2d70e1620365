import argparse
from pathlib import Path

import pytest

from promptknn.deduplication.exact import prompt_id
from promptknn.errors import MissingInputError, SettingsError
from promptknn.removal.choice import Choice, add_options

ID = prompt_id("a zebra on grass")


def chosen_by(*arguments: str) -> Choice:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return Choice.of_options(parser.parse_args(arguments))


def test_texts_are_normalised_and_kept_as_ids_alone() -> None:
    choice = chosen_by("--text", " a  zebra\non grass", "--id", prompt_id("a cat"))
    assert choice == Choice({ID: "text", prompt_id("a cat"): "id"})
    assert "zebra" not in repr(choice)


def test_files_hold_an_id_or_a_text_a_line(tmp_path: Path) -> None:
    ids, texts = tmp_path / "ids.txt", tmp_path / "texts.txt"
    ids.write_text(f"{ID}\n\n")
    texts.write_text("a cat\n  a cafe\u0301 \n", encoding="utf-8")
    choice = chosen_by("--ids-file", str(ids), "--texts-file", str(texts), "--where", "true")
    assert choice.ids == {ID: "id", prompt_id("a cat"): "text", prompt_id("a caf\u00e9"): "text"}
    assert choice.condition == "true"


def test_what_is_no_id_is_refused_with_the_cure() -> None:
    with pytest.raises(SettingsError, match=r"'a zebra' is no prompt_id .* with --text"):
        chosen_by("--id", "a zebra")


def test_unreadable_file_is_named_with_its_option(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"absent\.txt cannot be read .* --ids-file"):
        chosen_by("--ids-file", str(tmp_path / "absent.txt"))
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(MissingInputError, match=r"it is not UTF-8.* --texts-file"):
        chosen_by("--texts-file", str(tmp_path / "latin.txt"))
