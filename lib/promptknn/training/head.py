"""The regression head: from a unit image embedding to the sentence embedding of its prompt.

It takes what image_embeddings stores: `unit(weight @ embedding + bias)` predicts from the table
alone. No job reads a saved head; it is there for those who compute with it themselves.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

FILE = "head.safetensors"


def new_head(image_dim: int, sentence_dim: int, seed: int) -> torch.nn.Linear:
    """Make an untrained head, the same for one seed in every process."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.nn.Linear(image_dim, sentence_dim)


def save_head(head: torch.nn.Linear, folder: Path) -> None:
    """Write `weight`, (d_sentence, d_image), and `bias`, (d_sentence,), both float32."""
    tensors = {name: value.float().cpu().contiguous() for name, value in head.state_dict().items()}
    save_file(tensors, folder / FILE)
