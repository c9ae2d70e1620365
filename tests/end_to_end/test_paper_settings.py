"""conf/paper.yaml where no hub answers: every job takes it as far as the models."""

import re
from pathlib import Path

import pytest

from promptknn.prediction.combination import Combination
from promptknn.settings_file import load_settings
from tests.submission import ROOT, submit

PAPER = ROOT / "conf" / "paper.yaml"


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No hub for the jobs, wherever the tests run: an address where nothing answers."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        (
            "build_index",
            r"promptknn: The CLIP model 'ViT-H-14' \(laion2b_s32b_b79k\) cannot be fetched from "
            r"the hub \(.+\): run where there is a network, fetch the model there into a folder "
            r"and set `clip\.model` to local-dir:/that/folder, or set `clip\.model` to "
            r"package-default\.",
        ),
        (
            "generate_images",
            r"promptknn: The diffusion model 'stabilityai/stable-diffusion-2' cannot be fetched "
            r"from the hub \(.+\): set `generation\.model` to a folder of a diffusers model with "
            r"safetensors weights, or run where the hub has the model and answers\.",
        ),
    ],
)
def test_a_model_that_cannot_be_fetched_is_said_before_spark_works(
    no_hub: Path, job: str, sentence: str
) -> None:
    captions = no_hub / "captions.csv"
    captions.write_text("text\na cat on a red sofa\n", encoding="utf-8")
    source = f"sources=[{{kind: file, path: {captions}, text_column: text}}]"
    lake = no_hub / "lake"
    done = submit(job, PAPER, no_hub, "--set", source, "--set", f"lake={lake}")
    # spark-submit writes what the driver says, errors too, to its own output.
    output = done.stdout + done.stderr
    assert done.returncode == 2, output[-3000:]
    said = [line for line in output.splitlines() if line.startswith("promptknn: ")]
    assert len(said) == 1
    assert re.fullmatch(sentence, said[0])
    assert "Traceback" not in output
    assert not lake.exists()


def test_the_papers_numbers_stand_in_its_settings() -> None:
    settings = load_settings(PAPER)
    assert (settings.clip.model, settings.clip.pretrained) == ("ViT-H-14", "laion2b_s32b_b79k")
    assert settings.sentence.model == "all-MiniLM-L6-v2"
    assert settings.generation.model == "stabilityai/stable-diffusion-2"
    assert {source.kind for source in settings.sources} == {"laion", "coyo", "coco", "redcaps"}
    paper, found = Combination(), settings.prediction.combination
    assert (found.k, found.w1, found.w2) == (100, 0.6, 0.4)
    assert (found.normalise_parts, found.weighting, found.space) == (
        paper.normalise_parts, paper.weighting, paper.space,
    )  # fmt: skip
    vocabulary = settings.cleaning.vocabulary
    assert (vocabulary.mode, vocabulary.minimum_similarity) == ("drop_term", 0.6)
    assert settings.deduplication.similarity == 0.9
    training = settings.training
    assert (training.weight_decay, training.learning_rate) == (6e-5, 3e-5)
    assert (training.batch_size, training.epochs) == (256, 3)
    assert settings.evaluation.neighbours == (10, 100)
