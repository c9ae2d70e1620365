"""What fine-tuning minimises: CLIP's contrastive loss, the sentence regression, or both."""

from collections.abc import Iterator

import open_clip
import torch
from torch.nn import functional

from promptknn.training.head import new_head
from promptknn.training.settings import TrainingSettings


class Objective:
    """The model under training, and its loss as a function of features.

    Only features enter the loss, so that a large batch's loss can be had from features that were
    computed in small parts (accumulation.py).
    """

    def __init__(
        self, model: open_clip.CLIP, settings: TrainingSettings, sentence_dim: int
    ) -> None:
        """Choose what is trained; the other parameters are frozen.

        Args:
            model: as open_clip made it.
            settings: name the objective.
            sentence_dim: dimension of the sentence embeddings.
        """
        self.model = model
        self.contrastive = settings.objective != "sentence"
        self._weight = settings.sentence_weight
        self._clip_loss = open_clip.ClipLoss()
        self.embedding_dim = _embedding_dim(model)
        self.head: torch.nn.Linear | None = None
        if settings.objective != "contrastive":
            device = next(model.parameters()).device
            self.head = new_head(self.embedding_dim, sentence_dim, settings.seed).to(device)
        if not self.contrastive:
            # An AdamW step moves even parameters without a gradient: by their decay.
            model.requires_grad_(False)
            model.visual.requires_grad_(True)

    @property
    def towers(self) -> int:
        """How many features a pair has: the image's, and the text's where it is needed."""
        return 2 if self.contrastive else 1

    def named_parameters(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """Give what is trained, in a fixed order."""
        modules = {"model": self.model, "head": self.head}
        for prefix, module in modules.items():
            for name, parameter in module.named_parameters() if module is not None else ():
                if parameter.requires_grad:
                    yield f"{prefix}.{name}", parameter

    def of_loss_alone(self) -> list[torch.nn.Parameter]:
        """Give the parameters that the loss uses directly, not through features."""
        of_head = list(self.head.parameters()) if self.head is not None else []
        scales = [self.model.logit_scale, self.model.logit_bias] if self.contrastive else []
        return of_head + [scale for scale in scales if scale is not None]

    def features(self, pixels: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Encode pairs.

        Args:
            pixels: float32, (n, 3, height, width).
            tokens: int64, (n, context length).

        Returns:
            Unit image embeddings, float32 (n, d), and, where the objective needs them, unit text
            embeddings, float32 (n, d).
        """
        images = self.model.encode_image(pixels, normalize=True).float()
        if not self.contrastive:
            return (images,)
        return images, self.model.encode_text(tokens, normalize=True).float()

    def losses(
        self, features: tuple[torch.Tensor, ...], targets: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Compute the losses of a batch.

        Args:
            features: as `features` gives them, of the whole batch.
            targets: float32, (n, d'), the prompts' unit sentence embeddings.

        Returns:
            `loss`, which is minimised, and its parts `contrastive_loss` and `sentence_loss` (one
            minus the mean cosine), where the objective has them; scalars.
        """
        parts = {}
        total = torch.zeros((), device=features[0].device)
        if self.contrastive:
            scale, bias = self.model.logit_scale.exp(), self.model.logit_bias
            parts["contrastive_loss"] = self._clip_loss(*features, scale, bias)
            total = total + parts["contrastive_loss"]
        if self.head is not None:
            cosines = functional.cosine_similarity(self.head(features[0]), targets)
            parts["sentence_loss"] = 1 - cosines.mean()
            total = total + self._weight * parts["sentence_loss"]
        return {"loss": total, **parts}


def _embedding_dim(model: open_clip.CLIP) -> int:
    """Find the dimension of image embeddings: the towers of open_clip name it differently."""
    size = model.visual.image_size
    height, width = size if isinstance(size, tuple) else (size, size)
    device = next(model.parameters()).device
    was_training = model.training
    with torch.no_grad():
        embedding = model.eval().encode_image(torch.zeros(1, 3, height, width, device=device))
    model.train(was_training)
    return int(embedding.shape[1])
