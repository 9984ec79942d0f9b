"""What exact derivatives through a training ask of a learner; see `influence.unrolled`."""

from abc import abstractmethod
from typing import Protocol

import numpy as np
from torch import Tensor

from influence.datasets import Split
from influence.learners.base import Learner
from influence.unrolled.training import Training


class ClassifierTraining(Training, Protocol):
    """A training of one network of classes, whose P weights are one vector."""

    def seen(self, inputs: np.ndarray) -> Tensor:
        """(n, ...) inputs as the data set has them -> the tensors that the following take."""
        ...

    def outputs(self, theta: Tensor, inputs: Tensor) -> Tensor:
        """(P,) weights and what `seen` gives for n examples -> (n, n_classes) logits."""
        ...

    def output_gradients(self, theta: Tensor, inputs: Tensor, by_logits: Tensor) -> Tensor:
        """(k, n_classes) gradients of k targets by their logits -> (k, P) by the weights."""
        ...


class Differentiable(Learner):
    """A learner of classes whose training can be differentiated exactly."""

    @abstractmethod
    def training(self, train: Split, seed: int, weights: np.ndarray, size: int) -> ClassifierTraining:
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
