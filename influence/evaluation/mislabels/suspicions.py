"""How suspect each training example is, by every ranking: loss, self-influence, memorisation and held-out loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from influence.datamodels.subsets import SubsetConfig, draw
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.evaluation.mislabels.config import MislabelsConfig
from influence.learners.base import Learner, Models, Subsets, margins
from influence.learners.toolkit.outputs import cross_entropy, outputs
from influence.learners.traceable import Traceable, TraceableTogether
from influence.measures import mislabels as flips
from influence.progress import Stages, counting
from influence.retraining.seeds import derived
from influence.retraining.trainer import ClassifierTrainer, Retrained
from influence.retraining.trainings import Training, Trainings
from influence.tracin.fixed_layers import without_fixed_layers
from influence.tracin.scores import TracInCP


def suspicions(
    config: MislabelsConfig, noisy: Dataset, folder: Path | None, stages: Stages, stage: str
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Score all training examples by every ranking.

    Parameters
    ----------
    config : MislabelsConfig
        Completed.
    noisy : Dataset
        With the labels that are trained on.
    folder : Path or None
        Where finished trainings are kept; None is a hidden folder among the results.
    stages, stage
        Where progress is reported.

    Returns
    -------
    rankings : dict of str to (n_train,)
        By the names in `influence.evidence.RANKINGS`.
    wrong : (n_train,) int64
        The wrong class that the first model scores highest.
    """
    everything, halves, masks = _trainings_of(config, len(noisy.train))
    assert config.checkpoints is not None
    whole = Trainings(SuspicionTrainer(noisy, config.learner, config.checkpoints), folder)
    parts = Trainings(ClassifierTrainer(noisy, config.learner, part="train"), folder)
    lacking = len(whole.missing(everything)), len(parts.missing(halves))
    total = max(1, sum(lacking))
    count = counting(stages, stage, f"labels flipped: {stage}")
    whole.complete(everything, lambda finished, _: count(finished, total))
    parts.complete(halves, lambda finished, _: count(lacking[0] + finished, total))
    by_all = whole.read(everything)
    own = np.stack([each.outputs for each in parts.read(halves)])
    return _rankings(np.stack([each.outputs for each in by_all]), masks, own), by_all[0].predictions.astype(np.int64)


def _trainings_of(config: MislabelsConfig, n: int) -> tuple[list[Training], list[Training], np.ndarray]:
    """The trainings on everything, those on subsets, and the (m, n) masks of the latter."""
    assert config.models is not None
    assert config.subset_models is not None
    everything = [Training(np.empty(0, np.int32), seed) for seed in derived(config.seed, 1, config.models)]
    masks = draw(SubsetConfig(alpha=config.alpha, seed=config.seed), np.arange(config.subset_models), n).masks
    seeds = derived(config.seed, 2, config.subset_models)
    halves = [Training(np.flatnonzero(~mask).astype(np.int32), s) for mask, s in zip(masks, seeds, strict=True)]
    return everything, halves, masks


def _rankings(by_all: np.ndarray, masks: np.ndarray, own: np.ndarray) -> dict[str, np.ndarray]:
    """Every ranking, from (k, 2 n) losses and self-influences and (m, n) margins of models on subsets."""
    by_all = by_all[np.isfinite(by_all).all(axis=1)]
    finite = np.isfinite(own).all(axis=1)
    if not len(by_all) or finite.sum() < 2:
        raise InfluenceError("Nearly all models diverged: lower the learner's learning rate.")
    inside, outside = flips.inside_and_outside(masks[finite], own[finite])
    held_out_loss = flips.inside_and_outside(masks[finite], flips.losses(own[finite]))[1]
    loss, self_influence = by_all.mean(axis=0, dtype=np.float64).reshape(2, -1)
    return {
        "self-influence": self_influence,
        "own-weight": inside - outside,
        "loss": loss,
        "held-out-loss": held_out_loss,
    }


@dataclass(frozen=True)
class SuspicionTrainer:
    """Trains on everything; gives loss and self-influence of every training example, one after the other.

    Its predictions are the wrong classes with the largest logit, of those that training examples have.
    """

    dataset: Dataset
    learner: Learner
    checkpoints: int

    @property
    def identity(self) -> dict[str, object]:
        says = f"loss and self-influence over {self.checkpoints} checkpoints"
        if len(self._absent):  # trainings of all classes that were kept before stay valid
            says += ", and the likeliest wrong class of those present"
        return {"dataset": self.dataset.content_hash, "learner": self.learner.as_dict(), "says": says}

    @property
    def _absent(self) -> np.ndarray:
        """Classes below the highest label that no training example has; learners have an output for them too."""
        labels = self.dataset.train.labels
        return np.setdiff1d(np.arange(labels.max()), labels)

    @property
    def batch(self) -> int:
        return self.learner.batch

    @property
    def n_train(self) -> int:
        return len(self.dataset.train)

    def train(self, masks: np.ndarray, seeds: np.ndarray) -> list[Retrained]:
        """See `influence.retraining.trainer.Trainer`."""
        train, subsets = self.dataset.train, Subsets(masks, seeds)
        if isinstance(self.learner, TraceableTogether):
            every = max(1, self.learner.epochs // self.checkpoints)
            moments: Sequence[tuple[float, Models]] = self.learner.checkpoints(train, subsets, every)
        elif isinstance(self.learner, Traceable):
            return [self._traced(self.learner, int(seed)) for seed in seeds]
        else:
            moments = [(1.0, self.learner.fit(train, subsets))]
        self_influence = sum(rate * own_gradients(models, train.inputs, train.labels) for rate, models in moments)
        return self._given(moments[-1][1].logits(train.inputs), np.asarray(self_influence))

    def _traced(self, learner: Traceable, seed: int) -> Retrained:
        """One model, by its checkpoints and all its layers."""
        traced = learner.trace(self.dataset.train, seed, max(1, learner.epochs // self.checkpoints))
        moving, train, _ = without_fixed_layers(traced, self.dataset)
        self_influence = TracInCP(moving.model, moving.checkpoints, cross_entropy).self_influence(train)
        moving.model.load_state_dict(moving.checkpoints[-1].state)
        logits = outputs(moving.model, train.inputs)
        return self._given(logits[None].numpy(), self_influence[None].numpy())[0]

    def _given(self, logits: np.ndarray, self_influence: np.ndarray) -> list[Retrained]:
        """What is given for (k, n, n_classes) logits and (k, n) self-influences."""
        labels = self.dataset.train.labels
        loss = flips.losses(margins(logits, labels))
        others = np.array(logits)
        others[:, np.arange(len(labels)), labels] = -np.inf
        others[:, :, self._absent] = -np.inf
        outputs = np.concatenate([loss, self_influence], axis=1).astype(np.float32)
        return [Retrained(*each) for each in zip(outputs, others.argmax(axis=2).astype(np.uint8), strict=True)]


def own_gradients(models: Models, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Compute the squared norm of the gradient of each example's cross-entropy: (k, n).

    It is by the weights of the linear layers that `influence.learners.base.Models.factors` gives: all of an mlp's, the
    last of a convnet's.
    """
    logits = models.logits(inputs).astype(np.float64)
    delta = np.exp(logits - logits.max(axis=2, keepdims=True))
    delta /= delta.sum(axis=2, keepdims=True)
    delta[:, np.arange(len(labels)), labels] -= 1
    factors = models.factors(inputs, delta.astype(np.float32))
    squares = [[np.square(part).sum(axis=2, dtype=np.float64) for part in layer] for layer in factors]
    return np.asarray(sum(a * d for a, d in squares))
