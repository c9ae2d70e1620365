"""Every Delta table of the lake, in the order of the pipeline."""

from promptknn.table import Column, Table

_VECTOR = "ARRAY<FLOAT>"
_SOURCE = (
    Column("source", "STRING", "Name of the source in the settings"),
    Column("source_row_id", "STRING", "Id of the row within its source"),
)
_MODELS = (
    Column("clip_model", "STRING", "Model that puts images and prompts into one space"),
    Column("sentence_model", "STRING", "Sentence Transformer whose space E_pred lies in"),
)

RAW_PROMPTS = Table(
    "raw_prompts",
    "Prompts as found, one row for each row of a source.",
    ("source", "source_row_id"),
    (
        *_SOURCE,
        Column("text", "STRING", "Text as found", nullable=True),
        Column("image_uri", "STRING", "URI of the image it describes", nullable=True),
        Column("metadata", "MAP<STRING, STRING>", "The other columns of the source's row"),
        Column("ingested_at", "TIMESTAMP", "When the row was read"),
    ),
)

PROMPTS = Table(
    "prompts",
    "Clean, distinct prompts.",
    ("prompt_id",),
    (
        Column("prompt_id", "STRING", "First 128 bits of the SHA-256 of `text`, in hex"),
        Column("text", "STRING", "Normalised text: Unicode NFC, single spaces"),
        Column("original_text", "STRING", "Text as found"),
        Column("language", "STRING", "Identified language, ISO 639-1 or 639-3"),
        Column("language_score", "FLOAT", "Score of that language, 0 to 1"),
        *_SOURCE,
        Column("cleaned_at", "TIMESTAMP", "When the row passed the rules"),
    ),
    {
        "prompt_id_is_128_bits": "length(prompt_id) = 32",
        "text_is_not_empty": "length(text) > 0",
        "language_score_is_a_share": "language_score BETWEEN 0 AND 1.001",
    },
)

REJECTED_PROMPTS = Table(
    "rejected_prompts",
    "Raw prompts that were refused, each for one reason: raw_prompts = prompts + this, exactly.",
    ("source", "source_row_id"),
    (
        *_SOURCE,
        Column("text", "STRING", "Text as found", nullable=True),
        Column("reason", "STRING", "Name of the rule that refused it"),
        Column("detail", "STRING", "What it saw; for exact_duplicate the prompt_id it repeats"),
        Column("rejected_at", "TIMESTAMP", "When it was refused"),
    ),
    {"reason_is_not_empty": "length(reason) > 0"},
)

PROMPT_TERMS = Table(
    "prompt_terms",
    "Terms of prompts, judged by the vocabulary of the sentence model.",
    ("term", "sentence_model"),
    (
        Column("term", "STRING", "The term, in lower case"),
        Column("sentence_model", "STRING", "Sentence Transformer whose vocabulary judged it"),
        Column("count", "BIGINT", "Prompts whose text as found holds it, refused for it included"),
        Column("nearest_word", "STRING", "The most similar whole word of the vocabulary"),
        Column("similarity", "DOUBLE", "Cosine to that word; 1 where it is that word"),
        Column("kept", "BOOLEAN", "Whether prompts may hold it"),
        Column("judged_at", "TIMESTAMP", "When it was compared with the vocabulary"),
        Column("counted_through", "TIMESTAMP", "Prompts cleaned until then are in the count"),
    ),
    {"term_is_not_empty": "length(term) > 0", "count_is_not_negative": "count >= 0"},
)

PROMPT_EMBEDDINGS = Table(
    "prompt_embeddings",
    "Embeddings of prompts, unit vectors.",
    ("prompt_id", "clip_model", "sentence_model"),
    (
        Column("prompt_id", "STRING", "The prompt"),
        *_MODELS,
        Column("clip_embedding", _VECTOR, "CLIP text embedding, unit length"),
        Column("clip_dim", "INT", "Its dimension"),
        Column("sentence_embedding", _VECTOR, "Sentence embedding, unit length"),
        Column("sentence_dim", "INT", "Its dimension"),
        Column("embedded_at", "TIMESTAMP", "When it was computed"),
    ),
    {
        "clip_dim_matches": "size(clip_embedding) = clip_dim",
        "sentence_dim_matches": "size(sentence_embedding) = sentence_dim",
    },
)

