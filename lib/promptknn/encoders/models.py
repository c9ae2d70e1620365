"""The pair of models that settings name, picklable, each loaded once a Python worker."""

from dataclasses import dataclass
from functools import lru_cache

from promptknn.encoders.encoder import ClipEncoder
from promptknn.encoders.package_default import (
    NAME,
    PackageDefaultEncoder,
    package_default_identity,
)
from promptknn.encoders.sentence import SentenceEncoder, sentence_encoder, sentence_identity
from promptknn.encoders.settings import ClipSettings, SentenceSettings
from promptknn.online_settings import OnlineSettings


@dataclass(frozen=True)
class Models:
    """The CLIP model and the sentence model of a run.

    Attributes:
        clip_identity: names the CLIP model and its weights in the tables.
        sentence_identity: names the sentence model and its weights in the tables.
    """

    clip: ClipSettings
    sentence: SentenceSettings
    clip_identity: str
    sentence_identity: str

    @classmethod
    def of(cls, settings: OnlineSettings) -> "Models":
        """Name the models of the settings; nothing is loaded.

        Raises:
            ModelLoadError: a local folder or a package is missing.
        """
        sentence = sentence_identity(settings.sentence)
        return cls(settings.clip, settings.sentence, _clip_identity(settings), sentence)

    @classmethod
    def rescoring_of(cls, settings: OnlineSettings) -> "Models | None":
        """Name the models with `prediction.rescoring.clip` in the place of the CLIP model."""
        rescoring = settings.prediction.rescoring
        if rescoring is None:
            return None
        return cls.of(settings.model_copy(update={"clip": rescoring.clip}))

    @classmethod
    def every(cls, settings: OnlineSettings) -> "list[Models]":
        """Name the models that prompts and images are embedded with."""
        second = cls.rescoring_of(settings)
        return [cls.of(settings), *([second] if second else [])]

    @staticmethod
    def check(settings: OnlineSettings) -> None:
        """Check within seconds that both models can be had; nothing is loaded.

        Raises:
            ModelLoadError: a model is not here, and the hub does not give it.
        """
        from promptknn.encoders.hub import check_open_clip, check_sentence

        if settings.clip.model != NAME:
            check_open_clip(settings.clip)
        check_sentence(settings.sentence)
        if settings.prediction.rescoring:
            check_open_clip(settings.prediction.rescoring.clip)
        Models.every(settings)

    @property
    def text_tower_is_sentence_model(self) -> bool:
        """Whether one encoding of a prompt serves as both of its vectors."""
        return self.clip.model == NAME

    def clip_encoder(self) -> ClipEncoder:
        """Give the CLIP model, loaded once a process."""
        return _clip_encoder(self)

    def sentence_encoder(self) -> SentenceEncoder:
        """Give the sentence model, loaded once a process."""
        return sentence_encoder(self.sentence, self.sentence_identity)


def _clip_identity(settings: OnlineSettings) -> str:
    if settings.clip.model == NAME:
        return package_default_identity(settings.clip, settings.sentence)
    from promptknn.encoders.open_clip import open_clip_identity

    return open_clip_identity(settings.clip)


@lru_cache(maxsize=2)
def _clip_encoder(models: Models) -> ClipEncoder:
    if models.clip.model == NAME:
        return PackageDefaultEncoder(models.clip, models.sentence, models.sentence_identity)
    from promptknn.encoders.open_clip import OpenClipEncoder

    return OpenClipEncoder(models.clip)
