"""The predictions that were made last: what a report shows, and an export writes."""

from pyspark.sql import Row
from pyspark.sql import functions as F

from promptknn.errors import MissingInputError
from promptknn.lake import Lake
from promptknn.tables import PREDICTIONS


def latest_prediction(lake: Lake) -> Row:
    """Give the latest row of predictions, without its lists; settings_hash names its like.

    Raises:
        MissingInputError: there is none.
    """
    rows = lake.read(PREDICTIONS).drop("embedding", "neighbours")
    latest = rows.orderBy(F.desc("predicted_at"), "settings_hash").limit(1).collect()
    if not latest:
        raise MissingInputError(
            f"The table predictions in the lake {lake.location} is empty: run "
            f"jobs/predict_prompts.py first."
        )
    return latest[0]
