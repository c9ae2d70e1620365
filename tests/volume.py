"""A folder that, like a Unity Catalog Volume, takes a file from its first byte to its last alone.

What opens files by itself (C++ or Rust) is not seen here. By strace, pyarrow's new_file, torch.save
and what Pillow does with a file write forwards alone, and so does np.save by its tofile. The
save_file of safetensors does not: it first makes a file as long as it will be, and is refused.
"""

import builtins
import errno
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest


class _Forwards(io.FileIO):
    """Takes a write at the end of the file alone."""

    def write(self, data: Any) -> int:
        if self.tell() != os.fstat(self.fileno()).st_size:
            raise _refused("a write that is not at the end")
        return super().write(data)

    def truncate(self, size: int | None = None) -> int:
        raise _refused("a file cut or made longer")


def make_volume(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a folder take files as a Volume does, until the end of the test."""
    folder.mkdir()
    real = io.open

    def opened(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> IO[Any]:
        below = not isinstance(file, int) and Path(os.fsdecode(file)).is_relative_to(folder)
        if not below or not set(mode) & set("wxa+"):
            return real(file, mode, *arguments, **named)
        kind = mode.replace("b", "").replace("t", "")
        if "a" in kind or kind == "r+":
            raise _refused(f"mode {mode}")
        raw = _Forwards(file, kind)
        whole = io.BufferedRandom(raw) if "+" in kind else io.BufferedWriter(raw)
        return whole if "b" in mode else io.TextIOWrapper(whole, named.get("encoding"))

    monkeypatch.setattr(io, "open", opened)
    monkeypatch.setattr(builtins, "open", opened)
    safetensors = sys.modules.get("safetensors.torch")
    if safetensors is not None:
        real_one = vars(safetensors)["serialize_file"]
        monkeypatch.setattr(safetensors, "serialize_file", _elsewhere(folder, real_one))


def _elsewhere(folder: Path, real: Callable[..., None]) -> Callable[..., None]:
    def serialized(tensors: object, filename: str | Path, **named: object) -> None:
        if Path(filename).is_relative_to(folder):
            raise _refused("a file made as long as it will be")
        real(tensors, filename, **named)

    return serialized


def _refused(what: str) -> OSError:
    return OSError(errno.EOPNOTSUPP, f"a Volume takes no such write: {what}")
