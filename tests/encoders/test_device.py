import os
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from pyspark import TaskContext

from promptknn.encoders.device import task_cores, task_device, transfer
from promptknn.errors import EnvironmentMissingError


@pytest.fixture(autouse=True)
def _keep_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def _in_task(monkeypatch: pytest.MonkeyPatch, cpus: int, gpus: list[str] | None) -> None:
    resources = {} if gpus is None else {"gpu": SimpleNamespace(addresses=gpus)}
    context = SimpleNamespace(cpus=lambda: cpus, resources=lambda: resources)
    monkeypatch.setattr(TaskContext, "get", lambda: context)


def _with_gpu(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)


def test_outside_spark_all_cores_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_gpu(monkeypatch, False)
    assert task_cores() == os.cpu_count()
    assert task_device() == torch.device("cpu")
    assert torch.get_num_threads() == os.cpu_count()


def test_a_task_uses_the_cores_that_spark_gave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_gpu(monkeypatch, False)
    _in_task(monkeypatch, cpus=1, gpus=None)
    assert task_device() == torch.device("cpu")
    assert torch.get_num_threads() == 1


def test_a_task_uses_the_gpu_that_spark_gave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_gpu(monkeypatch, True)
    _in_task(monkeypatch, cpus=1, gpus=["3"])
    assert task_device() == torch.device("cuda", 3)


@pytest.mark.parametrize("gpus", [None, []])
def test_a_gpu_that_spark_does_not_manage_is_used(
    monkeypatch: pytest.MonkeyPatch, gpus: list[str] | None
) -> None:
    _with_gpu(monkeypatch, True)
    _in_task(monkeypatch, cpus=1, gpus=gpus)
    assert task_device() == torch.device("cuda", 0)


def test_a_gpu_is_used_outside_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_gpu(monkeypatch, True)
    assert task_device() == torch.device("cuda", 0)


def test_a_gpu_without_a_number_is_refused_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_gpu(monkeypatch, True)
    _in_task(monkeypatch, cpus=1, gpus=["GPU-8f7c1f1e"])
    with pytest.raises(EnvironmentMissingError, match=r"'GPU-8f7c1f1e'.*conf/gpus\.sh"):
        task_device()


def test_what_is_on_its_device_already_stays_there() -> None:
    tensor = torch.arange(3)
    assert transfer(tensor, torch.device("cpu")) is tensor
