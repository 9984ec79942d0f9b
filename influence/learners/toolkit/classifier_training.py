"""The training of one network of classes, as exact derivatives see it."""

from typing import Protocol

import numpy as np
from torch import Tensor

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
