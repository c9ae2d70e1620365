"""A revision of a model of the hub, as a folder of this machine."""

from pathlib import Path

# Weights in other forms, ONNX say, are left there.
_PARTS = ["*.json", "*.txt", "*.model", "*.safetensors", "*.bin"]


def sentence_repository(model: str) -> str:
    """Name the hub's repository of a Sentence Transformer: a bare name is one of its makers'."""
    return model if "/" in model else f"sentence-transformers/{model}"


def revision_folder(repository: str, revision: str) -> Path:
    """Give this machine's copy of a repository at a revision, fetched where it is missing.

    Args:
        repository: its id on the hub.
        revision: branch, tag or commit.
    """
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(repository, revision=revision, allow_patterns=_PARTS))
