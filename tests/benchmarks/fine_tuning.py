"""Does fine-tuning CLIP raise the score of predicted prompts (paper, table 1 and table 2)?

A tiny CLIP with random weights is fine-tuned on generated pictures (coloured shapes on backgrounds)
and their prompts. Then prompts are predicted for pictures of combinations it has never seen, whose
prompts are not in the pool either: before and after, with the paper's 0.6 / 0.4. The measure is the
mean cosine of E_pred to the true prompt's sentence embedding; the interval of the gain is a paired
bootstrap over prompts. Every seed makes other weights, other pictures and another split.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from promptknn.deduplication.exact import prompt_id
from promptknn.encoders.encoder import Vectors
from promptknn.encoders.open_clip import OpenClipEncoder
from promptknn.encoders.sentence import sentence_encoder, sentence_identity
from promptknn.evaluation.cosine import Doubles, Estimate, bootstrap, mean_cosines
from promptknn.evaluation.selection import paired_difference
from promptknn.index.query_map import identity_map
from promptknn.index.searchable import SearchableIndex
from promptknn.index.shard import Shard
from promptknn.index.shard_writer import ShardWriter
from promptknn.prediction.combination import Combination
from promptknn.settings import ClipSettings, SentenceSettings
from promptknn.training.loop import MODEL, PAIRS, TrainingJob, train
from promptknn.training.pairs import write_file
from promptknn.training.settings import TrainingSettings
from tests.checkpoints import tiny_clip
from tests.pictures import Scene, all_scenes

SEEDS = (0, 1, 2)
HELD_OUT = 0.2
PICTURES_A_PROMPT = 2
K = 10
CONFIG = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {
        "context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2,
    },
}  # fmt: skip
# A network that starts from nothing needs larger and more steps than the paper's fine-tuning.
TRAINING = TrainingSettings(
    batch_size=128, micro_batch_size=128, epochs=30, learning_rate=2e-3, weight_decay=6e-5
)


@dataclass(frozen=True)
class Pictures:
    """Scenes, and the files of some pictures of each: `uris[n]` shows `scenes[n]`."""

    scenes: list[Scene]
    uris: list[str]


def draw_pictures(scenes: Sequence[Scene], folder: Path, seed: int) -> Pictures:
    """Draw every scene as often as PICTURES_A_PROMPT says."""
    draw = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    repeated = [scene for scene in scenes for _ in range(PICTURES_A_PROMPT)]
    uris = [str(folder / f"{number:04d}.png") for number in range(len(repeated))]
    for scene, uri in zip(repeated, uris, strict=True):
        scene.picture(draw).save(uri)
    return Pictures(repeated, uris)


def fine_tune(base: str, pictures: Pictures, folder: Path, seed: int) -> str:
    """Fine-tune a model on pictures; gives the name of the new one."""
    batch = pa.RecordBatch.from_pydict({
        "image_uri": pictures.uris,
        "text": [scene.prompt for scene in pictures.scenes],
        "split": ["train"] * len(pictures.uris),
    })  # fmt: skip
    write_file(iter([batch]), folder / PAIRS / "part-00000.arrow", models=None)
    settings = TRAINING.model_copy(update={"seed": seed})
    # So small a network is no faster on two threads, and much slower beside other work.
    torch.set_num_threads(1)
    result = train(TrainingJob("bench", folder, ClipSettings(model=base), settings, 1.0, folder))
    if result.failure:
        raise result.failure
    return f"local-dir:{folder / MODEL}"


def build_index(encoder: OpenClipEncoder, prompts: list[str], folder: Path) -> SearchableIndex:
    """Write the prompts into one flat shard, and open it."""
    keys = encoder.encode_texts(prompts)
    ids = pa.array([prompt_id(prompt) for prompt in prompts])
    with ShardWriter(folder, faiss.IndexFlatIP(keys.shape[1])) as writer:
        writer.add(ids, pa.array(prompts), keys, sentence_embeddings(prompts))
        writer.finish()
    return SearchableIndex([Shard(folder, nprobe=0)], identity_map(keys.shape[1]))


def score(model: str, pool: list[str], held_out: Pictures, folder: Path) -> Doubles:
    """Predict for held-out pictures: the mean cosine of each held-out prompt, float64."""
    encoder = OpenClipEncoder(ClipSettings(model=model))
    index = build_index(encoder, pool, folder)
    found = index.search(encoder.encode_images([Image.open(uri) for uri in held_out.uris]), K)
    predicted = Combination(k=K).e_pred(found.similarities, index.vectors(found))
    truths = sentence_embeddings([scene.prompt for scene in held_out.scenes])
    cosines = [mean_cosines(e_pred[None], truth[None])[0]
               for e_pred, truth in zip(predicted, truths, strict=True)]  # fmt: skip
    return np.array(cosines).reshape(-1, PICTURES_A_PROMPT).mean(axis=1)


def sentence_embeddings(texts: list[str]) -> Vectors:
    """Encode texts with all-MiniLM-L6-v2."""
    settings = SentenceSettings()
    return sentence_encoder(settings, sentence_identity(settings)).encode_texts(texts)


def measure(seed: int, folder: Path) -> tuple[Doubles, Doubles]:
    """Give the cosines of the held-out prompts, before and after: float64, (prompts,)."""
    scenes = all_scenes()
    order = np.random.default_rng(seed).permutation(len(scenes))
    cut = round(HELD_OUT * len(scenes))
    known = [scenes[place] for place in order[cut:]]
    held_out = draw_pictures([scenes[place] for place in order[:cut]], folder / "test", seed + 100)
    pictures = draw_pictures(known, folder / "train", seed)
    pool = [scene.prompt for scene in known]
    base = tiny_clip(folder / "base", seed, CONFIG)
    before = score(base, pool, held_out, folder / "index-before")
    tuned = fine_tune(base, pictures, folder / "work", seed)
    return before, score(tuned, pool, held_out, folder / "index-after")


def main() -> int:
    """Measure every seed; 1 when the interval of the whole gain does not lie above 0."""
    started = time.monotonic()
    table = Table(title=f"Mean cosine of E_pred, held-out prompts, k = {K}, 0.6 / 0.4")
    for heading in ("seed", "prompts", "before", "fine-tuned", "gain", "95 % interval"):
        table.add_column(heading, justify="right")
    found = []
    for seed in SEEDS:
        with TemporaryDirectory() as folder:
            found.append(measure(seed, Path(folder)))
        add_row(table, str(seed), *found[-1])
    before, after = (np.concatenate(cosines) for cosines in zip(*found, strict=True))
    gain = add_row(table, "all", before, after)
    Console(width=100).print(table)
    summary = {
        "benchmark": "fine_tuning",
        "seeds": len(SEEDS),
        "before": round(float(before.mean()), 4),
        "fine_tuned": round(float(after.mean()), 4),
        "gain": round(gain.mean, 4),
        "gain_low": round(gain.low, 4),
        "gain_high": round(gain.high, 4),
        "seconds": round(time.monotonic() - started, 1),
    }
    sys.stdout.write(json.dumps(summary) + "\n")
    return 0 if gain.low > 0 else 1


def add_row(table: Table, label: str, before: Doubles, after: Doubles) -> Estimate:
    """Add a line to the table; gives the gain."""
    ones, alone = np.ones(len(before)), np.arange(len(before))
    means = bootstrap(np.stack([before, after], axis=1), ones, alone, 1000, 0)
    gain = paired_difference(after, before, ones, alone, 1000, 0)
    texts = [f"{value:.3f}" for value in (*(mean.mean for mean in means), gain.mean)]
    table.add_row(label, str(len(before)), *texts, f"{gain.low:.3f} to {gain.high:.3f}")
    return gain


if __name__ == "__main__":
    sys.exit(main())
