"""What the terminal shows after a prediction: the first images, and where to look further."""

import textwrap
from pathlib import PurePosixPath

from pyspark.sql import functions as F
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from promptknn.encoders.package_default import NAME as PACKAGE_DEFAULT
from promptknn.stage import Context
from promptknn.tables import PREDICTIONS

_IMAGES_SHOWN = 20
_NEIGHBOURS_SHOWN = 3
_LONGEST_PROMPT = 60
_PACKAGE_DEFAULT_SEES = (
    "The package default names what ImageNet's 1,000 classes know (animals, tools, vehicles, "
    "food); it cannot tell a style, a person or a scene: set `clip.model` to an open_clip model "
    "for those."
)


def summary(context: Context, settings_hash: str) -> RenderableType:
    """Show predictions made with some settings.

    Args:
        context: has the lake and the settings.
        settings_hash: names the settings in the table predictions.
    """
    first = F.slice("neighbours", 1, _NEIGHBOURS_SHOWN)
    rows = (
        context.lake.read(PREDICTIONS)
        .where(F.col("settings_hash") == settings_hash)
        .select("image_uri", "predicted_prompt", first.alias("first"))
        .orderBy("image_uri")
        .limit(_IMAGES_SHOWN)
        .collect()
    )
    table = Table(title="Predicted prompts", title_justify="left", show_lines=True)
    table.add_column("image", overflow="fold")
    table.add_column("predicted prompt", overflow="fold")
    table.add_column(f"similarity and text of the first {_NEIGHBOURS_SHOWN} neighbours")
    for row in rows:
        table.add_row(
            PurePosixPath(row.image_uri).name,
            row.predicted_prompt,
            "\n".join(f"{found.similarity:.3f}  {_short(found.prompt)}" for found in row.first),
        )
    predictions = context.lake.reference(PREDICTIONS)
    notes = [
        f"Tables: {context.settings.lake}",
        f"Try: SELECT image_uri, predicted_prompt, neighbours[0].similarity FROM {predictions}",
    ]
    if context.settings.clip.model == PACKAGE_DEFAULT:
        notes.append(_PACKAGE_DEFAULT_SEES)
    return Group(table, *map(Text, notes))


def _short(prompt: str) -> str:
    return textwrap.shorten(prompt, _LONGEST_PROMPT, placeholder=" …")
