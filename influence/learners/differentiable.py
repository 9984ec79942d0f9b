"""What exact derivatives through a training ask of a learner; see `influence.unrolled`."""

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from influence.datasets import Split
from influence.learners.base import Learner

if TYPE_CHECKING:
    from influence.learners.toolkit.classifier_training import ClassifierTraining


class Differentiable(Learner):
    """A learner of classes whose training can be differentiated exactly."""

    @property
    @abstractmethod
    def recipe(self) -> str:
        """Architecture, optimizer and loss in one line."""

    @abstractmethod
    def training(self, train: Split, seed: int, weights: np.ndarray, size: int) -> "ClassifierTraining":
        """The training of one network, as ``fit`` does it where seeds are common to all models.

        Parameters
        ----------
        train : Split
        seed : int
        weights : (n_train,) float
            The weight of every training example. With the mask of a subset, it is the training of ``fit`` on that.
        size : int
            How many examples are expected to count: the number of steps and what sums are divided by follow from it.
        """
