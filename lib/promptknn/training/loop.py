"""The training loop: what each process runs under TorchDistributor."""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from open_clip_train.scheduler import cosine_lr

from promptknn.encoders.open_clip import load_open_clip
from promptknn.errors import PromptKnnError, TrainingDivergedError
from promptknn.evaluation.splits import Split
from promptknn.settings import ClipSettings
from promptknn.training.accumulation import backward, evaluate
from promptknn.training.batches import Batch, Pairs, batches, load
from promptknn.training.checkpoint import restore_checkpoint, save_checkpoint
from promptknn.training.curves import Curves
from promptknn.training.export import export
from promptknn.training.objective import Objective
from promptknn.training.processes import Processes, joined
from promptknn.training.settings import TrainingSettings

PAIRS, MODEL = "pairs", "model"
_HIGHEST_LOGIT_SCALE = math.log(100)  # CLIP (Radford et al. 2021), section 2.5


@dataclass(frozen=True)
class TrainingJob:
    """What to train, where.

    Attributes:
        run: names the training.
        work: folder that all processes see: pairs are in it; checkpoints, losses and the model
            come into it.
        clip: the model to start from.
        settings: how.
        maximum_megapixels: larger images are left out.
        cache: of each host, where files are made before they go to `work`.
    """

    run: str
    work: Path
    clip: ClipSettings
    settings: TrainingSettings
    maximum_megapixels: float
    cache: Path


@dataclass(frozen=True)
class TrainingResult:
    """What a training did.

    Attributes:
        steps: optimizer steps in all.
        refused: how many pairs were left out for their image, by reason.
        failure: why it ended early.
    """

    steps: int = 0
    refused: tuple[tuple[str, int], ...] = ()
    failure: PromptKnnError | None = None


def train(job: TrainingJob) -> TrainingResult:
    """Train from the newest checkpoint, or from the start, to the end."""
    with joined() as processes:
        try:
            return _Training(job, processes).run()
        except PromptKnnError as error:
            if not processes.first:
                raise
            # Raised here, it would reach the driver inside a log of torchrun.
            return TrainingResult(failure=error)


class _Training:
    def __init__(self, job: TrainingJob, processes: Processes) -> None:
        self.job, self.settings, self.processes = job, job.settings, processes
        model, transform, self.tokenizer = load_open_clip(job.clip, processes.device)

        def pairs(split: Split) -> Pairs:
            folder = job.work / PAIRS
            return Pairs(folder, split, transform, self.tokenizer, job.maximum_megapixels)

        self.train, self.validation = pairs("train"), pairs("validation")
        if self.settings.gradient_checkpointing:
            model.set_grad_checkpointing()
        self.objective = Objective(model, self.settings, self.train.sentence_dim)
        self.optimizer = _optimizer(self.objective, self.settings)
        self.steps_an_epoch = -(-len(self.train) // self.settings.batch_size)
        self.steps = self.steps_an_epoch * self.settings.epochs
        warmup = int(self.settings.warmup_share * self.steps)
        self.schedule = cosine_lr(self.optimizer, self.settings.learning_rate, warmup, self.steps)
        self.place = restore_checkpoint(job.work, self.objective, self.optimizer)
        self.curves = Curves(job.work)
        if processes.first:
            self.curves.forget_after(self.place.step)

    def run(self) -> TrainingResult:
        try:
            for epoch in range(self.place.step // self.steps_an_epoch, self.settings.epochs):
                self._epoch(epoch)
        finally:
            # Also of a training that fails: its curve may say why.
            self.curves.write()
        if self.processes.first:
            origin = {"training_run": self.job.run, "base_model": self.job.clip.model}
            export(
                self.objective.model, self.objective.head, self.tokenizer, self.job.clip, origin,
                self.job.work / MODEL, self.job.cache,
            )  # fmt: skip
        reasons = Counter(self.place.refused.values())
        return TrainingResult(self.steps, tuple(sorted(reasons.items())))

    def _epoch(self, epoch: int) -> None:
        order = batches(len(self.train), self.settings.batch_size, self.settings.seed, epoch)
        done = self.place.step - epoch * self.steps_an_epoch
        every = self.settings.checkpoint_steps or self.steps_an_epoch
        for batch in load(self.train, order[done:], self.processes, self.settings.loader_workers):
            self._step(batch, epoch)
            last = self.place.step == (epoch + 1) * self.steps_an_epoch
            if last:
                self._validate(epoch)
            if last or self.place.step % every == 0:
                self._checkpoint()

    def _step(self, batch: Batch, epoch: int) -> None:
        self._note(batch)
        rate = self.schedule(self.place.step)
        self.objective.model.train()
        self.optimizer.zero_grad()
        seed = self.settings.seed + self.place.step * self.settings.batch_size
        losses, pairs = backward(self.objective, batch, self.settings, self.processes, seed)
        self.place.step += 1
        if not losses:
            return
        if not math.isfinite(losses["loss"]):
            raise TrainingDivergedError(
                f"The loss of step {self.place.step} is {losses['loss']}: lower "
                f"`training.learning_rate`, or set `training.precision` to fp32."
            )
        self.optimizer.step()
        with torch.no_grad():
            self.objective.model.logit_scale.clamp_(0, _HIGHEST_LOGIT_SCALE)
        self._record("train", epoch, losses, pairs, rate)

    def _validate(self, epoch: int) -> None:
        """Average the losses over the validation pairs, batches weighing as many as they hold."""
        self.objective.model.eval()
        order = batches(len(self.validation), self.settings.batch_size, seed=None)
        sums: Counter[str] = Counter()
        pairs = 0
        for batch in load(self.validation, order, self.processes, self.settings.loader_workers):
            self._note(batch)
            losses, size = evaluate(self.objective, batch, self.settings, self.processes)
            pairs += size
            sums.update({name: loss * size for name, loss in losses.items()})
        if pairs:
            means = {name: total / pairs for name, total in sums.items()}
            self._record("validation", epoch, means, pairs, rate=None)

    def _note(self, batch: Batch) -> None:
        self.place.refused.update({str(row): reason for row, reason in batch.refused.items()})

    def _record(
        self, split: Split, epoch: int, losses: dict[str, float], pairs: int, rate: float | None
    ) -> None:
        if self.processes.first:
            place = {"step": self.place.step, "epoch": epoch + 1, "split": split}
            self.curves.append({**place, **losses, "learning_rate": rate, "pairs": pairs})

    def _checkpoint(self) -> None:
        for others in self.processes.gather_objects(self.place.refused):
            self.place.refused.update(others)
        if self.processes.first:
            self.curves.write()
            save_checkpoint(
                self.job.work, self.objective, self.optimizer, self.place, self.job.cache
            )


def _optimizer(objective: Objective, settings: TrainingSettings) -> torch.optim.AdamW:
    """Make AdamW; gains, biases and scales do not decay (as in open_clip)."""
    parameters = list(objective.named_parameters())
    decaying = [p for _, p in parameters if p.ndim >= 2]
    others = [p for _, p in parameters if p.ndim < 2]
    groups = [
        {"params": others, "weight_decay": 0.0},
        {"params": decaying, "weight_decay": settings.weight_decay},
    ]
    betas = (settings.beta1, settings.beta2)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=betas, eps=settings.epsilon)
