"""Where a model runs: the GPU that Spark gave the task, else any GPU, else the task's cores."""

import os
import sys
from typing import TYPE_CHECKING

from promptknn.errors import EnvironmentMissingError

if TYPE_CHECKING:
    import torch
    from pyspark import TaskContext


def task_device() -> "torch.device":
    """Choose the device and, on a CPU, as many threads as the task has cores.

    Raises:
        EnvironmentMissingError: Spark names the task's GPU in a way that torch does not know.
    """
    import torch

    context = running_task()
    if torch.cuda.is_available():
        gpus = context.resources().get("gpu") if context else None
        address = gpus.addresses[0] if gpus and gpus.addresses else "0"
        if not address.isdecimal():
            raise EnvironmentMissingError(
                f"Spark gave the task the GPU '{address}', which torch knows by number alone: let "
                f"the discovery script print numbers, as conf/gpus.sh does."
            )
        return torch.device("cuda", int(address))
    torch.set_num_threads(task_cores())
    return torch.device("cpu")


def transfer(tensor: "torch.Tensor", device: "torch.device") -> "torch.Tensor":
    """Bring a tensor to the device.

    Towards a GPU it starts from pinned memory, so that it travels while the GPU computes.
    """
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def task_cores() -> int:
    """Tell how many cores the task may use: spark.task.cpus, or all of them outside Spark."""
    context = running_task()
    return context.cpus() if context else os.cpu_count() or 1


def running_task() -> "TaskContext | None":
    """Give the Spark task that this process works for now, or None."""
    # Inside a task pyspark is imported already; one picture is predicted without it.
    if "pyspark" not in sys.modules:
        return None
    from pyspark import TaskContext

    return TaskContext.get()
