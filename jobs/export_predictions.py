"""Write the latest predictions as Parquet, as CSV, or as the contest's submission."""

from promptknn.command import arguments, run_job
from promptknn.prediction.export import FORMS, ExportPredictions

if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--output", required=True, metavar="FOLDER", help="must not be there yet")
    parser.add_argument("--form", choices=FORMS, default="parquet", help="default: parquet")
    parser.add_argument("--files", type=int, metavar="N", help="how many; a submission is one")
    run_job(
        parser, lambda options: [ExportPredictions(options.output, options.form, options.files)]
    )
