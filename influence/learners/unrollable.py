"""What unrolled differentiation asks of a learner: one training, followed through its last epochs."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from influence.datasets import Split
from influence.learners.base import Learner, Models, Subsets


class Stretch(Protocol):
    """One epoch of a training, with the weights as they were in its middle.

    Attributes
    ----------
    start, stop : int
        Its steps.
    """

    @property
    def start(self) -> int: ...

    @property
    def stop(self) -> int: ...

    def logits(self, rows: np.ndarray) -> np.ndarray:
        """(1, k, n_classes) for rows (k,) of the training part, in the subset or not, augmented as in this epoch."""
        ...

    def factors(self, rows: np.ndarray, gradients: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Give factors like `influence.learners.base.Models.factors`, of the same examples."""
        ...


@dataclass(frozen=True)
class LastEpochs:
    """A training by SGD with Nesterov momentum, and what its derivative needs.

    Parameters
    ----------
    final : Models
        The one model that it gives.
    stretches : list of Stretch
        The last epochs, by time; the last ends with the training.
    rates : (steps,) float
        Learning rates.
    momentum, weight_decay : float
    averaged : int
        The final weights are the mean over those after this many last steps; 1 is the last alone.
    divisor : float
        What the sum of a step's losses is divided by.
    """

    final: Models
    stretches: list[Stretch]
    rates: np.ndarray
    momentum: float
    weight_decay: float
    averaged: int
    divisor: float


class Unrollable(Learner):
    """A learner of classes whose training can be unrolled."""

    @abstractmethod
    def unroll(self, train: Split, subset: Subsets, epochs: int) -> LastEpochs:
        """Train the one model of a subset as ``fit`` does, and keep its last epochs (all, if it has no more)."""

    @abstractmethod
    def release(self, train: Split) -> None:
        """Free what is kept with a prepared training part between trainings, since something else needs the memory."""
