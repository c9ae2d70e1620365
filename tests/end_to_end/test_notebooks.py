"""The notebooks, run cell by cell on the small lake."""

import json
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from promptknn.settings import Settings
from tests.small import PHOTOGRAPHS, PROMPTS
from tests.submission import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def _cells(notebook: Path) -> list[dict]:
    return json.loads(notebook.read_text())["cells"]


def _run(name: str, lake: str) -> dict:
    """Run the code cells with LAKE set; gives the names they leave."""
    mpl.use("Agg")
    sources = [
        "".join(cell["source"])
        for cell in _cells(ROOT / "notebooks" / f"{name}.ipynb")
        if cell["cell_type"] == "code"
    ]
    assert sources[0].startswith('LAKE = "../lake"')
    names: dict = {"LAKE": lake}
    for source in sources[1:]:
        exec(source, names)
    names["plt"].close("all")
    return names


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_a_notebook_is_plain_nbformat_4_without_outputs(notebook: Path) -> None:
    whole = json.loads(notebook.read_text())
    assert (whole["nbformat"], whole["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in whole["cells"]]
    assert len(set(ids)) == len(ids)
    code = [cell for cell in whole["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert code[0]["metadata"] == {"tags": ["parameters"]}
    assert all(len(line.rstrip("\n")) <= 100 for cell in code for line in cell["source"])


def test_predictions_are_explored(built: Settings) -> None:
    names = _run("explore_predictions", built.lake)
    assert set(names["predictions"]["image"]) == set(PHOTOGRAPHS)
    assert list(names["neighbours"]["rank"]) == list(range(1, 11))
    assert names["cosines"].shape == (3, 3)
    assert names["cosines"].diagonal() == pytest.approx(1)


def test_the_pool_is_inspected_and_adds_up(built: Settings) -> None:
    names = _run("inspect_prompt_pool", built.lake)
    funnel = names["funnel"]
    assert funnel["raw"] == funnel["refused"] + funnel["prompts"] == PROMPTS
    assert names["by_source"]["raw"].sum() == PROMPTS
    assert names["reasons"]["rows"].sum() == funnel["refused"]
    assert names["pairs"]["kept"].notna().all()
    assert names["versions"]["active"].tolist() == [True]


def test_the_papers_combination_is_near_the_jobs(built_copy: Settings) -> None:
    first = _run("reproduce_paper", built_copy.lake)
    assert len(first["measured"]) == 0
    assert first["against_job"].shape == (3, 2)
    assert first["against_job"].to_numpy().min() > 0.3
    now = datetime.now(UTC)
    rows = {
        "variant": ["Clip", "Clip + KNN (10)", "configured", "k=10, w1=0.6"],
        "mean_cosine": [0.4, 0.5, 0.6, 0.7],
        "interval_low": [0.3, 0.4, 0.5, 0.6],
        "interval_high": [0.5, 0.6, 0.7, 0.8],
        "evaluated_at": [now] * 4,
    }
    write_deltalake(f"{built_copy.lake}/evaluations", pa.table(rows))
    measured = _run("reproduce_paper", built_copy.lake)["measured"]
    assert sorted(measured["variant"]) == ["Clip", "Clip + KNN (10)", "configured"]
