"""Write one HTML page of the latest predictions: images, prompts, neighbours, and the figures."""

from pathlib import Path

from promptknn.command import arguments, run_job
from promptknn.report.write_report import IMAGES, WriteReport

if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="default: report.html in the lake's folder"
    )
    parser.add_argument(
        "--images", type=int, default=IMAGES, metavar="N", help=f"at most; default: {IMAGES}"
    )
    run_job(parser, lambda options: [WriteReport(options.output, options.images)])
