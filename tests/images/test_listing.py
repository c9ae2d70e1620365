import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from promptknn.errors import MissingInputError
from promptknn.images.listing import SCHEMA, UNKNOWN_SIZE, list_images

EXTENSIONS = ("jpg", "png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "notes.txt", "deep/er/c.jpg", "deep/README"):
        path = tmp_path / "photographs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * len(name))
    return tmp_path / "photographs"


def _names(folder: Path, uris: list[str]) -> list[str]:
    return [os.path.relpath(uri, folder) for uri in uris]


def test_a_folder_is_searched_to_the_bottom(folder: Path) -> None:
    listing = list_images([str(folder)], EXTENSIONS)
    assert _names(folder, listing.uris) == ["a.JPG", "b.png", "deep/er/c.jpg"]
    assert listing.bytes == [5, 5, 13]
    assert listing.left_out == 2


def test_a_glob_finds_files_and_searches_folders(folder: Path) -> None:
    listing = list_images([str(folder / "*")], EXTENSIONS)
    assert _names(folder, listing.uris) == ["a.JPG", "b.png", "deep/er/c.jpg"]
    deep = list_images([str(folder / "**" / "*.jpg")], EXTENSIONS)
    assert _names(folder, deep.uris) == ["deep/er/c.jpg"]


def test_a_file_named_outright_needs_no_known_extension(folder: Path) -> None:
    listing = list_images([str(folder / "notes.txt")], EXTENSIONS)
    assert _names(folder, listing.uris) == ["notes.txt"]
    assert listing.left_out == 0


def test_a_file_named_twice_is_listed_once(folder: Path) -> None:
    listing = list_images([str(folder), str(folder / "b.png"), str(folder / "*.png")], EXTENSIONS)
    assert _names(folder, listing.uris) == ["a.JPG", "b.png", "deep/er/c.jpg"]


def test_a_name_with_brackets_is_no_glob(tmp_path: Path) -> None:
    folder = tmp_path / "photographs [1]"
    folder.mkdir()
    (folder / "a[b].png").write_bytes(b"x")
    assert list_images([str(folder)], EXTENSIONS).uris == [str(folder / "a[b].png")]
    assert list_images([str(folder / "a[b].png")], ()).uris == [str(folder / "a[b].png")]


@pytest.mark.parametrize("name", ["gone", "gone.png", "*.bmp"])
def test_a_path_that_matches_nothing_is_named_with_the_cure(folder: Path, name: str) -> None:
    with pytest.raises(MissingInputError) as caught:
        list_images([str(folder), str(folder / name)], EXTENSIONS)
    assert f"No image is at {folder / name}: set `images.paths`" in str(caught.value)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="No image is at"):
        list_images([str(tmp_path)], EXTENSIONS)


def test_a_folder_of_other_files_gives_none_and_counts_them(folder: Path) -> None:
    listing = list_images([str(folder)], ("webp",))
    assert (listing.uris, listing.left_out) == ([], 5)


def test_the_table_has_sizes_and_times_of_modification(folder: Path) -> None:
    modified = datetime(2024, 2, 29, 12, 30, 15, 250_000, tzinfo=UTC)
    os.utime(folder / "b.png", (modified.timestamp(), modified.timestamp()))
    table = list_images([str(folder / "b.png")], EXTENSIONS).to_arrow()
    assert table.schema == SCHEMA
    assert table.to_pylist() == [
        {"image_uri": str(folder / "b.png"), "image_bytes": 5, "modified_at": modified}
    ]


def test_a_folder_that_cannot_be_listed_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = folder / "closed"
    closed.mkdir()
    scan = os.scandir

    def refuse(path: str) -> object:
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scan(path)

    # The tests may run as root, whom no folder is closed to.
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(MissingInputError, match=r"closed cannot be listed \(Permission denied\)"):
        list_images([str(folder)], ["png"])


def test_no_images_make_an_empty_table(folder: Path) -> None:
    assert list_images([], EXTENSIONS).to_arrow().num_rows == 0


def test_linked_folders_are_searched_each_once(tmp_path: Path) -> None:
    inside, outside = tmp_path / "pictures", tmp_path / "elsewhere"
    for place in (inside / "own", outside / "deep"):
        place.mkdir(parents=True)
        (place / "a.png").write_bytes(b"image")
    # To the same folder twice, to one within it, to one that is searched anyway, and in circles.
    (inside / "linked").symlink_to(outside)
    (inside / "linked again").symlink_to(outside)
    (inside / "linked within").symlink_to(outside / "deep")
    (inside / "a link to own").symlink_to(inside / "own")
    (inside / "own" / "up").symlink_to(inside)
    (outside / "above").symlink_to(tmp_path)
    (outside / "b.png").write_bytes(b"image")
    listing = list_images([str(inside)], ["png"])
    assert [Path(uri).relative_to(inside).as_posix() for uri in listing.uris] == [
        "linked within/a.png", "linked/b.png", "own/a.png",
    ]  # fmt: skip


def test_a_link_to_nothing_is_listed_with_unknown_size(folder: Path) -> None:
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    listing = list_images([str(folder)], EXTENSIONS)
    assert listing.bytes[listing.uris.index(str(folder / "gone.png"))] == UNKNOWN_SIZE
    assert listing.to_arrow().num_rows == 4


def test_a_name_that_is_not_utf_8_is_shown_escaped(folder: Path) -> None:
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    listing = list_images([str(folder)], ("png",))
    assert _names(folder, listing.uris) == ["b.png", "caf\\xe9.png"]
    assert listing.to_arrow().column("image_uri").to_pylist() == listing.uris
