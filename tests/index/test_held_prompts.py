from pathlib import Path

from pyspark.sql import SparkSession

from promptknn.index.held_prompts import held_prompts
from tests.shards import prompt_ids, random_units, write_shard

KEYS = random_units(20, 8, seed=0)


def test_every_id_is_read_with_the_number_of_its_shard(spark: SparkSession, tmp_path: Path) -> None:
    ids = prompt_ids(20)
    # Of several batches each: write_shard adds 7 prompts at once.
    write_shard(tmp_path / "old" / "shard-0", KEYS[:12], ids[:12])
    write_shard(tmp_path / "new" / "shard-7", KEYS[12:], ids[12:])
    found = held_prompts(spark, {3: "old/shard-0", 7: "new/shard-7"}, tmp_path).collect()
    expected = [*((3, name) for name in ids[:12]), *((7, name) for name in ids[12:])]
    assert sorted((row.shard_id, row.prompt_id) for row in found) == expected
