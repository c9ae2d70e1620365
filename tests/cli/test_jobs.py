import ast

import pytest

from promptknn.cli.jobs import JOBS, listing
from tests.submission import ROOT


def test_every_job_is_listed_with_what_its_file_says() -> None:
    files = {file.stem: file for file in (ROOT / "jobs").glob("*.py")}
    assert files.keys() == JOBS.keys()
    for name, file in files.items():
        assert ast.get_docstring(ast.parse(file.read_text())) == JOBS[name]


@pytest.mark.parametrize("name", JOBS)
def test_the_listing_has_a_line_a_job(name: str) -> None:
    (line,) = [line for line in listing().splitlines() if line.startswith(f"  {name} ")]
    assert line.endswith(JOBS[name])
