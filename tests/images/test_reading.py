import os
from pathlib import Path

import pytest

from promptknn.images.decoding import RefusedImageError
from promptknn.images.reading import read_image, roots_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "inside" / "a.png"
    path.parent.mkdir()
    path.write_bytes(b"pixels")
    return path


def refusal(uri: str, roots: tuple[str, ...] | None, megapixels: float = 1.0) -> RefusedImageError:
    with pytest.raises(RefusedImageError) as caught:
        read_image(uri, roots, megapixels)
    return caught.value


@pytest.mark.parametrize("path", ["inside", "inside/", "inside/a.png", "*/a.png", "inside/*.png"])
def test_a_file_below_what_is_named_is_read(tmp_path: Path, file: Path, path: str) -> None:
    roots = roots_of([f"{tmp_path}/{path}"])
    assert read_image(str(file), roots, 1.0) == b"pixels"


def test_a_file_elsewhere_is_refused_whatever_leads_to_it(tmp_path: Path, file: Path) -> None:
    roots = roots_of([str(tmp_path / "inside")])
    beside = tmp_path / "inside too" / "b.png"
    beside.parent.mkdir()
    beside.write_bytes(b"private")
    (tmp_path / "inside" / "link.png").symlink_to(beside)
    for uri in (beside, tmp_path / "inside" / "link.png", f"{tmp_path}/inside/../inside too/b.png"):
        assert refusal(str(uri), roots).reason == "outside_paths"
    assert refusal("https://a.org/b.png", roots).reason == "outside_paths"
    assert read_image(str(beside), None, 1.0) == b"private"


def test_a_root_that_is_a_link_holds_what_it_leads_to(tmp_path: Path, file: Path) -> None:
    (tmp_path / "alias").symlink_to(file.parent)
    roots = roots_of([str(tmp_path / "alias")])
    assert read_image(str(tmp_path / "alias" / "a.png"), roots, 1.0) == b"pixels"
    assert read_image(str(file), roots, 1.0) == b"pixels"


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    roots = roots_of([str(tmp_path)])
    assert refusal(str(tmp_path / "pipe.png"), roots).reason == "not_a_file"
    assert refusal(str(tmp_path), roots).reason == "not_a_file"
    assert refusal("/dev/zero", None).reason == "not_a_file"


def test_a_file_larger_than_any_usable_picture_is_not_read(file: Path) -> None:
    os.truncate(file, 10_000_000)
    refused = refusal(str(file), None)
    assert (refused.reason, refused.detail) == ("too_large", "10,000,000 bytes")
    assert len(read_image(str(file), None, 2.0)) == 10_000_000


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("gone.png", "No such file or directory"),
        ("caf\\xe9.png", "No such file or directory, or its name is not UTF-8: rename it"),
        ("a\0b.png", "no file has such a name"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(
    tmp_path: Path, name: str, detail: str
) -> None:
    refused = refusal(f"{tmp_path}/{name}", roots_of([str(tmp_path)]))
    assert (refused.reason, refused.detail) == ("unreadable", detail)
