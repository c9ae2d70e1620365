"""An application that asks Spark for GPUs: its tasks tell where they ran, and on which device.

Its settings are its argument. Every task waits for all others, so that what two of them were given
was given to both at once. Its last line is the tasks' answers as JSON.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
from pyspark import BarrierTaskContext

from promptknn.encoders.device import task_device
from promptknn.session import open_session
from promptknn.settings_file import load_settings

TASKS = 4


def tell(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Give one row: the executor's folder (it lies in its worker's), the addresses, the device."""
    context = BarrierTaskContext.get()
    context.barrier()
    list(batches)
    # No machine of the tests has a GPU: that torch finds one is all that is made up here.
    with patch("torch.cuda.is_available", return_value=True):
        device = str(task_device())
    row = {
        "executor": [str(Path.cwd())],
        "addresses": [context.resources()["gpu"].addresses],
        "device": [device],
    }
    yield pa.RecordBatch.from_pydict(row)


if __name__ == "__main__":
    spark = open_session(load_settings(Path(sys.argv[-1])).spark)
    answers = spark.range(TASKS, numPartitions=TASKS).mapInArrow(
        tell, "executor string, addresses array<string>, device string", barrier=True
    )
    sys.stdout.write(json.dumps(answers.toArrow().to_pylist()) + "\n")
