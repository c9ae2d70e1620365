"""Every stage from the sources to the predictions, in one job: a cluster starts up once."""

from promptknn.cleaning.clean import CleanPrompts
from promptknn.command import arguments, run_job
from promptknn.deduplication.find_near_duplicates import FindNearDuplicates
from promptknn.encoders.embed_prompts import EmbedPrompts
from promptknn.images.embed_images import EmbedImages
from promptknn.index.build import BuildIndex
from promptknn.prediction.predict import PredictPrompts
from promptknn.sources.ingest import IngestPrompts

STAGES = (
    IngestPrompts(), CleanPrompts(), EmbedPrompts(), FindNearDuplicates(), BuildIndex(),
    EmbedImages(), PredictPrompts(),
)  # fmt: skip

if __name__ == "__main__":
    run_job(arguments(__doc__ or ""), lambda options: STAGES)
