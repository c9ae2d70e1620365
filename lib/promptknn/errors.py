"""The failures promptknn names. Each message is one sentence: what, where, and the cure."""


class PromptKnnError(Exception):
    """A failure that the user can mend; jobs print its message alone and exit with 2."""


class SettingsError(PromptKnnError):
    """A setting is unknown, of the wrong type, or out of range."""


class MissingInputError(PromptKnnError):
    """A file, folder, table, column or package that the settings name is not there."""


class UnusableImageError(PromptKnnError):
    """A picture that a prompt is asked for cannot be read."""


class UnansweredImageError(PromptKnnError):
    """No prompt was found for a picture: the lists of the index that are near it are empty."""


class EnvironmentMissingError(PromptKnnError):
    """Java, Delta's jars or another part of the installation is missing."""


class ModelLoadError(PromptKnnError):
    """A model cannot be loaded: no such name, no network, or an unreadable checkpoint."""


class GenerationError(PromptKnnError):
    """Pictures cannot be made, or not be written, whatever the prompt."""


class ModelMismatchError(PromptKnnError):
    """Vectors of one model meet an index, or a query map, of another."""


class CorruptShardError(PromptKnnError):
    """A file of an index shard is missing, cut, or altered."""


class RecallError(PromptKnnError):
    """An index finds fewer of the nearest prompts than `index.target_recall` asks for."""


class IndexInUseError(PromptKnnError):
    """Another job writes the index at this moment."""


class StorageError(PromptKnnError):
    """A disk is full, or a folder or table may not be read or written."""


class InvalidVectorError(PromptKnnError):
    """A vector is not finite, has no length, or has the wrong dimension.

    Attributes:
        row: which of the vectors, where that is known.
    """

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row


class TrainingDivergedError(PromptKnnError):
    """The loss of a training is no longer a finite number."""


def reason(error: Exception) -> str:
    """Give the first line of an error that says something."""
    lines = str(error).strip().split("\n")
    # py4j begins with the name of its own call: "An error occurred while calling o61.sql."
    from_java = lines[0].startswith("An error occurred while calling") and len(lines) > 1
    return lines[1].removeprefix(": ") if from_java else lines[0]
