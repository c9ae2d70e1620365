"""The stage that fine-tunes CLIP on images and their prompts (paper, table 1)."""

import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.encoders.models import Models
from promptknn.encoders.open_clip import open_clip_identity
from promptknn.encoders.package_default import NAME as PACKAGE_DEFAULT
from promptknn.errors import MissingInputError, SettingsError
from promptknn.locations import folder_for_all
from promptknn.settings import ClipSettings, Settings, settings_hash
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import PROMPT_IMAGES, PROMPTS, TRAINING_LOSSES, TRAINING_RUNS
from promptknn.training.curves import PICTURE, Curves, plot
from promptknn.training.export import origin_of, replace_folder
from promptknn.training.launch import launch
from promptknn.training.loop import MODEL, PAIRS, TrainingJob, TrainingResult
from promptknn.training.pairs import image_text_pairs, write_pairs

# Keys that change where and how fast a training runs, not what it learns (but for rounding).
_NOT_CONTENT = frozenset({
    "output", "micro_batch_size", "gradient_checkpointing", "checkpoint_steps", "processes",
    "on_executors", "loader_workers",
})  # fmt: skip


class FineTuneClip(Stage):
    """prompt_images + prompts -> a fine-tuned CLIP model, training_runs, training_losses."""

    name = "fine_tune_clip"
    inputs = (PROMPTS, PROMPT_IMAGES)
    outputs = (TRAINING_RUNS, TRAINING_LOSSES)

    def check(self, settings: Settings) -> None:
        if settings.clip.model == PACKAGE_DEFAULT:
            raise SettingsError(
                "clip.model 'package-default' cannot be fine-tuned: set `clip.model` to an "
                "open_clip model, such as local-dir:/folder."
            )
        training_output(settings)
        Models.check(settings)

    def run(self, context: Context) -> Counts:
        settings = context.settings
        self.check(settings)
        models = Models.of(settings)
        pairs = image_text_pairs(context, models).where("split <> 'test'")
        counts, digest = _digest(pairs)
        if not counts.get("train"):
            raise MissingInputError(
                f"The lake {settings.lake} has no images with prompts to train on: run "
                f"jobs/generate_images.py, or set `training.table` to a table of images and texts."
            )
        content = settings.training.model_dump_json(exclude=set(_NOT_CONTENT))
        identity = (models.clip_identity, models.sentence_identity, digest, content)
        run = settings_hash(*identity, settings.splits)
        output = training_output(settings)
        if origin_of(output / MODEL).get("training_run") == run and _is_recorded(context, run):
            return Counts(message=f"nothing new, {told_model(settings, output)}")
        return _Training(context, models, pairs, counts, run, output).run()


def training_output(settings: Settings) -> Path:
    """Give the folder that takes the model and the work in progress.

    Raises:
        MissingInputError: the lake is a catalog schema and no folder is named.
    """
    given = settings.training.output
    return Path(
        folder_for_all(settings.lake, given, "training", "the model needs", "training.output")
    )


def told_model(settings: Settings, output: Path) -> str:
    """Say where the model is, and that it is no `clip.model` where only its head learnt texts."""
    told = f"model local-dir:{output / MODEL}"
    if settings.training.objective != "sentence":
        return told
    return (
        f"{told} with its head, not for retrieval (`training.objective` sentence keeps no "
        f"similarity of images and texts: for a `clip.model`, set contrastive or both)"
    )


def _digest(pairs: DataFrame) -> tuple[dict[str, int], str]:
    """Count the pairs of each split, and digest them, whatever their order."""
    key = F.xxhash64("prompt_id", "image_uri", "split")
    rows = pairs.groupBy("split").agg(F.count("*").alias("pairs"), F.bit_xor(key).alias("digest"))
    found = {row.split: row for row in rows.collect()}
    digests = ":".join(f"{split}={found[split].digest}" for split in sorted(found))
    return {split: int(row.pairs) for split, row in found.items()}, digests


def _is_recorded(context: Context, run: str) -> bool:
    runs = context.lake.read(TRAINING_RUNS)
    return runs.where(F.col("training_run") == run).count() > 0


@dataclass(frozen=True)
class _Training:
    context: Context
    models: Models
    pairs: DataFrame
    counts: dict[str, int]
    training_run: str
    output: Path

    @property
    def work(self) -> Path:
        return self.output / f"run-{self.training_run}"

    def run(self) -> Counts:
        settings = self.context.settings
        self._write_pairs()
        job = TrainingJob(
            self.training_run, self.work, settings.clip, settings.training,
            settings.images.maximum_megapixels, settings.index.host_cache,
        )  # fmt: skip
        try:
            result = launch(self.context, job, self.counts["train"])
        finally:
            # Also of a training that failed: its curve may say why.
            self._record_losses()
        self._record_run(result)
        drawn = self._plot()
        replace_folder(self.work / MODEL, self.output / MODEL)
        shutil.rmtree(self.work)
        left_out = sum(number for _, number in result.refused)
        reasons = ", ".join(f"{number:,} {reason}" for reason, number in result.refused)
        trained = self.counts["train"]
        message = f"{result.steps:,} steps, {told_model(settings, self.output)}{drawn}" + (
            f", {left_out:,} pairs left out for their image ({reasons})" if left_out else ""
        )
        picture = self.output / MODEL / PICTURE
        return Counts(
            rows_in=trained,
            rows_out=trained,
            rows_rejected=left_out,
            message=message,
            figures={"steps": result.steps},
            pictures=(picture,) if picture.is_file() else (),
        )

    def _write_pairs(self) -> None:
        """Write the training's files, unless a killed run has: they are the same."""
        folder = self.work / PAIRS
        if folder.is_dir():
            return
        partial = folder.with_name(f".{PAIRS}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        settings = self.context.settings
        regression = settings.training.objective != "contrastive"
        rows = sum(self.counts.values())
        write_pairs(self.pairs, rows, partial, self.models if regression else None, settings)
        partial.rename(folder)

    def _record_losses(self) -> None:
        losses = Curves(self.work).table()
        if losses.num_rows:
            frame = self.context.spark.createDataFrame(losses)
            rows = frame.withColumn("training_run", F.lit(self.training_run))
            self.context.lake.replace(TRAINING_LOSSES, rows)

    def _record_run(self, result: TrainingResult) -> None:
        settings = self.context.settings
        model = ClipSettings(model=f"local-dir:{self.work / MODEL}")
        row = {
            "training_run": self.training_run,
            "base_model": self.models.clip_identity,
            "sentence_model": self.models.sentence_identity,
            "model": open_clip_identity(model),
            "objective": settings.training.objective,
            "train_pairs": self.counts["train"],
            "validation_pairs": self.counts.get("validation", 0),
            "steps": result.steps,
            "refused": dict(result.refused),
            "settings": settings.training.model_dump_json(),
        }
        frame = self.context.spark.createDataFrame(
            [tuple(row.values())], TRAINING_RUNS.schema(*row)
        )
        self.context.lake.replace(
            TRAINING_RUNS, frame.withColumn("trained_at", F.current_timestamp())
        )

    def _plot(self) -> str:
        if find_spec("matplotlib") is None:
            return " (its curves are drawn when promptknn[report] is installed)"
        plot(Curves(self.work).table(), self.work / MODEL / PICTURE)
        return ""
