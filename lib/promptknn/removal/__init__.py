"""Taking prompts out of the lake for good: out of every table, every shard, and later runs."""
