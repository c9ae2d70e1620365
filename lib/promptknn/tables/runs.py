"""Tables of runs: of stages, and of training."""

from promptknn.table import Column, Table

TRAINING_RUNS = Table(
    "training_runs",
    "Fine-tuned CLIP models; the latest lies in the output folder.",
    ("training_run",),
    (
        Column("training_run", "STRING", "Hash of the models, the settings and the pairs"),
        Column("base_model", "STRING", "CLIP model the training started from"),
        Column("sentence_model", "STRING", "Sentence Transformer of the regression's targets"),
        Column("model", "STRING", "The trained model, as clip_model of other tables names it"),
        Column("objective", "STRING", "contrastive, sentence or both"),
        Column("train_pairs", "BIGINT", "Images with prompts that were trained on"),
        Column("validation_pairs", "BIGINT", "Images with prompts of the validation loss"),
        Column("steps", "BIGINT", "Optimizer steps"),
        Column("refused", "MAP<STRING, BIGINT>", "Pairs left out for their image, by reason"),
        Column("settings", "STRING", "Training settings, JSON"),
        Column("trained_at", "TIMESTAMP", "When the training ended"),
    ),
    {"there_are_pairs": "train_pairs > 0"},
)

TRAINING_LOSSES = Table(
    "training_losses",
    "Loss curves: one row a step of training, and one an epoch of validation.",
    ("training_run", "split", "step"),
    (
        Column("training_run", "STRING", "The training"),
        Column("split", "STRING", "train or validation"),
        Column("step", "BIGINT", "Optimizer steps done, from 1"),
        Column("epoch", "INT", "Pass over the training pairs, from 1"),
        Column("loss", "DOUBLE", "What is minimised"),
        Column("contrastive_loss", "DOUBLE", "CLIP's loss, where it is a part", nullable=True),
        Column("sentence_loss", "DOUBLE", "1 - cosine, where it is a part", nullable=True),
        Column("learning_rate", "DOUBLE", "Of the step; null for validation", nullable=True),
        Column("pairs", "BIGINT", "Pairs the loss is of"),
    ),
    {"split_is_known": "split IN ('train', 'validation')"},
)

JOB_RUNS = Table(
    "job_runs",
    "What each run of a stage did, failed ones too.",
    ("run_id", "stage"),
    (
        Column("stage", "STRING", "Name of the stage"),
        Column("status", "STRING", "succeeded, unchanged or failed"),
        Column("rows_in", "BIGINT", "Rows that were to be done"),
        Column("rows_out", "BIGINT", "Rows written"),
        Column("rows_rejected", "BIGINT", "Rows refused"),
        Column("seconds", "DOUBLE", "How long it took"),
        Column("rows_per_second", "DOUBLE", "rows_in / seconds"),
        Column("settings", "STRING", "The whole settings, JSON"),
        Column("input_versions", "MAP<STRING, BIGINT>", "Delta version of each input table"),
        Column("message", "STRING", "What was done, in one sentence", nullable=True),
        Column("error", "STRING", "Why it failed", nullable=True),
        Column("started_at", "TIMESTAMP", "When the stage started"),
    ),
    {"status_is_known": "status IN ('succeeded', 'unchanged', 'failed')"},
)
