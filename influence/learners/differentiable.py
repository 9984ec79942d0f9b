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
    def training(
        self, train: Split, seed: int, weights: np.ndarray, size: int, steps_of: int | None = None
    ) -> "ClassifierTraining":
        """The training of one network, as ``fit`` does it where seeds are common to all models.

        Parameters
        ----------
        train : Split
        seed : int
        weights : (n_train,) float
            The weight of every training example. With the mask of a subset, it is the training of ``fit`` on that.
        size : int
            How many examples are expected to count, whatever their weights: what sums are divided by follows from it.
        steps_of : int or None
            How many examples the number of steps follows from; None is ``size``. With that of the whole training part,
            an example that is left out changes no other's batch.
        """
