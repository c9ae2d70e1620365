from collections.abc import Callable
from pathlib import Path

import pytest

from promptknn.errors import SettingsError
from promptknn.settings import Settings
from promptknn.settings_file import load_online_settings, load_settings
from promptknn.sources import FileSource

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write a settings file and load it: load(text, override, ...)."""

    def write_and_load(text: str, *overrides: str) -> Settings:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path, overrides)

    return write_and_load


def _sentence(load: Load, text: str, *overrides: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(text, *overrides)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_an_override_is_laid_over_the_file(load: Load) -> None:
    settings = load("prediction: {k: 7, w1: 0.5}", "prediction.k=9")
    assert (settings.prediction.k, settings.prediction.w1) == (9, 0.5)


def test_the_last_of_two_overrides_wins(load: Load) -> None:
    assert load("", "prediction.k=9", "prediction.k=8").prediction.k == 8


def test_an_override_reaches_into_a_list(load: Load) -> None:
    text = "sources: [{kind: demo}, {kind: demo, name: second}]"
    assert load(text, "sources.1.prompts=5").sources[1].prompts == 5


def test_an_override_replaces_an_item_of_a_list(load: Load) -> None:
    assert load("images: {paths: [./a, ./b]}", "images.paths.1=/c").images.paths[1] == "/c"


def test_an_override_fills_a_section_that_the_file_leaves_empty(load: Load) -> None:
    assert load("prediction:", "prediction.k=9").prediction.k == 9


def test_an_override_may_hold_a_list_and_an_equals_sign(load: Load) -> None:
    settings = load("", "images.paths=[/a=b, /c]")
    assert settings.images.paths == ("/a=b", "/c")


def test_paths_start_at_the_file_and_those_of_overrides_at_the_working_directory(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    settings = load("lake: ./lake\nimages: {paths: [../p]}", "images.paths=[./a, ./b]")
    assert settings.lake == str(tmp_path / "lake")
    assert settings.images.paths == (str(here / "a"), str(here / "b"))


def test_a_bare_file_name_lies_beside_the_settings_file(load: Load, tmp_path: Path) -> None:
    settings = load(
        "sources: [{kind: file, path: a.csv}]\nimages: {paths: [photographs]}\n"
        "evaluation: {truths: {kind: csv, path: b.csv}}"
    )
    source, truths = settings.sources[0], settings.evaluation.truths
    assert isinstance(source, FileSource)
    assert truths is not None
    assert source.path == str(tmp_path / "a.csv")
    assert settings.images.paths == (str(tmp_path / "photographs"),)
    assert truths.path == str(tmp_path / "b.csv")


def test_a_bare_lake_is_a_schema_and_the_default_one_a_folder(load: Load, tmp_path: Path) -> None:
    assert load("lake: main.prompts").lake == "main.prompts"
    assert load("").lake == str(tmp_path / "lake")


def test_an_empty_file_and_no_file_give_the_defaults(load: Load) -> None:
    assert load("").prediction == load_settings(None).prediction == Settings().prediction


def test_an_unknown_key_is_named_with_the_cure(load: Load) -> None:
    sentence = _sentence(load, "prediction: {neighbors: 3}")
    assert "'prediction.neighbors' (given: 3)" in sentence
    assert "mine.yaml" in sentence
    assert "check its spelling and its indentation" in sentence


def test_an_unknown_section_is_named_with_the_cure(load: Load) -> None:
    sentence = _sentence(load, "predictions: {k: 3}")
    assert "'predictions'" in sentence
    assert "check its spelling" in sentence


def test_a_wrong_type_is_named_with_what_was_given_and_what_it_should_be(load: Load) -> None:
    sentence = _sentence(load, "prediction: {k: many}")
    assert "'prediction.k' (given: 'many')" in sentence
    assert "should be a valid integer" in sentence


def test_a_value_out_of_range_is_named_with_the_range(load: Load) -> None:
    sentence = _sentence(load, "index: {target_recall: 1.5}")
    assert "'index.target_recall' (given: 1.5)" in sentence
    assert "less than or equal to 1" in sentence


def test_a_value_that_is_not_a_choice_is_answered_with_the_choices(load: Load) -> None:
    sentence = _sentence(load, "index: {kind: hnsw}")
    assert "'index.kind' (given: 'hnsw')" in sentence
    assert "'auto', 'flat', 'ivf_fastscan', 'ivf_fastscan12', 'ivf_sq8' or 'ivf_pq'" in sentence


def test_an_infinite_weight_is_refused(load: Load) -> None:
    sentence = _sentence(load, "prediction: {w1: .inf}")
    assert "'prediction.w1' (given: inf)" in sentence
    assert "should be a finite number" in sentence


def test_weights_that_are_all_zero_are_refused(load: Load) -> None:
    sentence = _sentence(load, "prediction: {w1: 0, w2: 0}")
    assert "'prediction'" in sentence
    assert "w1 and w2 must not both be 0" in sentence


def test_bounds_in_the_wrong_order_are_refused(load: Load) -> None:
    sentence = _sentence(load, "cleaning: {minimum_characters: 9, maximum_characters: 8}")
    assert "'cleaning'" in sentence
    assert "minimum_characters must not be above maximum_characters" in sentence


@pytest.mark.parametrize("section", ["prediction:", "prediction: 3"])
def test_a_section_without_keys_is_named_with_the_cure(load: Load, section: str) -> None:
    sentence = _sentence(load, section)
    assert "'prediction'" in sentence
    assert "write them below it, or leave it out" in sentence


def test_one_value_where_a_list_belongs_is_named_with_the_cure(load: Load) -> None:
    sentence = _sentence(load, "cleaning: {languages: 'en,de'}")
    assert "'cleaning.languages' (given: 'en,de')" in sentence
    assert "write it as [a, b]" in sentence


def test_one_path_is_a_list_of_one(load: Load, tmp_path: Path) -> None:
    there = str(tmp_path / "photographs")
    assert load("images: {paths: photographs/}").images.paths == (there,)
    assert load("", f"images.paths={there}").images.paths == (there,)
    assert "'images.paths' (given: '')" in _sentence(load, "images: {paths: ''}")


def test_one_path_of_an_override_starts_at_the_working_directory(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert load("", "images.paths=a/").images.paths == (str(tmp_path / "here" / "a"),)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("sources: [{kind: demo}, {kind: file}]", "sources.1.path"),
        ("evaluation: {truths: {kind: coco}}", "evaluation.truths.path"),
    ],
)
def test_a_missing_key_is_named_as_the_file_would_write_it(load: Load, text: str, key: str) -> None:
    sentence = _sentence(load, text)
    assert f"'{key}' in" in sentence
    assert "it is required: add it" in sentence


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("sources: [{kind: file, path: [a]}]", "sources.0.path"),
        ("sources: [{kind: file, path: ./a, file: 3}]", "sources.0.file"),
        ("sources: [{kind: file, path: ./a, header: 3}]", "sources.0.header"),
        ("index: {kind: flat, flat: 3}", "index.flat"),
        ("evaluation: {truths: {kind: csv, path: ./a, prompt_column: 3}}",
         "evaluation.truths.prompt_column"),
    ],
)  # fmt: skip
def test_the_kind_of_a_choice_is_no_part_of_a_key(load: Load, text: str, key: str) -> None:
    assert f"Setting '{key}'" in _sentence(load, text)


def test_an_unknown_kind_is_answered_with_the_kinds(load: Load) -> None:
    sentence = _sentence(load, "sources: [{kind: fiel, path: ./a}]")
    assert "'sources.0'" in sentence
    assert "'fiel'" in sentence
    assert "'file'" in sentence


def test_a_source_without_a_kind_is_named_with_the_cure(load: Load) -> None:
    sentence = _sentence(load, "sources: [{path: ./a}]")
    assert "'sources.0'" in sentence
    assert "add its `kind`" in sentence


def test_a_source_that_is_a_word_is_named_with_the_cure(load: Load) -> None:
    sentence = _sentence(load, "sources: [demo]")
    assert "'sources.0' (given: 'demo')" in sentence
    assert "write them below it" in sentence


def test_two_sources_of_one_name_are_named_with_the_cure(load: Load) -> None:
    sentence = _sentence(
        load, "sources: [{kind: file, path: ./a/words.csv}, {kind: file, path: ./b/words.tsv}]"
    )
    assert "two sources are called 'words'" in sentence
    assert "give each a `name` of its own" in sentence


def test_no_source_at_all_is_refused(load: Load) -> None:
    sentence = _sentence(load, "sources: []")
    assert "'sources'" in sentence
    assert "at least 1 item" in sentence


def test_a_missing_file_is_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"gone\.yaml: there is no such file; name one"):
        load_settings(tmp_path / "gone.yaml")


def test_a_folder_is_refused_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read .*: mend the file\."):
        load_settings(tmp_path)


def test_a_file_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("lake: ./café".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"latin\.yaml cannot be read"):
        load_settings(path)


def test_bad_yaml_is_refused_with_its_line(load: Load) -> None:
    sentence = _sentence(load, "lake: ./lake\nimages: [")
    assert "mine.yaml is not valid YAML" in sentence
    assert "line 2" in sentence


@pytest.mark.parametrize("text", ["- lake", "lake", "3"])
def test_a_file_without_keys_is_refused(load: Load, text: str) -> None:
    assert "must hold keys and values, such as `lake: ./lake`" in _sentence(load, text)


@pytest.mark.parametrize("override", ["prediction.k", "=3", ""])
def test_an_override_without_key_or_value_is_refused(load: Load, override: str) -> None:
    assert f"--set {override}: write it as key=value" in _sentence(load, "", override)


def test_an_override_that_is_bad_yaml_is_refused(load: Load) -> None:
    sentence = _sentence(load, "", "prediction.k=[")
    assert "--set prediction.k=[: the value is not valid YAML" in sentence


@pytest.mark.parametrize(
    ("override", "part"),
    [("lake.inner=3", "inner"), ("lake.a.b=3", "a"), ("sources.7=3", "7"), ("sources.x.y=3", "x")],
)
def test_an_override_of_no_place_is_named(load: Load, override: str, part: str) -> None:
    sentence = _sentence(load, "lake: ./lake\nsources: [{kind: demo}]", override)
    assert f"--set {override}: '{part}' is no place in the settings" in sentence


def test_an_override_with_a_wrong_value_is_named_like_the_file(load: Load) -> None:
    sentence = _sentence(load, "", "prediction.k=0")
    assert "'prediction.k' (given: 0)" in sentence
    assert "--set" in sentence
    assert "greater than or equal to 1" in sentence


def test_without_a_file_the_sentence_speaks_of_the_defaults() -> None:
    with pytest.raises(SettingsError, match=r"'clip\.views' \(given: 3\) in the defaults or --set"):
        load_settings(None, ["clip.views=3"])


def test_the_online_stage_skips_what_jobs_alone_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("lake: ./here\nsources: [{kind: nonsense}]\nprediction: {k: 7}")
    settings = load_online_settings(path, ["prediction.w1=0.5"])
    assert settings.lake == str(tmp_path / "here")
    assert (settings.prediction.k, settings.prediction.w1) == (7, 0.5)


def test_the_online_stage_refuses_a_key_that_nobody_knows(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("predicton: {k: 7}")
    with pytest.raises(SettingsError, match=r"'predicton' in .*mine\.yaml or --set: no such key"):
        load_online_settings(path)