_DECIDED = (
    Column("prompt_id", "STRING", "The prompt"),
    Column("sentence_model", "STRING", "Sentence Transformer whose embeddings were compared"),
    Column("threshold", "DOUBLE", "Cosine above which a prompt is a near duplicate"),
)

KEPT_PROMPTS = Table(
    "kept_prompts",
    "Prompts without a near duplicate among those kept before; they stay kept in later runs.",
    ("prompt_id", "sentence_model", "threshold"),
    (*_DECIDED, Column("decided_at", "TIMESTAMP", "When it was compared with those before it")),
)

NEAR_DUPLICATES = Table(
    "near_duplicates",
    "Prompts too like a kept one, left out of the index: prompts = indexed + this, exactly.",
    ("prompt_id", "sentence_model", "threshold"),
    (
        *_DECIDED,
        Column("kept_prompt_id", "STRING", "The most similar prompt kept before it"),
        Column("similarity", "DOUBLE", "Cosine of their sentence embeddings"),
        Column("decided_at", "TIMESTAMP", "When it was compared with those before it"),
    ),
    {
        "similarity_is_above_the_threshold": "similarity > threshold",
        "kept_prompt_is_another": "kept_prompt_id <> prompt_id",
    },
)

_PICTURE = (
    Column("prompt_id", "STRING", "The prompt"),
    Column("seed", "BIGINT", "Seed of the picture's noise, made from prompt_id and number"),
    Column("generator", "STRING", "Hash of the diffusion model's weights and its settings"),
    Column("number", "INT", "Which picture of the prompt, from 0"),
)

PROMPT_IMAGES = Table(
    "prompt_images",
    "Pictures made from prompts; the files lie beside the tables.",
    ("prompt_id", "seed", "generator"),
    (
        *_PICTURE,
        Column("image_uri", "STRING", "Where the picture lies, a PNG"),
        Column("image_bytes", "BIGINT", "Size of the file"),
        Column("width", "INT", "Width in pixels"),
        Column("height", "INT", "Height in pixels"),
        Column(
            "safety",
            "STRING",
            "What the model's safety checker said: safe, flagged (the picture is black), or "
            "not_checked",
        ),
        Column("model", "STRING", "The diffusion model"),
        Column("scheduler", "STRING", "How noise is taken away; `model`: as the model says"),
        Column("steps", "INT", "Steps of the scheduler"),
        Column("guidance", "DOUBLE", "Classifier-free guidance scale"),
        Column("generated_at", "TIMESTAMP", "When it was made"),
    ),
    {
        "safety_is_known": "safety IN ('safe', 'flagged', 'not_checked')",
        "picture_has_a_size": "width > 0 AND height > 0 AND image_bytes > 0",
    },
)

REJECTED_PROMPT_IMAGES = Table(
    "rejected_prompt_images",
    "Pictures that could not be made, each for one reason.",
    ("prompt_id", "seed", "generator"),
    (
        *_PICTURE,
        Column("reason", "STRING", "Why there is no picture"),
        Column("detail", "STRING", "What was found"),
        Column("rejected_at", "TIMESTAMP", "When it was refused"),
    ),
    {"reason_is_not_empty": "length(reason) > 0"},
)

