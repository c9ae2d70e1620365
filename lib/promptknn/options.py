"""Options that jobs and commands share."""

import argparse


def add_shared_options(parser: argparse.ArgumentParser, json_help: str) -> None:
    """Add --set, --json and --debug.

    Args:
        parser: of a job or a command.
        json_help: what --json prints there.
    """
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one setting, such as prediction.k=10; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help=json_help)
    parser.add_argument("--debug", action="store_true", help="show the stack trace of a failure")
