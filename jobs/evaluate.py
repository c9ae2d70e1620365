"""Score the active index against true prompts (the paper's table 2)."""

from promptknn.command import arguments, run_job
from promptknn.evaluation.evaluate import Evaluate

if __name__ == "__main__":
    run_job(arguments(__doc__), lambda options: [Evaluate()])
