"""A folder of hostile image files, one of each kind, and what must become of each."""

import io
import os
import socket
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from tests.pictures import all_scenes

EMBEDDED = "embedded"
ROTATED = "rotated by its EXIF tag.png"
_SPARSE_BYTES = 2_000_000_000


@dataclass(frozen=True)
class HostileImages:
    """The corpus.

    Attributes:
        folder: holds the files.
        expected: `embedded` or a reason, by the name below the folder as the tables show it.
        upright: the picture that is rotated in the file ROTATED.
    """

    folder: Path
    expected: dict[str, str]
    upright: Image.Image


class _Folder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.expected: dict[str, str] = {}
        self._scenes = iter(all_scenes())
        self._draw = np.random.default_rng(0)
        folder.mkdir(parents=True)

    def picture(self) -> Image.Image:
        """Draw one that no other file has."""
        return next(self._scenes).picture(self._draw).resize((64, 48))

    def add(self, name: str, content: bytes, expected: str = EMBEDDED) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.expected[name] = expected
        return path

    def special(self, name: str, make: Callable[[Path], object], expected: str) -> None:
        """Add what is no regular file, where the system lets us make one."""
        with suppress(PermissionError):
            make(self.folder / name)
            self.expected[name] = expected


def write_hostile_images(home: Path) -> HostileImages:
    """Write the corpus into a folder below `home`; links lead to files beside it."""
    files = _Folder(home / "hostile")
    _formats(files)
    upright = _turned(files)
    _animations(files)
    _shapes(files)
    _names(files)
    _cut(files)
    _bombs(files)
    _not_images(files)
    _links(files, home)
    _not_files(files)
    return HostileImages(files.folder, files.expected, upright)


