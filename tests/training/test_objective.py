import pytest
import torch
from torch.nn import functional

from promptknn.encoders.open_clip import load_open_clip
from promptknn.settings import ClipSettings
from promptknn.training.objective import Objective
from promptknn.training.settings import TrainingSettings
from tests.checkpoints import tiny_clip
from tests.training.small import SENTENCE_DIM, some_vectors

PAIRS, DIM = 5, 16


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny CLIP."""
    return tiny_clip(tmp_path_factory.mktemp("objective") / "base", seed=0)


def objective_of(model: str, name: str, **settings: object) -> Objective:
    clip, _, _ = load_open_clip(ClipSettings(model=model), torch.device("cpu"))
    chosen = TrainingSettings.model_validate({"objective": name, **settings})
    return Objective(clip.train(), chosen, SENTENCE_DIM)


def features() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    drawn = torch.randn(2, PAIRS, DIM, generator=draw)
    images, texts = functional.normalize(drawn, dim=-1)
    return images, texts


def trained(objective: Objective) -> set[str]:
    """Name the parts that are trained: `head`, `model.visual`, ..."""
    names = (name.split(".") for name, _ in objective.named_parameters())
    return {"head" if name[0] == "head" else ".".join(name[:2]) for name in names}


def test_each_objective_trains_what_its_loss_needs(model: str) -> None:
    towers = {"model.visual", "model.transformer", "model.token_embedding", "model.logit_scale"}
    assert trained(objective_of(model, "sentence")) == {"model.visual", "head"}
    contrastive, both = (trained(objective_of(model, name)) for name in ("contrastive", "both"))
    assert towers < contrastive
    assert both == contrastive | {"head"}


def test_a_frozen_text_tower_gets_no_gradient(model: str) -> None:
    clip = objective_of(model, "sentence").model
    assert all(parameter.requires_grad for parameter in clip.visual.parameters())
    assert not clip.logit_scale.requires_grad
    assert not any(parameter.requires_grad for parameter in clip.transformer.parameters())


@pytest.mark.parametrize(("name", "towers"), [("sentence", 1), ("contrastive", 2), ("both", 2)])
def test_features_are_unit_rows_of_the_towers_that_are_needed(
    model: str, name: str, towers: int
) -> None:
    objective = objective_of(model, name)
    tokens = torch.randint(1, 400, (PAIRS, 77))
    found = objective.features(torch.randn(PAIRS, 3, 32, 32), tokens)
    assert (len(found), objective.towers) == (towers, towers)
    for rows in found:
        assert (rows.shape, rows.dtype) == ((PAIRS, objective.embedding_dim), torch.float32)
        assert rows.norm(dim=1).tolist() == pytest.approx([1] * PAIRS, abs=1e-5)


def test_the_contrastive_loss_is_that_of_clip(model: str) -> None:
    objective, (images, texts) = objective_of(model, "contrastive"), features()
    logits = objective.model.logit_scale.exp() * images @ texts.T
    own = torch.arange(PAIRS)
    of_images = functional.cross_entropy(logits, own)
    of_texts = functional.cross_entropy(logits.T, own)

    found = objective.losses((images, texts), torch.zeros(PAIRS, 0))

    assert found.keys() == {"loss", "contrastive_loss"}
    assert found["loss"].item() == pytest.approx((of_images + of_texts).item() / 2, rel=1e-5)


def test_the_sentence_loss_is_0_where_the_head_points_at_the_targets(model: str) -> None:
    objective, (images, _) = objective_of(model, "sentence"), features()
    assert objective.head is not None
    targets = functional.normalize(objective.head(images).detach(), dim=-1)
    for wanted, expected in ((targets, 0.0), (-targets, 2.0)):
        found = objective.losses((images,), wanted)
        assert found.keys() == {"loss", "sentence_loss"}
        assert found["loss"].item() == pytest.approx(expected, abs=1e-5)


def test_both_losses_are_added_with_the_weight_of_the_settings(model: str) -> None:
    targets = torch.from_numpy(some_vectors(PAIRS))
    found = objective_of(model, "both", sentence_weight=3.0).losses(features(), targets)
    parts = found["contrastive_loss"] + 3 * found["sentence_loss"]
    assert found["loss"].item() == pytest.approx(parts.item(), rel=1e-6)


@pytest.mark.parametrize("name", ["contrastive", "sentence", "both"])
def test_what_the_loss_uses_beside_features_is_what_they_leave_without_a_gradient(
    model: str, name: str
) -> None:
    objective = objective_of(model, name)
    targets = torch.from_numpy(some_vectors(PAIRS))
    objective.losses(features()[: objective.towers], targets)["loss"].backward()
    touched = {id(p) for _, p in objective.named_parameters() if p.grad is not None}
    assert {id(parameter) for parameter in objective.of_loss_alone()} == touched


def test_looking_for_the_dimension_leaves_the_model_in_training(model: str) -> None:
    objective = objective_of(model, "contrastive")
    assert (objective.embedding_dim, objective.model.training) == (DIM, True)
