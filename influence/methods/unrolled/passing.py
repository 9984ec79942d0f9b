"""The trainings of a result, and margins followed back through them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from influence.datamodels.priors.margins import margin_gradients
from influence.datamodels.subsets import SubsetConfig, draw
from influence.datasets import Dataset, Split
from influence.learners.toolkit.classifier_training import ClassifierTraining
from influence.learners.toolkit.threads import in_threads
from influence.methods.unrolled.config import UnrolledConfig
from influence.unrolled.adjoint import back
from influence.unrolled.trajectory import Trajectory

_FRESH = 2  # a stream of seeds beside those of an outcome store
_ROWS = 1000


@dataclass(frozen=True)
class Passing:
    """Trainings that were run, and what margins say of every training example.

    Parameters
    ----------
    dataset : Dataset
        Its training part as the learner prepares it.
    trainings : list of (ClassifierTraining, Trajectory)
    """

    dataset: Dataset
    trainings: list[tuple[ClassifierTraining, Trajectory]]

    @classmethod
    def train(
        cls, config: UnrolledConfig, dataset: Dataset, on_progress: Callable[[float], None] = lambda share: None
    ) -> "Passing":
        """Run the trainings of a config."""
        n = len(dataset.train)
        weights, expected = np.full(n, float(config.weight)), config.expected(n)
        found = []
        for number, seed in enumerate(seeds(config, n)):
            training = config.differentiable.training(dataset.train, seed, weights, *expected)

            def report(share: float, number: int = number) -> None:
                on_progress((number + share) / config.trainings)

            found.append((training, Trajectory(training, on_progress=report)))
        return cls(dataset, found)

    @cached_property
    def train_logits(self) -> np.ndarray:
        """(trainings, n_train, n_classes)"""
        return self._logits(self.dataset.train)

    @cached_property
    def test_logits(self) -> np.ndarray:
        """(trainings, n_test, n_classes)"""
        return self._logits(self.dataset.test)

    def scores(self, positions: np.ndarray, on_progress: Callable[[float], None] = lambda share: None) -> Tensor:
        """Derivatives of the margins of some test examples by the weights of all training examples.

        Parameters
        ----------
        positions : (k,) int
            Of the test part.
        on_progress : callable

        Returns
        -------
        (k, n_train) float32
            The mean over the trainings.
        """
        total = torch.zeros(len(positions), len(self.dataset.train))
        for number, (training, trajectory) in enumerate(self.trainings):

            def report(share: float, number: int = number) -> None:
                on_progress((number + share) / len(self.trainings))

            total += self._of_one(number, training, trajectory, positions, report)
        return total.div_(len(self.trainings))

    def _logits(self, split: Split) -> np.ndarray:
        return np.stack([_logits(training, trajectory.final, split) for training, trajectory in self.trainings])

    def _of_one(
        self,
        number: int,
        training: ClassifierTraining,
        trajectory: Trajectory,
        positions: np.ndarray,
        report: Callable[[float], None],
    ) -> Tensor:
        """Each of torch's threads follows targets of its own, so that they meet once, at the end."""
        test = self.dataset.test
        by_logits, _ = margin_gradients(self.test_logits[number, positions][None], test.labels[positions])
        parts = [part for part in np.array_split(np.arange(len(positions)), torch.get_num_threads()) if len(part)]

        def work(part: np.ndarray) -> Tensor:
            seen = training.seen(test.inputs[positions[part]])
            gradients = training.output_gradients(trajectory.final, seen, torch.from_numpy(by_logits[0, part]))
            return back(trajectory, gradients, report if part is parts[0] else lambda share: None)

        return torch.cat(in_threads(work, parts))


def seeds(config: UnrolledConfig, n_train: int) -> list[int]:
    """The seed of each training: of one, that of models with common seeds; of more, others of their own."""
    if config.trainings == 1:
        return [int(draw(SubsetConfig(seed=config.seed, seeds="common"), np.arange(1), n_train).seeds[0])]
    words = [np.random.SeedSequence((config.seed, _FRESH, number)) for number in range(config.trainings)]
    return [int(each.generate_state(1, np.uint64)[0]) for each in words]


def _logits(training: ClassifierTraining, theta: Tensor, split: Split) -> np.ndarray:
    seen = training.seen(split.inputs)
    found: np.ndarray = torch.cat([training.outputs(theta, part) for part in seen.split(_ROWS)]).numpy()
    return found
