"""A trainer whose models take the steps of the whole training part, whatever is left out."""

from dataclasses import dataclass

import numpy as np

from influence.datasets import Dataset
from influence.learners.base import margins
from influence.learners.differentiable import Differentiable
from influence.learners.toolkit.threads import in_threads
from influence.retraining.trainer import Retrained
from influence.unrolled.trajectory import Trajectory

_ROWS = 1000  # test examples at once


@dataclass(frozen=True)
class OrderedTrainer:
    """Trains as exact derivatives see a training: what is left out leaves its place in its batch empty.

    Parameters
    ----------
    dataset : Dataset
        Its training part as the learner prepares it.
    learner : Differentiable
    size : int
        How many examples are expected to count: what sums of losses are divided by follows from it.
    steps_of : int
        How many examples the number of steps follows from.
    """

    dataset: Dataset
    learner: Differentiable
    size: int
    steps_of: int

    @property
    def identity(self) -> dict[str, object]:
        return {
            "dataset": self.dataset.content_hash,
            "learner": self.learner.as_dict(),
            "size": self.size,
            "steps_of": self.steps_of,
            "says": "test margins, in the places of all",
        }

    @property
    def batch(self) -> int:
        return self.learner.batch

    @property
    def n_train(self) -> int:
        return len(self.dataset.train)

    def train(self, masks: np.ndarray, seeds: np.ndarray) -> list[Retrained]:
        """See `influence.retraining.trainer.Trainer`; an `InfluenceError` if a training diverges."""
        return in_threads(self._train, list(masks), seeds.tolist())

    def _train(self, mask: np.ndarray, seed: int) -> Retrained:
        test = self.dataset.test
        training = self.learner.training(self.dataset.train, seed, mask.astype(np.float64), self.size, self.steps_of)
        final = Trajectory(training, memory=1).final  # the way there is not needed
        seen = training.seen(test.inputs)
        logits = np.concatenate([training.outputs(final, part).numpy() for part in seen.split(_ROWS)])
        return Retrained(margins(logits[None], test.labels)[0], logits.argmax(axis=1).astype(np.uint8))
