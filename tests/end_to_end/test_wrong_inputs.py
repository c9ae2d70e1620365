"""Wrong settings and inputs, through the jobs as users start them: one sentence, exit code 2."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest
from pyspark.sql import SparkSession

from tests.site import Site
from tests.small import small_tree
from tests.submission import ROOT, run_here, write_config

# An override, the key or place its sentence names, and the cure.
SETTINGS = (
    ("prediction.kk=10", "'prediction.kk'", "no such key: check its spelling"),
    ("predicton.k=10", "'predicton'", "no such key: check its spelling"),
    ("prediction.k=0", "'prediction.k' (given: 0)", "greater than or equal to 1"),
    ("prediction.k=-5", "'prediction.k' (given: -5)", "greater than or equal to 1"),
    ("prediction.k=10001", "'prediction.k' (given: 10001)", "less than or equal to 10000"),
    ("prediction.k=ten", "'prediction.k' (given: 'ten')", "should be a valid integer"),
    ("prediction.k=1.5", "'prediction.k' (given: 1.5)", "should be a valid integer"),
    ("prediction.k=[1]", "'prediction.k'", "should be a valid integer"),
    ("prediction.w1=heavy", "'prediction.w1' (given: 'heavy')", "should be a valid number"),
    ("prediction.w1=-1", "'prediction.w1' (given: -1)", "greater than or equal to 0"),
    ("prediction.w1=.inf", "'prediction.w1' (given: inf)", "should be a finite number"),
    ("prediction.w2=.nan", "'prediction.w2' (given: nan)", "should be a finite number"),
    ("prediction.w1=0", "'prediction'", "w1 and w2 must not both be 0"),
    ("prediction.temperature=0", "'prediction.temperature'", "greater than 0"),
    ("prediction.weighting=heavy", "'prediction.weighting'", "'softmax'"),
    ("prediction.neighbours_kept=0", "'prediction.neighbours_kept'", "greater than or equal to 1"),
    ("prediction.captions=11", "'prediction.captions'", "less than or equal to 10"),
    ("prediction.repredict=perhaps", "'prediction.repredict'", "should be a valid boolean"),
    ("prediction.rescoring.weight=1", "'prediction.rescoring.clip'", "it is required: add it"),
    ("prediction=3", "'prediction'", "write them below it"),
    ("clip.views=3", "'clip.views' (given: 3)", "should be 1, 2, 5 or 11"),
    ("clip.batch_size=0", "'clip.batch_size'", "greater than or equal to 1"),
    ("clip.model=local-dir:/no/model", "folder /no/model is not there", "set `clip.model`"),
    ("index.kind=hnsw", "'index.kind' (given: 'hnsw')", "'ivf_fastscan12', 'ivf_sq8' or 'ivf_pq'"),
    ("index.target_recall=1.5", "'index.target_recall'", "less than or equal to 1"),
    ("index.shards=0", "'index.shards'", "greater than or equal to 1"),
    ("index.distribution=pigeon", "'index.distribution'", "'auto', 'broadcast' or 'files'"),
    ("images.paths=3", "'images.paths' (given: 3)", "write it as [a, b]"),
    ("images.paths=[package:no_such/x]", "package 'no_such'", "name another path"),
    ("images.maximum_megapixels=0", "'images.maximum_megapixels'", "greater than 0"),
    ("sources=[]", "'sources'", "at least 1 item"),
    ("sources.0.kind=fiel", "'sources.0'", "'file'"),
    ("sources.0.prompts=0", "'sources.0.prompts'", "greater than or equal to 1"),
    ("sources=[{kind: file}]", "'sources.0.path'", "it is required: add it"),
    ("sources.7.kind=demo", "--set sources.7.kind=demo", "'7' is no place in the settings"),
    ("deduplication.similarity=1", "'deduplication.similarity'", "less than 1"),
    ("cleaning.minimum_characters=2000", "'cleaning'", "must not be above maximum_characters"),
    ("cleaning.languages=en", "'cleaning.languages'", "write it as [a, b]"),
    ("embedding.prompts_per_wave=0", "'embedding.prompts_per_wave'", "greater than or equal to 1"),
    ("lake=3", "'lake' (given: 3)", "should be a valid string"),
    ("spark.conf=3", "'spark.conf' (given: 3)", "should be a valid dictionary"),
    ("prediction.k", "--set prediction.k", "write it as key=value"),
    ("prediction.k=[", "--set prediction.k=[", "the value is not valid YAML"),
)

# What the job finds only when it looks: the job, an override, and what its sentence says.
INPUTS = (
    ("ingest_prompts", "sources=[{kind: file, path: /no/a.csv}]", "check its `path` and `format`"),
    ("ingest_prompts", "sources=[{kind: file, path: {home}/a.xyz}]", "set `format` to one of csv"),
    (
        "ingest_prompts",
        "sources=[{kind: file, path: {home}/other.csv}]",
        "set `text_column`",
    ),
    ("ingest_prompts", "sources=[{kind: file, path: {home}/empty.csv}]", "no column 'text'"),
    ("ingest_prompts", "sources=[{kind: file, path: {home}/a.parquet}]", "check its `path`"),
    ("ingest_prompts", "sources=[{kind: delta, table: /no/table}]", "check its path or name"),
    ("predict_prompts", "images.paths=[/no/pictures]", "No image is at /no/pictures: set `images"),
    ("predict_prompts", "images.table=/no/table", "check its path or name in the settings"),
)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings of a lake that is not there yet."""
    home = tmp_path_factory.mktemp("wrong")
    return write_config(home / "mine.yaml", small_tree(home))