INDEX_VERSIONS = Table(
    "index_versions",
    "Versions of the index; one is active.",
    ("index_version",),
    (
        Column("index_version", "STRING", "Hash of models, settings and prompts"),
        *_MODELS,
        Column("prompts", "BIGINT", "Prompts in the index"),
        Column("prompts_digest", "STRING", "Order-free digest of their ids"),
        Column("prompt_embeddings_version", "BIGINT", "Delta version the index was built from"),
        Column("factory", "STRING", "FAISS factory of the shards"),
        Column("nprobe", "INT", "Lists searched for a query; 0 for a flat index"),
        Column("recall", "DOUBLE", "Measured recall@k against exact search"),
        Column("recall_queries", "STRING", "What the recall was measured with"),
        Column("recall_k", "INT", "The k of recall@k"),
        Column("query_map", "STRING", "How image embeddings reach the text space"),
        Column("settings", "STRING", "Index settings, JSON"),
        Column("files", "MAP<STRING, STRING>", "SHA-256 of each file of the query map"),
        Column("active", "BOOLEAN", "Whether predictions use it"),
        Column("built_at", "TIMESTAMP", "When it was built"),
    ),
    {"recall_is_a_share": "recall BETWEEN 0 AND 1"},
)

INDEX_SHARDS = Table(
    "index_shards",
    "Shards of index versions: a folder of vectors.faiss, prompts.arrow and sentence.npy each.",
    ("index_version", "shard_id"),
    (
        Column("index_version", "STRING", "The index version"),
        Column("shard_id", "INT", "Number of the shard, from 0"),
        Column("prompts", "BIGINT", "Prompts in the shard"),
        Column("path", "STRING", "Folder of the shard, under the index location"),
        Column("bytes", "BIGINT", "Size of its files"),
        Column("files", "MAP<STRING, STRING>", "SHA-256 of each file, in hex"),
        Column("built_at", "TIMESTAMP", "When it was written"),
    ),
    {"shard_holds_prompts": "prompts > 0"},
)

IMAGE_EMBEDDINGS = Table(
    "image_embeddings",
    "What the image tower says of each readable image.",
    ("image_id", "clip_model"),
    (
        Column("image_id", "STRING", "SHA-256 of the file's content, in hex"),
        Column("clip_model", "STRING", "Model of the vector"),
        Column("image_uri", "STRING", "Where the image was read"),
        Column("image_bytes", "BIGINT", "Size of the file"),
        Column("modified_at", "TIMESTAMP", "Modification time of the file"),
        Column("width", "INT", "Width in pixels, upright"),
        Column("height", "INT", "Height in pixels, upright"),
        Column("embedding", _VECTOR, "Vector as the image tower gives it"),
        Column("dim", "INT", "Its dimension"),
        Column("embedded_at", "TIMESTAMP", "When it was computed"),
    ),
    {
        "image_id_is_sha256": "length(image_id) = 64",
        "dim_matches": "size(embedding) = dim",
    },
)

REJECTED_IMAGES = Table(
    "rejected_images",
    "Images that could not be used, each for one reason.",
    ("image_uri", "image_bytes", "modified_at", "clip_model"),
    (
        Column("image_uri", "STRING", "Where the image was looked for"),
        Column("image_bytes", "BIGINT", "Size of the file, -1 when unknown"),
        Column("modified_at", "TIMESTAMP", "Modification time of the file"),
        Column("clip_model", "STRING", "Model the image was meant for"),
        Column("reason", "STRING", "Why it was refused"),
        Column("detail", "STRING", "What was found; for duplicate_image the image_id it repeats"),
        Column("rejected_at", "TIMESTAMP", "When it was refused"),
    ),
    {"reason_is_not_empty": "length(reason) > 0"},
)

