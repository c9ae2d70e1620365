"""Tables of the index: its versions and their shards."""

from promptknn.table import Column, Table
from promptknn.tables.columns import MODELS

INDEX_VERSIONS = Table(
    "index_versions",
    "Versions of the index; one is active.",
    ("index_version",),
    (
        Column("index_version", "STRING", "Hash of its identity, and of what it grew from"),
        Column("identity", "STRING", "Hash of models, settings and prompts"),
        Column("grown_from", "STRING", "The version some of its shards are from", nullable=True),
        *MODELS,
        Column("rescoring_model", "STRING", "Second CLIP model that scores again", nullable=True),
        Column("prompts", "BIGINT", "Prompts in the index"),
        Column("fitted_prompts", "BIGINT", "Prompts its query map and lists were fitted on"),
        Column("prompts_digest", "STRING", "Order-free digest of their ids"),
        Column("prompt_embeddings_version", "BIGINT", "Delta version the index was built from"),
        Column("factory", "STRING", "FAISS factory of the shards"),
        Column("nprobe", "INT", "Lists searched for a query; 0 for a flat index"),
        Column(
            "k_factor",
            "DOUBLE",
            "Candidates each shard scores again, a multiple of the neighbours; null where none",
            nullable=True,
        ),
        Column("recall", "DOUBLE", "Measured recall@k against exact search"),
        Column("recall_queries", "STRING", "What the recall was measured with"),
        Column("recall_k", "INT", "The k of recall@k"),
        Column("query_map", "STRING", "How image embeddings reach the text space"),
        Column("settings", "STRING", "Index settings, JSON"),
        Column("files", "MAP<STRING, STRING>", "SHA-256 of each file its shards share"),
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
