"""Prompts to measure with: real ones from files where there are any, then the demo's."""

import csv
import json
import os
from pathlib import Path

VARIABLE = "PROMPTKNN_BENCH_PROMPTS"
_FIELDS = ("caption", "text", "Prompt")


def real_texts() -> list[str]:
    """Read the files that PROMPTKNN_BENCH_PROMPTS names, separated by colons.

    A file has a prompt a line, or records (.json, .tsv) with a caption, text or Prompt.
    """
    files = [Path(name) for name in os.environ.get(VARIABLE, "").split(":") if name]
    found = (text.strip() for file in files for text in _read(file))
    return list(dict.fromkeys(text for text in found if text))


def texts(count: int) -> tuple[int, list[str]]:
    """Give different prompts, and how many of them, the first ones, are real."""
    real = real_texts()[:count]
    if len(real) == count:
        return count, real
    # Imported only where it is needed: with it comes Spark.
    from promptknn.sources.demo import compose

    return len(real), list(dict.fromkeys([*real, *compose(count, seed=0)]))[:count]


def _read(file: Path) -> list[str]:
    content = file.read_text("utf-8")
    if file.suffix not in (".json", ".tsv"):
        return content.splitlines()
    if file.suffix == ".tsv":
        records = list(csv.DictReader(content.splitlines(), delimiter="\t"))
    else:
        loaded = json.loads(content)
        records = loaded["annotations"] if isinstance(loaded, dict) else loaded
    field = next(name for name in _FIELDS if name in records[0])
    return [record[field] for record in records]
