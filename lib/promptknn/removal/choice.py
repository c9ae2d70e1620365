"""Which prompts to remove, as the command line says."""

import argparse
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.cleaning.normalisation import normalise, normalised
from promptknn.deduplication.exact import prompt_id, prompt_id_of
from promptknn.errors import MissingInputError, SettingsError
from promptknn.lake import Lake
from promptknn.materialised import checkpointed
from promptknn.tables import PROMPTS, REJECTED_PROMPTS

_ID = re.compile(r"[0-9a-f]{32}")
_CHOSEN = "prompt_id string, chosen_by string"
_COLUMNS = [column.name for column in PROMPTS.columns]


@dataclass(frozen=True)
class Choice:
    """Prompts to remove. A text is kept as its prompt_id alone: it must not live on anywhere.

    Attributes:
        ids: of each prompt_id whether an id or a text named it.
        condition: SQL over the columns of prompts; it also chooses refused rows.
    """

    ids: Mapping[str, str] = field(default_factory=dict)
    condition: str | None = None

    @classmethod
    def of(
        cls, ids: Iterable[str] = (), texts: Iterable[str] = (), condition: str | None = None
    ) -> "Choice":
        """Choose by ids, by texts (normalised as prompts are), and by a condition.

        Raises:
            SettingsError: an id is none.
        """
        chosen = {prompt_id(normalise(text)): "text" for text in texts}
        for given in ids:
            if not _ID.fullmatch(given):
                raise SettingsError(
                    f"'{given}' is no prompt_id (32 digits of 0-9 and a-f): copy it from the table "
                    f"prompts, or name the prompt with --text."
                )
            chosen[given] = "id"
        return cls(chosen, condition)

    @classmethod
    def of_options(cls, options: argparse.Namespace) -> "Choice":
        """Choose by the options that `add_options` adds.

        Raises:
            SettingsError: an id is none.
            MissingInputError: a file cannot be read.
        """
        ids, texts = (
            [*given, *(_lines(file, option) if file else ())]
            for given, file, option in (
                (options.ids, options.ids_file, "--ids-file"),
                (options.texts, options.texts_file, "--texts-file"),
            )
        )
        return cls.of(ids, texts, options.where)

    def chosen(self, lake: Lake) -> DataFrame:
        """Find the chosen prompts in a lake: prompt_id, each once, and chosen_by.

        Raises:
            SettingsError: the condition is no SQL condition over the columns of prompts.
        """
        try:
            return checkpointed(self._rows(lake))
        except PySparkException as error:
            # Not in Spark's words: they repeat the condition, which job_runs must not hold.
            raise SettingsError(
                f"--where is no SQL condition over the columns of prompts "
                f"({error.getCondition() or type(error).__name__}): write one such as "
                f"--where \"text ILIKE '%word%'\"."
            ) from error

    def _rows(self, lake: Lake) -> DataFrame:
        named = lake.spark.createDataFrame(list(self.ids.items()), _CHOSEN)
        if self.condition is None:
            return named
        prompts = lake.read_or_empty(PROMPTS).select(*_COLUMNS)
        both = prompts.union(_as_prompts(lake.read_or_empty(REJECTED_PROMPTS)))
        found = both.where(F.expr(self.condition)).select("prompt_id", F.lit("condition"))
        return named.union(found).groupBy("prompt_id").agg(F.max("chosen_by").alias("chosen_by"))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name prompts."""
    parser.add_argument(
        "--id",
        dest="ids",
        action="append",
        default=[],
        metavar="ID",
        help="a prompt_id; repeatable",
    )
    parser.add_argument(
        "--text", dest="texts", action="append", default=[], metavar="TEXT",
        help="a whole prompt; repeatable",
    )  # fmt: skip
    parser.add_argument("--ids-file", type=Path, metavar="FILE", help="prompt_ids, one a line")
    parser.add_argument("--texts-file", type=Path, metavar="FILE", help="prompts, one a line")
    parser.add_argument(
        "--where", metavar="SQL", help="a condition over prompts, such as \"text ILIKE '%%word%%'\""
    )


def _lines(file: Path, option: str) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise MissingInputError(
            f"{file} cannot be read ({what}): name a text file with {option}."
        ) from error
    return [line.strip() for line in lines if line.strip()]


def _as_prompts(refused: DataFrame) -> DataFrame:
    """Give refused rows the columns of prompts, so that one condition chooses among both."""
    text = normalised(F.col("text"))
    known = {
        "prompt_id": prompt_id_of(text),
        "text": text,
        "original_text": F.col("text"),
        "cleaned_at": F.col("rejected_at"),
        **{name: F.col(name) for name in ("source", "source_row_id")},
    }
    columns = [
        known.get(column.name, F.lit(None)).cast(column.type).alias(column.name)
        for column in PROMPTS.columns
    ]
    return refused.where("length(text) > 0").select(*columns)
