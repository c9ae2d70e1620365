"""A small training: pictures on disk, their pairs in an Arrow file, a tiny CLIP to start from."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load_file

from promptknn.arrow_vectors import to_arrow
from promptknn.encoders.encoder import Vectors, unit
from promptknn.settings import ClipSettings
from promptknn.training.batches import TARGET
from promptknn.training.head import FILE
from promptknn.training.loop import PAIRS, TrainingJob
from promptknn.training.pairs import write_file
from promptknn.training.settings import TrainingSettings
from tests.checkpoints import tiny_clip
from tests.pictures import all_scenes

SENTENCE_DIM = 8


def write_pictures(folder: Path, count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Draw different scenes into PNG files: their paths and prompts."""
    draw = np.random.default_rng(seed)
    scenes = all_scenes()
    chosen = [scenes[place] for place in draw.permutation(len(scenes))[:count]]
    folder.mkdir(parents=True, exist_ok=True)
    uris = [str(folder / f"{number:04d}.png") for number in range(count)]
    for scene, uri in zip(chosen, uris, strict=True):
        scene.picture(draw).save(uri)
    return uris, [scene.prompt for scene in chosen]


def small_job(
    folder: Path, pairs: int = 20, validation: int = 4, **settings: object
) -> TrainingJob:
    """Make a job whose first pairs are trained on, and whose last are for validation.

    Args:
        folder: takes everything.
        pairs: how many in all.
        validation: how many of them.
        settings: of TrainingSettings, laid over two epochs of batches of 6.
    """
    uris, prompts = write_pictures(folder / "pictures", pairs)
    batch = pa.RecordBatch.from_pydict({
        "image_uri": uris,
        "text": prompts,
        "split": ["train"] * (pairs - validation) + ["validation"] * validation,
        TARGET: to_arrow(some_vectors(pairs)),
    })  # fmt: skip
    write_file(iter([batch]), folder / PAIRS / "part-00000.arrow", models=None)
    chosen = {"objective": "both", "epochs": 2, "batch_size": 6, "learning_rate": 1e-3, **settings}
    return TrainingJob(
        run="small",
        work=folder,
        clip=ClipSettings(model=tiny_clip(folder / "base", seed=0)),
        settings=TrainingSettings.model_validate(chosen),
        maximum_megapixels=1.0,
        cache=folder / "cache",
    )


def some_vectors(rows: int) -> Vectors:
    """Give unit rows, float32, (rows, SENTENCE_DIM)."""
    drawn = np.random.default_rng(1).normal(size=(rows, SENTENCE_DIM))
    return unit(drawn.astype(np.float32))


def load_head(folder: Path) -> torch.nn.Linear:
    """Read a head that `save_head` wrote."""
    tensors = load_file(folder / FILE)
    sentence_dim, image_dim = tensors["weight"].shape
    head = torch.nn.Linear(image_dim, sentence_dim)
    head.load_state_dict(tensors)
    return head


def same_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Tell whether two sets of weights are equal, to the last bit."""
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name]) for name, value in one.items()
    )
