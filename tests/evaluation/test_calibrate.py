import numpy as np
import pytest

from promptknn.errors import MissingInputError
from promptknn.evaluation.calibrate import FEWEST_IMAGES, check_unlike_images


def test_few_unlike_images_are_refused_however_often_they_are_there() -> None:
    groups = np.repeat(np.arange(FEWEST_IMAGES - 1), 10)
    with pytest.raises(MissingInputError, match=r"on 19 images .* 20 or more in `evaluation.trut"):
        check_unlike_images(groups)
    check_unlike_images(np.append(groups, FEWEST_IMAGES))
