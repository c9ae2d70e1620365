import json
import os
import subprocess
from fractions import Fraction
from pathlib import Path

from promptknn.settings_file import load_settings
from tests.submission import ROOT

SCRIPT = ROOT / "conf" / "gpus.sh"


def test_every_core_of_an_executor_has_a_share_of_its_gpu() -> None:
    conf = load_settings(ROOT / "conf" / "gpu.yaml").spark.conf
    share = Fraction(conf["spark.task.resource.gpu.amount"])
    gpus = int(conf["spark.executor.resource.gpu.amount"])
    assert gpus / share == int(conf["spark.executor.cores"])
    assert Path(conf["spark.executor.resource.gpu.discoveryScript"]).name == SCRIPT.name


def test_the_discovery_script_prints_what_spark_reads(tmp_path: Path) -> None:
    fake = tmp_path / "nvidia-smi"
    fake.write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    fake.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([SCRIPT], capture_output=True, check=True, env={"PATH": path})
    assert json.loads(done.stdout) == {"name": "gpu", "addresses": ["0", "1"]}


def test_a_host_without_the_tool_is_a_failure_and_no_empty_list(tmp_path: Path) -> None:
    for tool in ("sed", "paste", "bash", "env"):
        (tmp_path / tool).symlink_to(Path("/usr/bin") / tool)
    done = subprocess.run([SCRIPT], capture_output=True, check=False, env={"PATH": str(tmp_path)})
    assert done.returncode != 0
    assert b"addresses" not in done.stdout
