"""Garbage collection in Spark's Python workers, which passes over what stays loaded."""

import gc

from promptknn.encoders.device import running_task


def spare_what_is_loaded() -> None:
    """Exempt the objects that live now from garbage collection; outside a Spark task do nothing.

    Spark's daemon collects after every task of a worker. A worker that has imported a model's
    libraries holds 600,000 objects: looking through them takes a fifth of a second a task.
    """
    if running_task() is None:
        return
    # What was spared before may be garbage by now: a model that another has replaced.
    gc.unfreeze()
    gc.collect()
    gc.freeze()
