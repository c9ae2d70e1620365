"""Prompt terms in Spark: judged once each, counted once a prompt, taken out of prompts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StringType, StructType

from promptknn.cleaning.reasons import NO_KNOWN_TERMS, UNKNOWN_TERM
from promptknn.cleaning.rules import verdict
from promptknn.cleaning.term_comparison import NEAREST, compare_terms, embedded_words
from promptknn.cleaning.term_counts import counted_texts, found_terms, terms_in
from promptknn.cleaning.term_removal import with_terms, without_unknown
from promptknn.encoders.sentence import sentence_identity
from promptknn.materialised import materialised
from promptknn.settings import PolicySettings, VocabularySettings
from promptknn.stage import Context
from promptknn.table import sql_text
from promptknn.tables import PROMPT_TERMS

_KEY = ["source", "source_row_id"]
_NOT_REFUSED = "verdict IS NULL"


@contextmanager
def judged_by_vocabulary(context: Context, rows: DataFrame) -> Iterator[DataFrame]:
    """Give rows that `judged` gave with the vocabulary rule applied, and count terms afterwards.

    Args:
        context: has the settings; prompt_terms is created where the rule is on.
        rows: as `judged` gives them.

    Yields:
        The same columns: `drop_term` changes text, both modes may add a verdict.
    """
    settings = context.settings.cleaning.vocabulary
    if settings.mode == "off":
        yield rows
        return
    context.lake.create([PROMPT_TERMS])
    terms = _Terms(context, settings, sentence_identity(context.settings.sentence))
    with materialised(rows, context.lake) as kept:
        terms.judge(kept)
        yield terms.applied(kept)
    # Last: a run that is killed before leaves its prompts to be counted by the next one.
    terms.count()


class _Terms:
    def __init__(self, context: Context, settings: VocabularySettings, identity: str) -> None:
        self._context, self._settings, self._identity = context, settings, identity

    def _known(self) -> DataFrame:
        terms = self._context.lake.read(PROMPT_TERMS)
        return terms.where(F.col("sentence_model") == self._identity)

    def judge(self, rows: DataFrame) -> None:
        """Compare the terms that prompt_terms does not know with the vocabulary, each once."""
        lake, sentence = self._context.lake, self._context.settings.sentence
        kept = F.col("similarity") >= self._settings.minimum_similarity
        counted, judged_otherwise = (
            self._known().agg(_latest(), F.bool_or(F.col("kept") != kept)).collect()[0]
        )
        if judged_otherwise:
            lake.sql(
                f"UPDATE {{0}} SET kept = similarity >= {self._settings.minimum_similarity} "
                f"WHERE sentence_model = {sql_text(self._identity)}",
                PROMPT_TERMS,
            )
        found = terms_in(rows.where(_NOT_REFUSED).select("text")).distinct()
        unknown = found.join(self._known().select("term"), "term", "left_anti")
        with materialised(unknown, lake) as new:
            number = new.count()
            if number == 0:
                return
            cache = self._context.settings.index.host_cache
            words = embedded_words(self._context.spark, sentence, self._identity, cache)
            lake.insert(
                PROMPT_TERMS,
                new.repartition(-(-number // self._settings.terms_per_task))
                .mapInArrow(compare_terms(sentence, self._identity, words), NEAREST)
                .withColumn("sentence_model", F.lit(self._identity))
                .withColumn("count", F.lit(0).cast("bigint"))
                .withColumn("kept", kept)
                .withColumn("judged_at", F.current_timestamp())
                .withColumn(
                    "counted_through", F.coalesce(_timestamp(counted), F.current_timestamp())
                ),
            )

    def applied(self, rows: DataFrame) -> DataFrame:
        """Take unknown terms out of the prompts that no rule has refused, or refuse these."""
        refused_terms = self._known().where("NOT kept").select("term")
        most = self._settings.broadcast_below
        unknown = refused_terms.limit(most + 1).toArrow().column("term")
        if len(unknown) > most:
            found = _with_terms(rows, refused_terms)
            with_unknown = found.mapInArrow(_taken_out, found.schema)
        else:
            taking_out = _taking_out(frozenset(unknown.to_pylist()))
            with_unknown = rows.mapInArrow(taking_out, _having_terms(rows))
        has_unknown = F.size("terms") > 0
        if self._settings.mode == "drop_prompt":
            refused = _verdict(UNKNOWN_TERM, F.element_at("terms", 1))
            return with_unknown.withColumn(
                "verdict", F.when(has_unknown, refused).otherwise(F.col("verdict"))
            ).drop("terms")
        refused = _verdict(NO_KNOWN_TERMS, F.array_join("terms", " "))
        settings = self._context.settings
        asked_again = F.expr(verdict(settings.cleaning))
        # What was around a term may be a forbidden phrase without it.
        forbidden = F.expr(verdict(settings.cleaning, PolicySettings(terms=settings.policy.terms)))
        return with_unknown.withColumn(
            "verdict",
            F.when(has_unknown & asked_again.isNotNull(), refused)
            .when(has_unknown, F.coalesce("verdict", forbidden))
            .otherwise(F.col("verdict")),
        ).drop("terms")

    def count(self) -> None:
        """Count terms in the prompts cleaned since the last count.

        The count and how far it reaches change in one commit, so that no prompt is counted twice.
        """
        lake = self._context.lake
        counted = self._known().agg(_latest()).collect()[0][0]
        found = found_terms(counted_texts(lake).where(F.col("at") > _timestamp(counted)))
        counts = found.groupBy("term").agg(F.sum("number").alias("more"), F.max("at").alias("at"))
        with materialised(counts, lake) as counts:
            through = counts.agg(F.unix_micros(F.max("at"))).collect()[0][0]
            if through is None:
                return
            more = (
                self._known()
                .join(counts, "term")
                .withColumn("count", F.col("count") + F.col("more"))
                .withColumn("counted_through", _timestamp(through))
            )
            lake.replace(PROMPT_TERMS, more.drop("more", "at", "run_id"))


def _latest() -> Column:
    """Until when prompts are in the counts, as microseconds; null where there are no terms yet."""
    return F.unix_micros(F.max("counted_through"))


def _timestamp(micros: int | None) -> Column:
    return F.timestamp_micros(F.lit(micros).cast("bigint"))


def _with_terms(rows: DataFrame, chosen: DataFrame) -> DataFrame:
    """Add to rows the chosen terms in them, where these are too many for each worker to hold."""
    texts = rows.where(_NOT_REFUSED).select(*_KEY, "text", "verdict")
    held = (
        texts.mapInArrow(_all_terms, _having_terms(texts))
        .select(*_KEY, F.posexplode("terms").alias("position", "term"))
        .join(chosen, "term", "left_semi")
        .groupBy(*_KEY)
        .agg(F.sort_array(F.collect_list(F.struct("position", "term"))).alias("held"))
        .select(*_KEY, F.col("held.term").alias("terms"))
    )
    return rows.join(held, _KEY, "left").select(*rows.columns, "terms")


def _having_terms(rows: DataFrame) -> StructType:
    return StructType([*rows.schema]).add("terms", ArrayType(StringType()))


def _all_terms(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    return map(with_terms, batches)


def _taken_out(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    return map(without_unknown, batches)


def _taking_out(
    unknown: frozenset[str],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def take_out(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return (without_unknown(with_terms(batch, unknown)) for batch in batches)

    return take_out


def _verdict(reason: str, detail: Column) -> Column:
    return F.struct(F.lit(reason).alias("reason"), detail.alias("detail"))
