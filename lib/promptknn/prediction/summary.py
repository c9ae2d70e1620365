"""What the terminal shows after a prediction: the first images, and where to look further."""

from pyspark.sql import functions as F
from rich.console import Group, RenderableType
from rich.text import Text

from promptknn.encoders.package_default import NAME as PACKAGE_DEFAULT
from promptknn.prediction.predictions_table import NEIGHBOURS_SHOWN, predictions_table
from promptknn.stage import Context
from promptknn.tables import PREDICTIONS

_IMAGES_SHOWN = 20
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
    first = F.slice("neighbours", 1, NEIGHBOURS_SHOWN)
    rows = (
        context.lake.read(PREDICTIONS)
        .where(F.col("settings_hash") == settings_hash)
        .select("image_uri", "predicted_prompt", first.alias("first"))
        .orderBy("image_uri")
        .limit(_IMAGES_SHOWN)
        .collect()
    )
    table = predictions_table(
        (
            row.image_uri,
            row.predicted_prompt,
            [(n.similarity, n.prompt) for n in row.first],
        )
        for row in rows
    )
    predictions = context.lake.reference(PREDICTIONS)
    notes = [
        f"Tables: {context.settings.lake}",
        f"Try: SELECT image_uri, predicted_prompt, neighbours[0].similarity FROM {predictions}",
    ]
    if context.settings.clip.model == PACKAGE_DEFAULT:
        notes.append(_PACKAGE_DEFAULT_SEES)
    return Group(table, *map(Text, notes))
