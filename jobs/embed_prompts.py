"""Embed the prompts that have no embedding of the settings' models yet."""

from promptknn.command import arguments, run_job
from promptknn.encoders.embed_prompts import EmbedPrompts

if __name__ == "__main__":
    run_job(arguments(__doc__), lambda options: [EmbedPrompts()])
