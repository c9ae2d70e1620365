"""Where a model runs: the GPU that Spark gave the task, else any GPU, else the task's cores."""

import os
from typing import TYPE_CHECKING

from pyspark import TaskContext

if TYPE_CHECKING:
    import torch


def task_device() -> "torch.device":
    """Choose the device and, on a CPU, as many threads as the task has cores."""
    import torch

    context = TaskContext.get()
    if torch.cuda.is_available():
        gpus = context.resources().get("gpu") if context else None
        address = gpus.addresses[0] if gpus and gpus.addresses else "0"
        return torch.device("cuda", int(address))
    torch.set_num_threads(task_cores())
    return torch.device("cpu")


def task_cores() -> int:
    """Tell how many cores the task may use: spark.task.cpus, or all of them outside Spark."""
    context = TaskContext.get()
    return context.cpus() if context else os.cpu_count() or 1
