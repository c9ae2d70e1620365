import base64
import io
from pathlib import Path

from PIL import Image

from promptknn.report.thumbnails import thumbnails

HIGHEST = 1.0


def test_thumbnail_is_a_small_jpeg_without_where_it_was_taken(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[271] = "the camera's maker"
    Image.new("RGB", (1000, 500), "red").save(tmp_path / "a.jpg", exif=exif)
    (uri,) = thumbnails([str(tmp_path / "a.jpg")], HIGHEST)
    assert uri is not None
    content = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    image = Image.open(io.BytesIO(content))
    assert (image.format, image.size) == ("JPEG", (360, 180))
    assert dict(image.getexif()) == {}
    assert len(content) < 10_000


def test_files_that_cannot_be_read_have_none_and_keep_their_place(tmp_path: Path) -> None:
    Image.new("L", (20, 10)).save(tmp_path / "small.png")
    Image.new("L", (2000, 1000)).save(tmp_path / "large.png")
    (tmp_path / "text.png").write_text("no image")
    names = ["gone.png", "text.png", "large.png", "small.png", "nul\0.png"]
    found = thumbnails([str(tmp_path / name) for name in names], HIGHEST)
    assert [uri is not None for uri in found] == [False, False, False, True, False]
