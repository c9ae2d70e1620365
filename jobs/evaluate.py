"""Score the active index against true prompts (the paper's table 2)."""

from pathlib import Path

from promptknn.command import arguments, run_job
from promptknn.evaluation.calibrate import CalibrateConfidence
from promptknn.evaluation.evaluate import (
    Evaluate,
    EvaluateGrid,
    EvaluateOptions,
    EvaluatePaperTable,
)

if __name__ == "__main__":
    parser = arguments(__doc__)
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--paper-table", action="store_true", help="the paper's table 2")
    kinds.add_argument("--grid", type=Path, metavar="FOLDER", help="search k and w1; plots")
    kinds.add_argument("--calibrate", type=Path, metavar="FOLDER", help="fit confidence; plot")
    kinds.add_argument("--options", action="store_true", help="beyond the paper, chosen by CV")
    run_job(
        parser,
        lambda options: [
            EvaluatePaperTable() if options.paper_table
            else EvaluateGrid(options.grid) if options.grid
            else EvaluateOptions() if options.options
            else CalibrateConfidence(options.calibrate) if options.calibrate
            else Evaluate()
        ],
    )  # fmt: skip