@pytest.fixture(scope="module")
def copy(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A lake that is there, and files of the wrong kind beside it."""
    found = site.copy(tmp_path_factory.mktemp("wrong") / "small")
    (found.home / "other.csv").write_text("a,b\n1,2\n")
    (found.home / "empty.csv").write_bytes(b"")
    (found.home / "a.parquet").write_bytes(b"PAR1 and then nothing")
    (found.home / "a.xyz").write_text("a zebra")
    return found


def sentence(said: str) -> str:
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("promptknn:")]
    return line


def commits(lake: Path) -> set[str]:
    """Name every commit of every table but job_runs, which keeps failures too."""
    logs = lake.glob("*/_delta_log/*.json")
    return {str(log.relative_to(lake)) for log in logs if log.parts[-3] != "job_runs"}


@pytest.mark.parametrize(("override", "place", "cure"), SETTINGS)
def test_a_wrong_setting_is_one_sentence_and_nothing_starts(
    config: Path, override: str, place: str, cure: str
) -> None:
    code, said = run_here("predict_prompts", config, "--set", override)
    assert code == 2
    assert place in sentence(said)
    assert cure in sentence(said)
    assert not (config.parent / "lake").exists()


@pytest.mark.parametrize(
    ("content", "cure"),
    [
        (None, "there is no such file; name one that is"),
        (b"- lake", "must hold keys and values"),
        (b"lake: [", "is not valid YAML"),
        ("lake: ./café".encode("latin-1"), "mend the file"),
    ],
)
def test_a_settings_file_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, content: bytes | None, cure: str
) -> None:
    path = tmp_path / "mine.yaml"
    if content is not None:
        path.write_bytes(content)
    code, said = run_here("build_index", path)
    assert (code, str(path) in sentence(said), cure in sentence(said)) == (2, True, True)


def test_debug_shows_where_a_wrong_setting_was_found(config: Path) -> None:
    code, said = run_here("predict_prompts", config, "--debug", "--set", "prediction.k=0")
    assert code == 2
    assert "Traceback" in said


def test_a_secret_is_not_said_again(config: Path) -> None:
    code, said = run_here("predict_prompts", config, "--set", "spark.conf={a.secret.key: 12345}")
    assert (code, "12345" in said) == (2, False)
    assert "'spark.conf.a.secret.key'" in sentence(said)


@pytest.mark.parametrize(("job", "override", "said_of_it"), INPUTS)
def test_a_wrong_input_is_one_sentence_and_touches_no_table(
    spark: SparkSession, copy: Site, job: str, override: str, said_of_it: str
) -> None:
    before = commits(copy.home / "lake")
    override = override.replace("{home}", str(copy.home))
    code, said = run_here(job, copy.config, "--set", override)
    assert code == 2
    assert said_of_it in sentence(said)
    assert commits(copy.home / "lake") == before


@pytest.fixture
def spark_without_delta(tmp_path: Path) -> Path:
    """pyspark's own folder, less Delta's jars."""
    whole, home = Path(pyspark.__file__).parent, tmp_path / "spark"
    (home / "jars").mkdir(parents=True)
    for name in ("bin", "conf", "python"):
        shutil.copytree(whole / name, home / name, symlinks=True)
    for jar in (whole / "jars").iterdir():
        if "delta" not in jar.name:
            (home / "jars" / jar.name).symlink_to(jar)
    return home


def sentence_of_process(config: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "jobs" / "predict_prompts.py"), "--config", str(config)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr[-2000:]
    return sentence(done.stdout + done.stderr)


def test_without_delta_the_sentence_says_how_to_get_it(
    config: Path, spark_without_delta: Path
) -> None:
    said = sentence_of_process(config, SPARK_HOME=str(spark_without_delta))
    assert "Delta's jars are not on Spark's class path: run ./build.sh setup" in said
