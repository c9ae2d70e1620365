"""Remove prompts from every table and the index, for good."""

from promptknn.command import arguments, run_job
from promptknn.removal.choice import Choice, add_options
from promptknn.removal.rebuild_index import RebuildIndex
from promptknn.removal.remove_prompts import RemovePrompts

if __name__ == "__main__":
    parser = arguments(__doc__)
    add_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would go, change nothing")
    run_job(
        parser,
        lambda options: [
            RemovePrompts(Choice.of_options(options), options.dry_run),
            *([] if options.dry_run else [RebuildIndex()]),
        ],
    )
