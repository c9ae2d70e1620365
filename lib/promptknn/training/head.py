"""The regression head: from a unit image embedding to the sentence embedding of its prompt.

It takes what image_embeddings stores, so that a saved head predicts from the table alone:
`unit(weight @ embedding + bias)`.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

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


def load_head(folder: Path) -> torch.nn.Linear:
    """Read a head that `save_head` wrote."""
    tensors = load_file(folder / FILE)
    sentence_dim, image_dim = tensors["weight"].shape
    head = torch.nn.Linear(image_dim, sentence_dim)
    head.load_state_dict(tensors)
    return head
