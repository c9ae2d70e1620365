import io

from rich.console import Console

from promptknn.evaluation.cosine import Estimate
from promptknn.evaluation.show import estimates_table, paper_table


def _text(table: object) -> str:
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(table)
    return console.export_text()


def test_the_paper_s_figures_stand_beside_ours_for_both_readings() -> None:
    found = {
        "Clip": Estimate(0.4, 0.3, 0.5),
        "Clip, clip_mapped": Estimate(0.41, 0.31, 0.51),
        "Clip + KNN (7)": Estimate(0.6, 0.5, 0.7),
        "Clip + KNN (7), clip_mapped": Estimate(0.61, 0.51, 0.71),
    }
    lines = _text(paper_table(["Clip", "Clip + KNN (7)"], found)).splitlines()
    clip = next(line for line in lines if "Clip " in line)
    assert all(figure in clip for figure in ("0.547", "0.400", "0.410", "0.300 to 0.500"))
    other = next(line for line in lines if "KNN (7)" in line)
    assert "0.600" in other
    assert "0.547" not in other


def test_estimates_show_their_interval() -> None:
    assert "0.250 to 0.750" in _text(estimates_table({"some": Estimate(0.5, 0.25, 0.75)}))
