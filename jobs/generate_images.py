"""Make a picture for each prompt with a diffusion model (extra `generate`)."""

from promptknn.command import arguments, run_job
from promptknn.images.generate_images import GenerateImages

if __name__ == "__main__":
    run_job(arguments(__doc__), lambda options: [GenerateImages()])
