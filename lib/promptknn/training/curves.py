"""Loss curves: a line of JSON a step while training goes on, then a Delta table and a picture."""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import pyarrow as pa

SCHEMA = pa.schema([
    ("step", pa.int64()),
    ("epoch", pa.int32()),
    ("split", pa.string()),
    ("loss", pa.float64()),
    ("contrastive_loss", pa.float64()),
    ("sentence_loss", pa.float64()),
    ("learning_rate", pa.float64()),
    ("pairs", pa.int64()),
])  # fmt: skip
FILE = "losses.jsonl"
PICTURE = "loss_curves.png"


# Each time the whole file, which for 100,000 steps is 20 MB.
_SECONDS_BETWEEN_WRITES = 10.0


class Curves:
    """The losses of one training, in a file that survives a killed process.

    One process adds steps; others may look. A Volume takes no append, so the file is replaced now
    and then, and once a checkpoint or the training is done.
    """

    def __init__(self, folder: Path) -> None:
        """Name the file; nothing is written yet."""
        self._file = folder / FILE
        # Of the process that adds: it does not read again what it has written.
        self._held: list[str] | None = None
        self._written_at = -math.inf

    def forget_after(self, step: int) -> None:
        """Drop what a killed process wrote after its last checkpoint."""
        self._held = [line for line in self._lines() if _step(json.loads(line)) <= step]
        self.write()

    def append(self, record: Mapping[str, object]) -> None:
        """Add a step: keys of SCHEMA."""
        self._held = self._lines()
        self._held.append(json.dumps(dict(record)))
        if time.monotonic() >= self._written_at + _SECONDS_BETWEEN_WRITES:
            self.write()

    def write(self) -> None:
        """Write what was added since the file was written."""
        if self._held is None:
            return
        part = self._file.with_name(f".{FILE}-{uuid4().hex}")
        part.write_text("".join(f"{line}\n" for line in self._held), encoding="utf-8")
        part.replace(self._file)
        self._written_at = time.monotonic()

    def table(self) -> pa.Table:
        """Give all steps, as SCHEMA."""
        return pa.Table.from_pylist([json.loads(line) for line in self._lines()], schema=SCHEMA)

    def last_step(self) -> int:
        """Tell how many steps are done."""
        lines = self._lines()
        return _step(json.loads(lines[-1])) if lines else 0

    def _lines(self) -> list[str]:
        if self._held is not None:
            return self._held
        if not self._file.is_file():
            return []
        # A release that added lines left half of one where it was killed.
        lines = self._file.read_text(encoding="utf-8").splitlines(keepends=True)
        return [line.rstrip("\n") for line in lines if line.endswith("\n")]


def _step(record: Mapping[str, object]) -> int:
    return int(str(record["step"]))


def plot(losses: pa.Table, path: Path) -> None:
    """Draw the losses over the steps, training as a line and validation as points (PNG)."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.use("Agg")
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for split, style in (("train", "-"), ("validation", "o")):
        of_split = losses.filter(pa.compute.equal(losses.column("split"), split))
        steps = of_split.column("step").to_numpy()
        for name in ("contrastive_loss", "sentence_loss"):
            column = of_split.column(name)
            if column.null_count < len(column):
                label = f"{name.replace('_', ' ')}, {split}"
                axes.plot(steps, column.to_numpy(), style, linewidth=1, label=label)
    axes.set(xlabel="step", ylabel="loss")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)
