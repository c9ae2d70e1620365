"""Predicting for a few pictures without Spark: the tables, shards and arithmetic of the jobs."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from PIL.Image import Image

from promptknn.arrow_vectors import to_arrow
from promptknn.encoders.models import Models
from promptknn.errors import UnansweredImageError, UnusableImageError
from promptknn.images.decoding import RefusedImageError, decode, upright_rgb
from promptknn.index.without_spark import active_version, handle_of
from promptknn.index.write_shards import RESCORING_COLUMN
from promptknn.lake_reader import LakeReader
from promptknn.online_settings import OnlineSettings
from promptknn.prediction.last_job import latest_calibration, settings_of_last_job
from promptknn.prediction.predicted import check_k, predict_images, prediction_hash
from promptknn.prediction.prediction import Prediction, predictions_of
from promptknn.settings_file import load_online_settings

Picture = str | Path | bytes | Image
# Pictures in memory at once.
_BATCH = 8


class PromptIndex:
    """The active index of a lake, ready to predict.

    Example:
        >>> index = promptknn.PromptIndex.open("lake")
        >>> index.predict(["photo.jpg"])[0].predicted_prompt
    """

    def __init__(self, settings: OnlineSettings) -> None:
        """Open the active index of the settings' lake; the models load at the first picture.

        Args:
            settings: those of the jobs; answers are the ones the job gives with them.

        Raises:
            MissingInputError: there is no lake, or no index is active.
            ModelMismatchError: the active index was made with other models.
            CorruptShardError: a file of the index is missing, or its sha256 differs.
            SettingsError: more neighbours are asked for than the index has prompts.
        """
        reader = LakeReader(settings.lake)
        models = Models.every(settings)
        version = active_version(reader, settings, models[0])
        check_k(settings.prediction, version.prompts)
        self.settings = settings
        self.version = version
        self._models = models
        self._index = handle_of(reader, settings, version).open()
        self._calibration = latest_calibration(reader, prediction_hash(settings, models[0]))

    @classmethod
    def open(cls, lake: str | Path, overrides: Sequence[str] = ()) -> "PromptIndex":
        """Open a lake's active index with the settings of the last job that built or used one.

        Args:
            lake: a folder.
            overrides: texts such as `prediction.k=10`, as --set takes them.

        Raises:
            SettingsError: an override is wrong, or the job was one of another promptknn.
            PromptKnnError: as the constructor raises.
        """
        location = str(Path(lake).expanduser().absolute())
        return cls(settings_of_last_job(LakeReader(location), overrides))

    @classmethod
    def of_config(cls, config: Path, overrides: Sequence[str] = ()) -> "PromptIndex":
        """Open the active index of the lake that a settings file names, with its settings.

        Raises:
            PromptKnnError: as `open` raises.
        """
        return cls(load_online_settings(config, overrides))

    def predict(self, images: Sequence[Picture] | Picture) -> list[Prediction]:
        """Predict the prompts of pictures.

        Args:
            images: paths, files' contents, or PIL images.

        Returns:
            A prediction for each, in their order.

        Raises:
            UnusableImageError: naming the first that cannot be read.
            UnansweredImageError: naming one near which the index holds no prompt.
            ModelLoadError: the image tower cannot be loaded.
        """
        some = [images] if isinstance(images, Picture) else list(images)
        names = [
            str(image) if isinstance(image, str | Path) else f"image {number}"
            for number, image in enumerate(some)
        ]
        found: list[Prediction] = []
        for start in range(0, len(some), _BATCH):
            rows = slice(start, start + _BATCH)
            found += self._predict(some[rows], names[rows])
        return found

    def _predict(self, images: list[Picture], names: list[str]) -> list[Prediction]:
        megapixels = self.settings.images.maximum_megapixels
        pictures = [_read(*pair, megapixels) for pair in zip(images, names, strict=True)]
        columns = {"image_id": pa.array(names), "image_uri": pa.array(names)}
        vectors = ("embedding", RESCORING_COLUMN)
        for column, models in zip(vectors, self._models, strict=False):
            columns[column] = to_arrow(models.clip_encoder().encode_images(pictures))
        batch = pa.RecordBatch.from_pydict(columns)
        rows = predict_images(self._index, batch, self.settings.prediction, self._models[0])
        unanswered = set(names) - set(rows.column("image_id").to_pylist())
        if unanswered:
            raise UnansweredImageError(
                f"The picture {min(unanswered)} met no prompt in the lists that were searched: "
                f"raise `index.target_recall` and run jobs/build_index.py."
            )
        return predictions_of(rows, self._calibration)


def _read(image: Picture, name: str, maximum_megapixels: float) -> Image:
    if isinstance(image, Image):
        return upright_rgb(image)
    try:
        content = image if isinstance(image, bytes) else Path(image).read_bytes()
        return decode(content, maximum_megapixels)
    except OSError as error:
        raise UnusableImageError(
            f"The picture {name} cannot be read ({error.strerror or type(error).__name__}): name "
            f"a file that is there."
        ) from error
    except RefusedImageError as refused:
        raise UnusableImageError(
            f"The picture {name} cannot be used ({refused.reason}: {refused.detail}): give a "
            f"whole JPEG, PNG or another file that Pillow reads."
        ) from refused
