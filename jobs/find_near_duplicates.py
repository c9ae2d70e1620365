"""Set apart the prompts that are near duplicates of others; the index leaves them out."""

from promptknn.command import arguments, run_job
from promptknn.deduplication.find_near_duplicates import FindNearDuplicates

if __name__ == "__main__":
    run_job(arguments(__doc__), lambda options: [FindNearDuplicates()])
