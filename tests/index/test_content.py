import json

from promptknn.index.content import content_of, recorded, target_of
from promptknn.settings import IndexSettings


def test_what_is_asked_of_an_index_does_not_make_it_another() -> None:
    plain = content_of(recorded(IndexSettings()))
    for same in (
        IndexSettings(target_recall=0.5), IndexSettings(recall_queries=7),
        IndexSettings(location="/elsewhere"), IndexSettings(search="partitioned"),
    ):  # fmt: skip
        assert content_of(recorded(same)) == plain
    for other in (IndexSettings(kind="flat"), IndexSettings(rows_per_shard=7)):
        assert content_of(recorded(other)) != plain


def test_what_an_earlier_release_recorded_is_read_alike() -> None:
    settings = IndexSettings(target_recall=0.5)
    keys = dict(reversed(json.loads(recorded(settings)).items()))
    assert content_of(json.dumps(keys)) == content_of(recorded(settings))
    assert target_of(json.dumps(keys)) == 0.5
    assert target_of(json.dumps({"kind": "flat"})) is None
