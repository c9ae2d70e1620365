"""The Databricks bundle, as far as it can be judged without a workspace."""

import argparse
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from promptknn import command
from promptknn.settings_file import load_settings
from tests.submission import ROOT

BUNDLE = ROOT / "databricks.yml"
REFERENCE = re.compile(r"\$\{([a-z_.]+)\}")
PARAMETER = re.compile(r"\{\{job\.parameters\.([a-z_]+)\}\}")


def _merged(first: dict, second: dict) -> dict:
    both = dict(first)
    for key, value in second.items():
        one = both.get(key)
        both[key] = _merged(one, value) if isinstance(one, dict) else value
    return both


def _whole(target: str) -> dict:
    """The bundle of a target: its files merged, its variables and paths filled in."""
    tree = yaml.safe_load(BUNDLE.read_text())
    for pattern in tree["include"]:
        for file in sorted(ROOT.glob(pattern)):
            tree = _merged(tree, yaml.safe_load(file.read_text()))
    own = tree["targets"][target]
    values = {name: own.get("variables", {}).get(name, of["default"])
              for name, of in tree["variables"].items()}  # fmt: skip
    known = {
        **tree,
        "var": values,
        "workspace": {"file_path": str(ROOT)},
        "bundle": {**tree["bundle"], "target": target},
    }
    return _filled(tree, known)


def _filled(node: object, known: dict) -> object:
    if isinstance(node, dict):
        return {key: _filled(value, known) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(item, known) for item in node]
    while isinstance(node, str) and REFERENCE.search(node):
        node = REFERENCE.sub(lambda found: str(_value(found[1], known)), node)
    return node


def _value(path: str, known: dict) -> object:
    node: object = known
    for part in path.split("."):
        assert isinstance(node, dict), path
        node = node[part]
    return node


@pytest.fixture(params=["dev", "prod"])
def bundle(request: pytest.FixtureRequest) -> dict:
    return _whole(request.param)


def _tasks(bundle: dict) -> Iterator[tuple[dict, Path, list[str]]]:
    job = bundle["resources"]["jobs"]["promptknn"]
    given = {parameter["name"]: parameter["default"] for parameter in job["parameters"]}
    for task in job["tasks"]:
        python = task["spark_python_task"]
        words = [PARAMETER.sub(lambda found: given[found[1]], w) for w in python["parameters"]]
        yield task, (ROOT / "resources" / python["python_file"]).resolve(), words


def _parser_of(job: Path, monkeypatch: pytest.MonkeyPatch) -> argparse.ArgumentParser:
    kept: list[argparse.ArgumentParser] = []
    monkeypatch.setattr(command, "run_job", lambda parser, plan: kept.append(parser))
    runpy.run_path(str(job), run_name="__main__")
    return kept[0]


def test_every_task_is_a_job_whose_command_line_and_settings_load(
    bundle: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = []
    for task, file, words in _tasks(bundle):
        assert file.parent == ROOT / "jobs"
        assert file.stem == task["task_key"]
        options = _parser_of(file, monkeypatch).parse_args(words)
        settings = load_settings(options.config, options.overrides)
        assert settings.lake == "main.promptknn"
        assert settings.index.location == "/Volumes/main/promptknn/files/index"
        assert settings.images.paths == ("/Volumes/main/promptknn/files/images",)
        assert options.config == ROOT / "conf" / "databricks.yaml"
        assert getattr(options, "only", True), "the tasks before it have done the rest"
        stages.append(task["task_key"])
    assert stages == [
        "ingest_prompts", "clean_prompts", "embed_prompts", "find_near_duplicates",
        "build_index", "predict_prompts",
    ]  # fmt: skip


def test_tasks_follow_each_other_on_the_clusters_there_are(bundle: dict) -> None:
    job = bundle["resources"]["jobs"]["promptknn"]
    clusters = {one["job_cluster_key"]: one["new_cluster"] for one in job["job_clusters"]}
    before = None
    on_gpu = set()
    for task, _, _ in _tasks(bundle):
        assert task.get("depends_on", []) == ([{"task_key": before}] if before else [])
        before = task["task_key"]
        cluster = clusters[task["job_cluster_key"]]
        assert {"spark_version", "node_type_id", "data_security_mode", "autoscale"} <= set(cluster)
        if "gpu" in cluster["spark_version"]:
            on_gpu.add(task["task_key"])
    assert on_gpu == {"embed_prompts", "predict_prompts"}


def test_the_wheel_is_the_one_that_build_sh_makes(bundle: dict) -> None:
    assert bundle["artifacts"]["wheel"]["build"] == "./build.sh wheel"
    assert "--out-dir dist" in (ROOT / "build.sh").read_text()
    for task, _, _ in _tasks(bundle):
        assert {"whl": "../dist/*.whl"} in task["libraries"]


def test_targets_differ_in_mode_and_size() -> None:
    tree = yaml.safe_load(BUNDLE.read_text())
    modes = {name: target["mode"] for name, target in tree["targets"].items()}
    assert modes == {"dev": "development", "prod": "production"}
    most = []
    for target in modes:
        (gpu,) = [
            cluster["new_cluster"]["autoscale"]["max_workers"]
            for cluster in _whole(target)["resources"]["jobs"]["promptknn"]["job_clusters"]
            if cluster["job_cluster_key"] == "gpu"
        ]
        most.append(int(gpu))
    assert most == [2, 8]


def test_databricks_own_classes_take_the_resources(bundle: dict) -> None:
    from databricks.bundles import jobs
    from databricks.bundles.schemas import Schema
    from databricks.bundles.volumes import Volume

    resources = bundle["resources"]
    job = jobs.Job.from_dict(resources["jobs"]["promptknn"])
    assert len(job.tasks) == 6
    assert Schema.from_dict(resources["schemas"]["promptknn"]).name == "promptknn"
    assert Volume.from_dict(resources["volumes"]["files"]).schema_name == "promptknn"
