from pathlib import Path

import pytest
from PIL import Image

from promptknn.errors import GenerationError, MissingInputError, SettingsError
from promptknn.images.picture_files import picture_name, pictures_location, save_picture
from promptknn.settings import Settings


def test_names_fan_out_by_the_first_digits_of_the_prompt() -> None:
    assert picture_name("sd-1", "ab12", 0) == "sd-1/ab/ab12-0.png"


def test_a_picture_replaces_what_a_killed_run_left_in_a_volume_too(volume: Path) -> None:
    path = volume / "ab" / "ab12-0.png"
    path.parent.mkdir()
    path.write_bytes(b"half a pict")
    size = save_picture(Image.new("RGB", (4, 4), "red"), path)
    assert path.stat().st_size == size
    assert Image.open(path).getpixel((0, 0)) == (255, 0, 0)
    assert [file.name for file in path.parent.iterdir()] == ["ab12-0.png"]


def test_a_picture_that_cannot_be_encoded_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ab12-0.png"
    with pytest.raises(GenerationError, match=r"set `generation\.location` to another folder"):
        save_picture(Image.new("CMYK", (4, 4)), path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GenerationError, match=f"No picture can be written to {tmp_path}/file/ab"):
        save_picture(Image.new("RGB", (4, 4)), tmp_path / "file" / "ab" / "x.png")


def test_pictures_lie_beside_the_tables_or_where_the_settings_say(tmp_path: Path) -> None:
    lake, location = str(tmp_path / "lake"), str(tmp_path / "pictures")
    beside = Settings.model_validate({"lake": lake})
    named = Settings.model_validate({"lake": lake, "generation": {"location": location}})
    assert pictures_location(beside) == tmp_path / "lake" / "prompt_images_files"
    assert pictures_location(named) == tmp_path / "pictures"


def test_a_schema_as_the_lake_needs_a_folder_for_pictures() -> None:
    with pytest.raises(MissingInputError, match=r"set `generation\.location`, to a Volume"):
        pictures_location(Settings.model_validate({"lake": "main.prompts"}))


def test_a_uri_is_refused_as_the_place_of_pictures() -> None:
    settings = Settings.model_validate({"lake": "s3://bucket/lake"})
    with pytest.raises(SettingsError, match="s3://bucket/lake/prompt_images_files"):
        pictures_location(settings)
