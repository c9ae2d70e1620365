"""An index version as its tables describe it: whether it fits the settings, where its files lie.

Jobs read the tables with Spark (index/active.py), one picture is predicted without it
(prediction/prompt_index.py); both decide here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path

from promptknn.encoders.models import Models
from promptknn.errors import MissingInputError, ModelMismatchError
from promptknn.index.distribution import SharedFolder
from promptknn.index.query_map import FILE
from promptknn.locations import folder_for_all
from promptknn.online_settings import OnlineSettings

QUERY_MAP_FOLDER = "query-map"
# A build that read the pool before prompts were removed may end after it: an index may hold what
# was removed so long before `built_at`.
LONGEST_BUILD = timedelta(days=2)


@dataclass(frozen=True)
class IndexVersion:
    """What index_versions says of a version, as far as a search needs it.

    Attributes:
        files: SHA-256 of each file that its shards share.
        k_factor: None too in a lake of before it was chosen.
        rescoring_model: None too in a lake of before there were any.
    """

    index_version: str
    clip_model: str
    sentence_model: str
    prompts: int
    nprobe: int
    files: Mapping[str, str]
    k_factor: float | None = None
    rescoring_model: str | None = None

    @classmethod
    def columns(cls) -> list[str]:
        """Name the columns of index_versions that make one."""
        return [field.name for field in fields(cls)]

    def check(self, settings: OnlineSettings, models: Models) -> None:
        """Check that it was made with the models of the settings.

        Raises:
            ModelMismatchError: naming both models and the key to set.
        """
        for made_with, wanted, key in (
            (self.clip_model, models.clip_identity, "clip.model"),
            (self.sentence_model, models.sentence_identity, "sentence.model"),
        ):
            if made_with != wanted:
                raise ModelMismatchError(
                    f"The active index {self.index_version} was made with {key} {made_with}, the "
                    f"settings ask for {wanted}: set `{key}` back, or run jobs/build_index.py."
                )
        second = Models.rescoring_of(settings)
        if second and self.rescoring_model != second.clip_identity:
            raise ModelMismatchError(
                f"The active index {self.index_version} has no vectors of "
                f"prediction.rescoring.clip {second.clip_identity} (but of "
                f"{self.rescoring_model or 'no second model'}): run jobs/build_index.py, or leave "
                f"`prediction.rescoring` out."
            )


@dataclass(frozen=True)
class ShardFiles:
    """What index_shards says of a shard: its folder, and the SHA-256 of each file there."""

    path: str
    bytes: int
    files: Mapping[str, str]

    @classmethod
    def columns(cls) -> list[str]:
        """Name the columns of index_shards that make one."""
        return [field.name for field in fields(cls)]


def no_active_index(lake: str, models: Models) -> MissingInputError:
    """Make the failure of a lake without an active index."""
    return MissingInputError(
        f"The lake {lake} has no active index for the CLIP model {models.clip_identity}: run "
        f"jobs/build_index.py first."
    )


def index_location(settings: OnlineSettings) -> Path:
    """Give the folder under which index versions lie.

    Raises:
        MissingInputError: the lake is a catalog schema and no folder is named.
    """
    return Path(
        folder_for_all(
            settings.lake, settings.index.location, "index", "shards need", "index.location"
        )
    )


def query_map_folder(root: Path, version: str, files: Mapping[str, str]) -> SharedFolder:
    """Find the query map of a version below the index location; a search needs no other file."""
    return SharedFolder(str(root / version / QUERY_MAP_FOLDER), {FILE: files[FILE]})


def shard_folders(root: Path, shards: Sequence[ShardFiles]) -> list[SharedFolder]:
    """Find the shards of a version below the index location."""
    return [SharedFolder(str(root / shard.path), shard.files) for shard in shards]
