import io
import random
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from promptknn.images.decoding import RefusedImageError, decode

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
REASONS = {"empty_file", "not_an_image", "too_large", "too_thin", "truncated", "broken_image"}
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")


def _content(image: Image.Image, format_: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def _corners() -> Image.Image:
    """Three pixels wide, two high: red at the top left, blue at the bottom right."""
    image = Image.new("RGB", (3, 2), WHITE)
    image.putpixel((0, 0), RED)
    image.putpixel((2, 1), BLUE)
    return image


def _noise(size: tuple[int, int] = (48, 32)) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def _png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checked = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + checked + struct.pack(">I", 1000) + b"IDAT"


def _refusal(content: bytes, maximum_megapixels: float = 178.0) -> RefusedImageError:
    with pytest.raises(RefusedImageError) as caught:
        decode(content, maximum_megapixels)
    return caught.value


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_gives_rgb_of_the_same_size(format_: str) -> None:
    image = decode(_content(_noise(), format_), 178.0)
    assert (image.mode, image.size) == ("RGB", (48, 32))


def test_pixels_are_kept() -> None:
    np.testing.assert_array_equal(decode(_content(_noise()), 178.0), _noise())


@pytest.mark.parametrize(
    ("orientation", "size", "red", "blue"),
    [
        (1, (3, 2), (0, 0), (2, 1)),
        (2, (3, 2), (2, 0), (0, 1)),
        (3, (3, 2), (2, 1), (0, 0)),
        (4, (3, 2), (0, 1), (2, 0)),
        (5, (2, 3), (0, 0), (1, 2)),
        (6, (2, 3), (1, 0), (0, 2)),
        (7, (2, 3), (1, 2), (0, 0)),
        (8, (2, 3), (0, 2), (1, 0)),
        (99, (3, 2), (0, 0), (2, 1)),
    ],
)
def test_exif_orientation_is_undone(
    orientation: int, size: tuple[int, int], red: tuple[int, int], blue: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    image = decode(_content(_corners(), exif=exif), 178.0)
    assert image.size == size
    assert (image.getpixel(red), image.getpixel(blue)) == (RED, BLUE)


def test_exif_that_cannot_be_written_again_does_no_harm() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.ResolutionUnit] = 2
    content = _content(_noise(), "JPEG", exif=exif)
    # The field type of the resolution unit: a short becomes a text, which Pillow cannot write.
    unit = content.index(bytes([1, 0x28, 0, 3]))
    broken = content[: unit + 3] + bytes([2]) + content[unit + 4 :]
    assert decode(broken, 178.0).size == (32, 48)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparent_pixels_are_white(mode: str) -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    found = decode(_content(image.convert(mode), "TIFF" if mode == "PA" else "PNG"), 178.0)
    assert [found.getpixel((x, 0)) for x in range(2)] == [WHITE, (0, 0, 0)]


def test_half_transparent_pixels_are_mixed_with_white() -> None:
    found = decode(_content(Image.new("RGBA", (1, 1), (255, 0, 0, 51))), 178.0)
    assert found.getpixel((0, 0)) == (255, 204, 204)


def test_a_transparent_colour_of_a_palette_is_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putpixel((1, 0), 1)
    found = decode(_content(image, transparency=0), 178.0)
    assert [found.getpixel((x, 0)) for x in range(2)] == [WHITE, GREEN]


def test_sixteen_bits_are_scaled_to_eight() -> None:
    greys = np.array([[0, 257 * 100, 65535]], dtype=np.uint16)
    found = decode(_content(Image.fromarray(greys)), 178.0)
    assert [found.getpixel((x, 0)) for x in range(3)] == [(0,) * 3, (100,) * 3, WHITE]


@pytest.mark.parametrize("mode", ["I", "F"])
def test_wide_greys_that_hold_eight_bits_stay_as_they_are(mode: str) -> None:
    image = Image.fromarray(np.array([[0, 100, 255]], dtype=np.uint8)).convert(mode)
    found = decode(_content(image, "TIFF"), 178.0)
    assert [found.getpixel((x, 0)) for x in range(3)] == [(0,) * 3, (100,) * 3, WHITE]


def test_cmyk_is_converted() -> None:
    red, green, blue = decode(
        _content(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), 178.0
    ).getpixel((4, 4))  # type: ignore[misc]
    assert red > 240
    assert green < 16
    assert blue < 16


def test_one_bit_and_grey_become_rgb() -> None:
    for mode in ("1", "L"):
        assert decode(_content(Image.new(mode, (1, 1), 255)), 178.0).getpixel((0, 0)) == WHITE


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN, BLUE)]
    content = _content(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with Image.open(io.BytesIO(content)) as animation:
        assert getattr(animation, "n_frames", 1) == 3
    assert decode(content, 178.0).getpixel((0, 0)) == RED


def test_an_empty_file_is_refused() -> None:
    refusal = _refusal(b"")
    assert (refusal.reason, refusal.detail) == ("empty_file", "0 bytes")


@pytest.mark.parametrize("content", [b"a photo of a cat", b"%PDF-1.7 ...", b"\x00" * 64])
def test_what_is_no_image_is_refused_with_its_start(content: bytes) -> None:
    refusal = _refusal(content)
    assert refusal.reason == "not_an_image"
    assert repr(content[:16]) in refusal.detail


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF"])
def test_a_truncated_image_is_refused(format_: str) -> None:
    content = _content(_noise(), format_)
    assert _refusal(content[:-400]).reason == "truncated"


def test_a_broken_image_is_refused_with_what_was_found() -> None:
    content = _content(_noise())
    data = content.index(b"IDAT") + 4
    refusal = _refusal(content[:data] + b"\xff" * 64 + content[data + 64 :])
    assert refusal.reason == "broken_image"
    assert refusal.detail


def test_a_large_image_is_refused_with_its_size_before_it_is_decoded() -> None:
    refusal = _refusal(_png_header(15_000, 12_000))
    assert (refusal.reason, refusal.detail) == ("too_large", "15000 x 12000 pixels")


def test_a_thin_image_is_refused_before_an_image_tower_enlarges_it() -> None:
    refused = _refusal(_content(Image.new("L", (60_000, 1))))
    assert (refused.reason, refused.detail) == ("too_thin", "60000 x 1 pixels")
    panorama = decode(_content(Image.new("L", (2_000, 10))), 1.0)
    assert panorama.size == (2_000, 10)


def test_a_decompression_bomb_is_refused() -> None:
    refusal = _refusal(_png_header(1_000_000, 1_000_000))
    assert refusal.reason == "too_large"
    assert "1000000000000 pixels" in refusal.detail


def test_pillows_own_limit_is_left_as_it_was() -> None:
    before = Image.MAX_IMAGE_PIXELS
    _refusal(_png_header(2000, 2000), 1.0)
    assert before == Image.MAX_IMAGE_PIXELS


def test_the_limit_may_be_above_pillows_own() -> None:
    assert _refusal(_png_header(20_000, 20_000), 401).reason == "truncated"


def test_the_limit_is_a_setting() -> None:
    content = _content(Image.new("L", (1000, 1000)))
    assert decode(content, 1.0).size == (1000, 1000)
    assert _refusal(content, 0.999).reason == "too_large"


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150)
@given(st.sampled_from(FORMATS), st.randoms(use_true_random=False))
def test_a_damaged_file_is_decoded_or_refused_by_name(format_: str, draw: random.Random) -> None:
    content = bytearray(_DAMAGEABLE[format_])
    if draw.random() < 0.3:
        del content[draw.randrange(len(content)) :]
    for _ in range(min(draw.choice((1, 2, 20)), len(content))):
        content[draw.randrange(min(len(content), draw.choice((80, 10_000))))] = draw.randrange(256)
    image, reason = None, None
    try:
        image = decode(bytes(content), 1.0)
    except RefusedImageError as refusal:
        reason = refusal.reason
    if image is None:
        assert reason in REASONS
    else:
        assert image.mode == "RGB"
        assert min(image.size) > 0


def _damageable(format_: str) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    options = {"exif": exif} if format_ in ("JPEG", "PNG", "WEBP") else {}
    return _content(_noise(), format_, **options)


_DAMAGEABLE = {format_: _damageable(format_) for format_ in FORMATS}