PREDICTIONS = Table(
    "predictions",
    "The prompt predicted for each image, one row an image and settings.",
    ("image_id", "settings_hash"),
    (
        Column("image_id", "STRING", "The image"),
        Column("settings_hash", "STRING", "Hash of the prediction settings and the models"),
        Column("image_uri", "STRING", "Where the image was read"),
        Column("index_version", "STRING", "Index that was searched"),
        Column("predicted_prompt", "STRING", "The nearest prompt (prompt_m of the paper)"),
        Column(
            "neighbours",
            "ARRAY<STRUCT<rank: INT, prompt_id: STRING, prompt: STRING, similarity: FLOAT>>",
            "The nearest prompts, best first",
        ),
        Column("embedding", _VECTOR, "E_pred: predicted sentence embedding of the prompt"),
        Column("dim", "INT", "Its dimension"),
        Column("mean_similarity", "FLOAT", "Mean similarity of the neighbours in E_pred1"),
        Column("agreement", "FLOAT", "Length of E_pred1: 1 where its neighbours say the same"),
        Column(
            "confidence",
            "FLOAT",
            "Expected cosine to the true prompt; null until jobs/evaluate.py --calibrate has run",
            nullable=True,
        ),
        Column("k", "INT", "Neighbours averaged in E_pred1"),
        Column("w1", "DOUBLE", "Weight of E_pred1"),
        Column("w2", "DOUBLE", "Weight of E_pred2"),
        *_MODELS,
        Column("predicted_at", "TIMESTAMP", "When it was predicted"),
    ),
    {"dim_matches": "size(embedding) = dim", "there_are_neighbours": "size(neighbours) > 0"},
)

EVALUATIONS = Table(
    "evaluations",
    "Mean cosine similarity of E_pred to the true prompts' sentence embeddings.",
    ("run_id", "variant"),
    (
        Column("variant", "STRING", "Row of the paper's table 2, or `configured`"),
        Column("mean_cosine", "DOUBLE", "Mean over all pairs of image and true prompt"),
        Column("interval_low", "DOUBLE", "Lower end of the bootstrap 95 % interval"),
        Column("interval_high", "DOUBLE", "Upper end of the bootstrap 95 % interval"),
        Column("images", "BIGINT", "Images evaluated"),
        Column("truths", "BIGINT", "True prompts compared"),
        Column("prompts_left_out", "BIGINT", "Prompts too close to a truth to be neighbours"),
        Column("k", "INT", "Neighbours averaged in E_pred1"),
        Column("w1", "DOUBLE", "Weight of E_pred1"),
        Column("w2", "DOUBLE", "Weight of E_pred2"),
        *_MODELS,
        Column("index_version", "STRING", "Index that was searched"),
        Column("evaluated_at", "TIMESTAMP", "When it was computed"),
    ),
    {"cosine_is_in_range": "mean_cosine BETWEEN -1.001 AND 1.001"},
)

CALIBRATIONS = Table(
    "calibrations",
    "How a prediction's signals become its confidence; the latest of some settings counts.",
    ("run_id", "settings_hash"),
    (
        Column("settings_hash", "STRING", "The prediction settings and models it was fitted for"),
        Column("intercept", "DOUBLE", "Constant of the linear fit"),
        Column("similarity", "DOUBLE", "Weight of mean_similarity"),
        Column("agreement", "DOUBLE", "Weight of agreement"),
        Column("mean_absolute_error", "DOUBLE", "Of the expected cosine, images held out"),
        Column("correlation", "DOUBLE", "Of expected and true cosine, images held out"),
        Column("images", "BIGINT", "Images it was fitted on"),
        Column("index_version", "STRING", "Index that was searched"),
        Column("calibrated_at", "TIMESTAMP", "When it was fitted"),
    ),
)

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

ALL_TABLES = (
    RAW_PROMPTS, PROMPTS, REJECTED_PROMPTS, PROMPT_TERMS, PROMPT_EMBEDDINGS, KEPT_PROMPTS,
    NEAR_DUPLICATES, PROMPT_IMAGES, REJECTED_PROMPT_IMAGES, INDEX_VERSIONS, INDEX_SHARDS,
    IMAGE_EMBEDDINGS, REJECTED_IMAGES, PREDICTIONS, EVALUATIONS, CALIBRATIONS, TRAINING_RUNS,
    TRAINING_LOSSES, JOB_RUNS,
)  # fmt: skip
