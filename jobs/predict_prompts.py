"""Embed the images of the settings and predict their prompts (the online stage)."""

from promptknn.command import arguments, run_job
from promptknn.images.embed_images import EmbedImages
from promptknn.prediction.predict import PredictPrompts
from promptknn.report.write_report import WriteReport

if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument(
        "--report", action="store_true", help="then write a page, as report.py does"
    )
    predict = [EmbedImages(), PredictPrompts()]
    run_job(parser, lambda options: [*predict, *([WriteReport()] if options.report else [])])
