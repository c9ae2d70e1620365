"""Read every source of the settings into raw_prompts."""

from promptknn.command import arguments, run_job
from promptknn.sources.ingest import IngestPrompts

if __name__ == "__main__":
    run_job(arguments(__doc__), lambda options: [IngestPrompts()])
