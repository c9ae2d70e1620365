"""Bring every table before the index up to date, then build the index (the offline stage)."""

from promptknn.cleaning.clean import CleanPrompts
from promptknn.command import arguments, run_job
from promptknn.deduplication.find_near_duplicates import FindNearDuplicates
from promptknn.encoders.embed_prompts import EmbedPrompts
from promptknn.index.build import BuildIndex
from promptknn.sources.ingest import IngestPrompts

if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--only", action="store_true", help="build the index alone")
    before = [IngestPrompts(), CleanPrompts(), EmbedPrompts(), FindNearDuplicates()]
    run_job(parser, lambda options: [*([] if options.only else before), BuildIndex()])
