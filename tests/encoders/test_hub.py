import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from promptknn.cleaning.clean import CleanPrompts
from promptknn.encoders.embed_prompts import EmbedPrompts
from promptknn.encoders.hub import check_hub, check_open_clip, check_sentence
from promptknn.encoders.models import Models
from promptknn.errors import ModelLoadError
from promptknn.evaluation.evaluate import Evaluate, EvaluatePaperTable
from promptknn.images.embed_images import EmbedImages
from promptknn.settings import ClipSettings, SentenceSettings, Settings
from promptknn.stage import Stage

VIT_H = ClipSettings(model="ViT-H-14", pretrained="laion2b_s32b_b79k")
VIT_H_REPOSITORY = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"


class Hub(BaseHTTPRequestHandler):
    """Knows one repository, by its config.json; another wants a login."""

    asked: list[str]

    def do_HEAD(self) -> None:
        type(self).asked.append(self.path)
        codes = {"/maker/model/resolve/main/config.json": (200, None)}
        codes["/maker/closed/resolve/main/config.json"] = (403, "GatedRepo")
        missing = (404, "EntryNotFound" if "/maker/model/" in self.path else "RepoNotFound")
        status, error = codes.get(self.path, missing)
        self.send_response(status)
        if error:
            self.send_header("X-Error-Code", error)
        self.send_header("ETag", '"0"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def point_at(address: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub on this machine."""
    handler = type("OwnHub", (Hub,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    point_at(f"http://127.0.0.1:{server.server_port}", tmp_path, monkeypatch)
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An address where nothing answers, and an empty cache."""
    point_at("http://127.0.0.1:9", tmp_path, monkeypatch)
    return tmp_path


def check(repository: str, *files: str) -> None:
    check_hub("The model", "find another", repository, files)


def test_a_repository_that_the_hub_gives_passes_with_one_question(hub: type[Hub]) -> None:
    check("maker/model", "config.json", "weights.bin")
    assert hub.asked == ["/maker/model/resolve/main/config.json"]


def test_a_repository_with_files_of_other_names_passes(hub: type[Hub]) -> None:
    check("maker/model", "open_clip_model.safetensors")
    assert len(hub.asked) == 1


@pytest.mark.parametrize(
    ("repository", "error"),
    [
        ("maker/gone", "RepositoryNotFoundError"),
        ("maker/closed", "GatedRepoError"),
        ("not a name", "HFValidationError"),
    ],
)
def test_what_the_hub_refuses_is_named(hub: type[Hub], repository: str, error: str) -> None:
    sentence = rf"^The model cannot be fetched from the hub \({error}: .*\): find another\.$"
    with pytest.raises(ModelLoadError, match=sentence):
        check(repository, "config.json")


def test_a_cached_model_needs_no_hub(no_hub: Path) -> None:
    snapshot = no_hub / "models--maker--model" / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (snapshot / "weights.bin").write_bytes(b"weights")
    references = no_hub / "models--maker--model" / "refs"
    references.mkdir()
    (references / "main").write_text("0123")
    check("maker/model", "config.json", "weights.bin")
    with pytest.raises(ModelLoadError, match="cannot be fetched"):
        check("maker/other", "config.json")


def test_clip_weights_that_cannot_be_fetched_are_named_with_the_cure(no_hub: Path) -> None:
    sentence = (
        r"^The CLIP model 'ViT-H-14' \(laion2b_s32b_b79k\) cannot be fetched from the hub .*set "
        r"`clip\.model` to local-dir:/that/folder"
    )
    with pytest.raises(ModelLoadError, match=sentence):
        check_open_clip(VIT_H)


def test_the_weights_of_a_tag_are_looked_for_where_open_clip_has_them(hub: type[Hub]) -> None:
    with pytest.raises(ModelLoadError, match="RepositoryNotFoundError"):
        check_open_clip(VIT_H)
    (path,) = hub.asked
    assert path == f"/{VIT_H_REPOSITORY}/resolve/main/open_clip_model.safetensors"


def test_a_clip_model_of_the_hub_is_looked_for_by_its_name(no_hub: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"^The CLIP model 'hf-hub:maker/model' cannot be"):
        check_open_clip(ClipSettings(model="hf-hub:maker/model"))


def test_an_unknown_clip_model_is_refused_without_a_hub(no_hub: Path) -> None:
    with pytest.raises(ModelLoadError, match="open_clip has no model 'ViT-H-15'"):
        check_open_clip(ClipSettings(model="ViT-H-15", pretrained="laion2b_s32b_b79k"))


@pytest.mark.parametrize(
    "name", ["ViT-L-14/openai", "ViT-L/14/openai", "open_clip:ViT-L-14/openai"]
)
def test_a_tag_that_is_written_into_the_name_has_a_key_of_its_own(no_hub: Path, name: str) -> None:
    cure = "write `clip.model: ViT-L-14` and `clip.pretrained: openai`."
    with pytest.raises(ModelLoadError, match=cure):
        check_open_clip(ClipSettings(model=name))


@pytest.mark.parametrize("name", ["ViT-L-14/openia", "ViT-L-15/openai", "/openai", "openai"])
def test_what_is_no_name_and_tag_is_given_the_list(no_hub: Path, name: str) -> None:
    with pytest.raises(ModelLoadError, match=r"to one of open_clip\.list_models\(\)\.$"):
        check_open_clip(ClipSettings(model=name))


@pytest.mark.parametrize("tag", [None, "laion3b"])
def test_a_clip_model_without_weights_is_refused_with_the_tags_there_are(
    no_hub: Path, tag: str | None
) -> None:
    with pytest.raises(ModelLoadError, match=rf"no weights '{tag or ''}'.*laion2b_s32b_b79k"):
        check_open_clip(ClipSettings(model="ViT-H-14", pretrained=tag))


def test_clip_weights_in_a_file_need_no_hub(no_hub: Path) -> None:
    file = no_hub / "weights.pt"
    file.write_bytes(b"weights")
    check_open_clip(ClipSettings(model="ViT-H-14", pretrained=str(file)))


def test_a_sentence_model_that_cannot_be_fetched_is_named_with_the_cure(no_hub: Path) -> None:
    sentence = r"^The sentence model 'all-mpnet-base-v2' cannot be .*`sentence\.model` to a local"
    with pytest.raises(ModelLoadError, match=sentence):
        check_sentence(SentenceSettings(model="all-mpnet-base-v2"))


def test_a_bare_sentence_model_belongs_to_sentence_transformers(hub: type[Hub]) -> None:
    with pytest.raises(ModelLoadError):
        check_sentence(SentenceSettings(model="all-mpnet-base-v2"))
    assert hub.asked == ["/sentence-transformers/all-mpnet-base-v2/resolve/main/config.json"]


def test_the_packaged_models_need_no_hub(no_hub: Path) -> None:
    Models.check(Settings())


def test_both_models_are_checked(no_hub: Path) -> None:
    settings = Settings.model_validate({"sentence": {"model": "maker/model"}})
    with pytest.raises(ModelLoadError, match="sentence model 'maker/model'"):
        Models.check(settings)
    with pytest.raises(ModelLoadError, match="CLIP model 'ViT-H-14'"):
        Models.check(Settings(clip=VIT_H))


TRUTHS = {"truths": {"kind": "csv", "path": "/a/truths.csv"}}


@pytest.mark.parametrize(
    "stage", [CleanPrompts(), EmbedPrompts(), EmbedImages(), Evaluate(), EvaluatePaperTable()]
)
def test_stages_look_for_the_sentence_model_before_they_start(no_hub: Path, stage: Stage) -> None:
    missing = {
        "sentence": {"model": "maker/model"},
        "cleaning": {"vocabulary": {"mode": "drop_term"}},
        "evaluation": TRUTHS,
    }
    with pytest.raises(ModelLoadError, match="sentence model 'maker/model'"):
        stage.check(Settings.model_validate(missing))
    stage.check(Settings.model_validate({"evaluation": TRUTHS}))


def test_cleaning_without_the_vocabulary_needs_no_model(no_hub: Path) -> None:
    CleanPrompts().check(Settings(sentence=SentenceSettings(model="maker/model")))
