"""Tables of prompts: found, cleaned, embedded, set apart."""

from promptknn.table import Column, Table
from promptknn.tables.columns import MODELS, SOURCE, VECTOR

RAW_PROMPTS = Table(
    "raw_prompts",
    "Prompts as found, one row for each row of a source.",
    ("source", "source_row_id"),
    (
        *SOURCE,
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
        *SOURCE,
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
        *SOURCE,
        Column("text", "STRING", "Text as found", nullable=True),
        Column("reason", "STRING", "Name of the rule that refused it"),
        Column("detail", "STRING", "What it saw; for exact_duplicate the prompt_id it repeats"),
        Column("rejected_at", "TIMESTAMP", "When it was refused"),
    ),
    {"reason_is_not_empty": "length(reason) > 0"},
)

REMOVED_PROMPTS = Table(
    "removed_prompts",
    "Prompts that were removed and never come back: their ids alone, no text.",
    ("prompt_id",),
    (
        Column("prompt_id", "STRING", "First 128 bits of the SHA-256 of the normalised text"),
        Column(
            "chosen_by",
            "STRING",
            "id, text or condition; row where another id of the same source row was chosen",
        ),
        Column("removed_at", "TIMESTAMP", "When it was chosen"),
    ),
    {
        "prompt_id_is_128_bits": "length(prompt_id) = 32",
        "choice_is_known": "chosen_by IN ('id', 'text', 'condition', 'row')",
    },
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
        *MODELS,
        Column("clip_embedding", VECTOR, "CLIP text embedding, unit length"),
        Column("clip_dim", "INT", "Its dimension"),
        Column("sentence_embedding", VECTOR, "Sentence embedding, unit length"),
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
