"""Loss curves: a line of JSON a step while training goes on, then a Delta table and a picture."""

import json
from collections.abc import Mapping
from pathlib import Path

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


class Curves:
    """The losses of one training, in a file that survives a killed process."""

    def __init__(self, folder: Path) -> None:
        """Name the file; nothing is written yet."""
        self._file = folder / FILE

    def forget_after(self, step: int) -> None:
        """Drop what a killed process wrote after its last checkpoint, a torn line too."""
        kept = [record for record in self._records() if _step(record) <= step]
        self._file.write_text("".join(json.dumps(record) + "\n" for record in kept))

    def append(self, record: Mapping[str, object]) -> None:
        """Add a step: keys of SCHEMA."""
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(record)) + "\n")

    def table(self) -> pa.Table:
        """Give all steps, as SCHEMA."""
        return pa.Table.from_pylist(self._records(), schema=SCHEMA)

    def last_step(self) -> int:
        """Tell how many steps are done."""
        records = self._records()
        return _step(records[-1]) if records else 0

    def _records(self) -> list[dict[str, object]]:
        records = []
        for line in self._file.read_text().splitlines() if self._file.is_file() else ():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return records


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
