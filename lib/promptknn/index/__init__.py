"""The index: shards of prompts that lie near image embeddings, built, distributed, searched."""
