"""Embed the images of the settings and predict their prompts (the online stage)."""

from promptknn.command import arguments, run_job
from promptknn.images.embed_images import EmbedImages
from promptknn.prediction.predict import PredictPrompts

if __name__ == "__main__":
    run_job(arguments(__doc__), lambda options: [EmbedImages(), PredictPrompts()])
