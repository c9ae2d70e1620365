"""Starting a training: one process on the driver, or one a GPU on the executors."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.ml.torch.distributor import TorchDistributor

from promptknn.stage import Context
from promptknn.training.curves import Curves
from promptknn.training.loop import TrainingJob, TrainingResult, train

_SECONDS_BETWEEN_LOOKS = 2.0


def launch(context: Context, job: TrainingJob, pairs: int) -> TrainingResult:
    """Run a training through TorchDistributor.

    Args:
        context: the stage's.
        job: what to train.
        pairs: training pairs, for the progress.

    Raises:
        PromptKnnError: what made the training fail, where that is known.
    """
    # On the driver, processes find its GPUs themselves: Spark needs no configuration for them.
    gpus = context.spark.conf.get("spark.task.resource.gpu.amount", "0")
    distributor = TorchDistributor(
        num_processes=job.settings.processes,
        local_mode=not job.settings.on_executors,
        use_gpu=job.settings.on_executors and gpus != "0",
    )
    with _watched(context, job, pairs):
        result = distributor.run(train, job)
    assert isinstance(result, TrainingResult)
    if result.failure:
        raise result.failure
    return result


@contextmanager
def _watched(context: Context, job: TrainingJob, pairs: int) -> Iterator[None]:
    """Show how far the training is, by the losses it writes."""
    total = pairs * job.settings.epochs
    steps = -(-pairs // job.settings.batch_size) * job.settings.epochs
    curves, stop = Curves(job.work), threading.Event()

    def watch() -> None:
        while not stop.wait(_SECONDS_BETWEEN_LOOKS):
            context.progress(total * curves.last_step() // steps, total)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
