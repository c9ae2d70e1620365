"""Predictions as a table on the terminal."""

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from rich.table import Table
from rich.text import Text

NEIGHBOURS_SHOWN = 3
_LONGEST_PROMPT = 60


def predictions_table(rows: Iterable[tuple[str, str, Sequence[tuple[float, str]]]]) -> Table:
    """Show predictions.

    Args:
        rows: of each image its URI, its predicted prompt, and similarity and prompt of its
            neighbours, best first.
    """
    table = Table(title="Predicted prompts", title_justify="left", show_lines=True)
    table.add_column("image", overflow="fold")
    table.add_column("predicted prompt", overflow="fold")
    table.add_column(f"similarity and text of the first {NEIGHBOURS_SHOWN} neighbours")
    for uri, prompt, neighbours in rows:
        first = [f"{near:.3f}  {_short(text)}" for near, text in neighbours[:NEIGHBOURS_SHOWN]]
        # As Texts: a prompt may hold [brackets], which markup would take.
        table.add_row(*map(Text, (PurePosixPath(uri).name, prompt, "\n".join(first))))
    return table


def _short(prompt: str) -> str:
    return textwrap.shorten(prompt, _LONGEST_PROMPT, placeholder=" …")
