"""Trainers: a data set and a learner that turn subsets into the outputs of models trained on them."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from influence.datasets import Dataset, Split
from influence.learners.base import Learner, Subsets, margins


@dataclass(frozen=True)
class Retrained:
    """What one trained model gives.

    Parameters
    ----------
    outputs : (n,) float32
        One for each example, or whatever else the trainer's identity says.
    predictions : (n,) uint8
        Classes; of length 0 where there are none.
    """

    outputs: np.ndarray
    predictions: np.ndarray


class Trainer(Protocol):
    """Turns subsets into the outputs of models that were trained on them.

    Attributes
    ----------
    identity : dict
        Everything that the outputs follow from but subset and seed, as JSON can hold it.
    batch : int
        Trainings that are best done together.
    n_train : int
    """

    @property
    def identity(self) -> dict[str, object]: ...

    @property
    def batch(self) -> int: ...

    @property
    def n_train(self) -> int: ...

    def train(self, masks: np.ndarray, seeds: np.ndarray) -> list[Retrained]:
        """Train on (k, n_train) bool masks with (k,) uint64 seeds; outputs of a model that diverged are not finite."""
        ...


@dataclass(frozen=True)
class ClassifierTrainer:
    """Trains a learner's models, which give the correct-class margins and predictions of one part's examples.

    Parameters
    ----------
    dataset : Dataset
    learner : Learner
    common : bool
        Whether order and initial weights follow from the seed alone, as for `influence.learners.base.Subsets`.
    part : {"test", "train"}
    """

    dataset: Dataset
    learner: Learner
    common: bool = False
    part: Literal["test", "train"] = "test"

    @property
    def identity(self) -> dict[str, object]:
        return {
            "dataset": self.dataset.content_hash,
            "learner": self.learner.as_dict(),
            "common": self.common,
            "says": f"{self.part} margins",
        }

    @property
    def batch(self) -> int:
        return self.learner.batch

    @property
    def n_train(self) -> int:
        return len(self.dataset.train)

    def train(self, masks: np.ndarray, seeds: np.ndarray) -> list[Retrained]:
        """See `Trainer`."""
        if not self.common:
            return self._train(masks, seeds)
        trained: dict[int, Retrained] = {}
        for seed in np.unique(seeds):  # those of one call share their initial weights
            rows = np.flatnonzero(seeds == seed)
            trained |= dict(zip(rows.tolist(), self._train(masks[rows], seeds[rows]), strict=True))
        return [trained[row] for row in range(len(seeds))]

    def _train(self, masks: np.ndarray, seeds: np.ndarray) -> list[Retrained]:
        models = self.learner.fit(self.dataset.train, Subsets(masks, seeds, self.common))
        examples: Split = getattr(self.dataset, self.part)
        logits = models.logits(examples.inputs)
        predictions = logits.argmax(axis=2).astype(np.uint8)
        return [Retrained(*each) for each in zip(margins(logits, examples.labels), predictions, strict=True)]


@dataclass(frozen=True)
class RegressionTrainer:
    """Trains a learner's models, whose outputs are the values that they predict for all test examples."""

    dataset: Dataset
    learner: Learner

    @property
    def identity(self) -> dict[str, object]:
        return {"dataset": self.dataset.content_hash, "learner": self.learner.as_dict(), "says": "test prices"}

    @property
    def batch(self) -> int:
        return self.learner.batch

    @property
    def n_train(self) -> int:
        return len(self.dataset.train)

    def train(self, masks: np.ndarray, seeds: np.ndarray) -> list[Retrained]:
        """See `Trainer`."""
        values = self.learner.fit(self.dataset.train, Subsets(masks, seeds)).logits(self.dataset.test.inputs)
        return [Retrained(each[:, 0], np.empty(0, np.uint8)) for each in values]
