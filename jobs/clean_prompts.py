"""Sort raw_prompts into prompts and rejected_prompts."""

from promptknn.cleaning.clean import CleanPrompts
from promptknn.command import arguments, run_job

if __name__ == "__main__":
    run_job(arguments(__doc__), lambda options: [CleanPrompts()])