def encoded(image: Image.Image, format_: str = "PNG", **options: object) -> bytes:
    """Write a picture into memory."""
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """Begin a PNG of any size, whose pixels never come."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + struct.pack(">I", 1000) + b"IDAT"


def one_bit_bomb(side: int) -> bytes:
    """Make a whole PNG of side x side pixels of one bit, in a few kilobytes."""
    packer = zlib.compressobj(9)
    row = bytes(1 + -(-side // 8))
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    whole = name + content
    return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))


def _formats(files: _Folder) -> None:
    files.add("plain.jpg", encoded(files.picture(), "JPEG"))
    files.add("plain.png", encoded(files.picture()))
    files.add("plain.webp", encoded(files.picture(), "WEBP"))
    files.add("plain.bmp", encoded(files.picture(), "BMP"))
    files.add("progressive.jpg", encoded(files.picture(), "JPEG", progressive=True))
    files.add("cmyk.jpg", encoded(files.picture().convert("CMYK"), "JPEG"))
    files.add("grey.jpg", encoded(files.picture().convert("L"), "JPEG"))
    greys = np.asarray(files.picture().convert("L"), dtype=np.uint16) * 257
    files.add("16 bits.png", encoded(Image.fromarray(greys)))
    files.add("floats.tif", encoded(files.picture().convert("F"), "TIFF"))
    files.add("1 bit.png", encoded(files.picture().convert("1")))
    alpha = {"transparency": bytes(range(0, 256, 2))}
    files.add("palette with alpha.png", encoded(files.picture().convert("P"), **alpha))
    files.add("grey with alpha.png", encoded(files.picture().convert("LA")))
    files.add("rgba.png", encoded(files.picture().convert("RGBA")))
    files.add("broken profile.png", encoded(files.picture(), icc_profile=b"no profile"))
    files.add("rubbish behind it.png", encoded(files.picture()) + os.urandom(1000))
    files.add("page behind it.gif", encoded(files.picture(), "GIF") + b"<script>alert(1)</script>")


def _turned(files: _Folder) -> Image.Image:
    upright, exif = files.picture(), Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    sideways = upright.transpose(Image.Transpose.ROTATE_90)
    files.add(ROTATED, encoded(sideways, exif=exif))
    exif[ExifTags.Base.Orientation] = 5
    files.add("mirrored by its EXIF tag.jpg", encoded(files.picture(), "JPEG", exif=exif))
    exif[ExifTags.Base.Orientation] = 99
    files.add("orientation of no meaning.jpg", encoded(files.picture(), "JPEG", exif=exif))
    return upright


def _animations(files: _Folder) -> None:
    for name, format_ in (
        ("animated.gif", "GIF"),
        ("animated.webp", "WEBP"),
        ("animated.png", "PNG"),
        ("many pages.tif", "TIFF"),
    ):
        frames = [files.picture() for _ in range(5)]
        more = {"save_all": True, "append_images": frames[1:]}
        files.add(name, encoded(frames[0], format_, **more))


def _shapes(files: _Folder) -> None:
    picture = files.picture()
    files.add("very wide.png", encoded(picture.resize((8000, 1))), "too_thin")
    files.add("very high.png", encoded(picture.resize((1, 8000))), "too_thin")
    files.add("one pixel.png", encoded(picture.resize((1, 1))))


def _names(files: _Folder) -> None:
    for name in (
        "a line\nand another.png",
        "  spaces  .png",
        "emoji 🦓👩\u200d🚀.png",
        "right to left \u202egnp.png",
        "'; DROP TABLE predictions; --.png",
        "$(touch made) `touch made`.png",
        "%2e%2e?x=1#y.png",
        "-rf.png",
        ".hidden.png",
        "LOUD.JPG",
        "{0} {{7*7}} [bold].png",
        f"{'long' * 60}.png",
        "/".join(["deep"] * 20) + "/picture.png",
        "a folder.png/picture.png",
    ):
        format_ = "JPEG" if name.endswith("JPG") else "PNG"
        files.add(name, encoded(files.picture(), format_))
    files.add("a JPEG called.png", encoded(files.picture(), "JPEG"))
    files.add("a PNG called.jpg", encoded(files.picture()))
    path = os.fsencode(files.folder) + b"/caf\xe9.png"
    Path(os.fsdecode(path)).write_bytes(encoded(files.picture()))
    files.expected["caf\\xe9.png"] = "unreadable"


def _cut(files: _Folder) -> None:
    large = files.picture().resize((640, 480))
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8))
    large = Image.blend(large, noise, 0.3)
    files.add("zero bytes.jpg", b"", "empty_file")
    files.add("cut.jpg", encoded(large, "JPEG")[:-3000], "truncated")
    files.add("cut.png", encoded(large)[:-3000], "truncated")
    files.add("cut.tif", encoded(large, "TIFF")[:-3000], "truncated")
    files.add("cut.webp", encoded(large, "WEBP")[:-3000], "broken_image")
    files.add("cut.gif", encoded(large.convert("P"), "GIF")[:2000], "truncated")
    files.add("header alone.png", png_header(64, 48), "truncated")
    whole = bytearray(encoded(large))
    middle = whole.index(b"IDAT") + 100
    whole[middle : middle + 64] = bytes(64)
    files.add("altered.png", bytes(whole), "broken_image")


def _bombs(files: _Folder) -> None:
    files.add("bomb of one bit.png", one_bit_bomb(14_000), "too_large")
    files.add("bomb by header.png", png_header(1_000_000, 1_000_000), "too_large")
    files.add("bomb.gif", b"GIF89a" + b"\xff" * 4 + b"\0" * 3 + b"," + bytes(4) + b"\xff" * 4
              + b"\0\x08\0;", "too_large")  # fmt: skip
    bomb = files.add("2 GB of nothing.png", b"", "too_large")
    os.truncate(bomb, _SPARSE_BYTES)


def _not_images(files: _Folder) -> None:
    for name, content in (
        ("vector.jpg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
        ("page.jpg", b"<!doctype html><title>404</title>"),
        ("document.png", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3"),
        ("archive.png", b"PK\x03\x04" + bytes(100)),
        ("program.png", b"\x7fELF" + bytes(100)),
        ("text.webp", "ein Bild".encode("utf-16")),
        ("zeros.gif", bytes(4096)),
        ("pickle.png", b"cos\nsystem\n(S'touch made'\ntR."),
    ):
        files.add(name, content, "not_an_image")


def _links(files: _Folder, home: Path) -> None:
    inside = files.folder / "kept" / "picture.data"
    inside.parent.mkdir()
    inside.write_bytes(encoded(files.picture()))
    outside = home / "private.png"
    outside.write_bytes(encoded(files.picture()))
    for name, target, expected in (
        ("link inside.png", inside, EMBEDDED),
        ("link outside.png", outside, "outside_paths"),
        ("link to passwords.png", Path("/etc/passwd"), "outside_paths"),
        ("link to a device.png", Path("/dev/zero"), "outside_paths"),
        ("link to nothing.png", files.folder / "nowhere.png", "unreadable"),
        ("link to itself.png", files.folder / "link to itself.png", "unreadable"),
    ):
        (files.folder / name).symlink_to(target)
        files.expected[name] = expected


def _not_files(files: _Folder) -> None:
    files.special("pipe.png", os.mkfifo, "not_a_file")
    zero = os.makedev(1, 5)
    files.special("device.png", lambda path: os.mknod(path, 0o20666, zero), "not_a_file")
    files.special("socket.png", _socket, "not_a_file")
    locked = files.add("locked.png", encoded(files.picture()))
    locked.chmod(0)
    if not os.access(locked, os.R_OK):
        files.expected["locked.png"] = "unreadable"


def _socket(path: Path) -> None:
    # A socket's address is short: it is named from within its folder.
    with socket.socket(socket.AF_UNIX) as opened:
        before = Path.cwd()
        os.chdir(path.parent)
        try:
            opened.bind(path.name)
        finally:
            os.chdir(before)
