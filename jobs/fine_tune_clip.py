"""Fine-tune CLIP on images and their prompts; the result serves as `clip.model: local-dir:...`."""

from promptknn.command import arguments, run_job
from promptknn.training.fine_tune import FineTuneClip

if __name__ == "__main__":
    run_job(arguments(__doc__), lambda options: [FineTuneClip()])
