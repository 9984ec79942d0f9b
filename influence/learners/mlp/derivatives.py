"""The training of one network of `influence.learners.mlp.Mlp`, differentiated by hand.

With z = x W1 and h = relu(z) the hidden layer, o = h W2 the logits, p = softmax(o) and d = p - y, and R(.) the
derivative along a direction (V1, V2) of the weights::

    R(h) = 1[z > 0] x V1        R(o) = R(h) W2 + h V2        R(loss) = d . R(o)
    R(d) = p (R(o) - p . R(o))  R(d1) = (R(d) W2' + d V2') 1[z > 0]

so that the Hessian product is (x' R(d1), h' R(d) + R(h)' d), summed over the batch with the examples' weights. Every
product has an operand that all directions share.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from influence.unrolled.optimizers import SGD
from influence.unrolled.training import Step


@dataclass(frozen=True)
class MlpTraining:
    """An `influence.unrolled.training.Training`.

    Parameters
    ----------
    prepare : callable
        (n, ...) inputs as the data set has them -> (n, n_in + 1) as the network gets them.
    inputs : (n_train, n_in + 1)
        Standardised, the last column 1.
    onehot : (n_train, n_classes)
    first, second : (n_in + 1, width), (width + 1, n_classes)
        The initial weights, the last row the bias.
    steps : sequence of Step
    optimizer : SGD
    weights : (n_train,)
    """

    prepare: Callable[[np.ndarray], Tensor]
    inputs: Tensor
    onehot: Tensor
    first: Tensor
    second: Tensor
    steps: Sequence[Step]
    optimizer: SGD
    weights: Tensor
    averaged: int = 1

    def start(self) -> Tensor:
        return torch.cat([self.first.flatten(), self.second.flatten()])

    def seen(self, inputs: np.ndarray) -> Tensor:
        return self.prepare(inputs)

    def gradient(self, number: int, theta: Tensor) -> Tensor:
        w2 = self.split(theta)[1]
        x, share, hidden, fires, errors, _ = self._forward(number, theta)
        delta2 = errors * share
        delta1 = (delta2 @ w2[:-1].T).mul_(fires)
        return torch.cat([(x.T @ delta1).flatten(), (hidden.T @ delta2).flatten()])

    def products(self, number: int, theta: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        w2 = self.split(theta)[1]
        x, share, hidden, fires, errors, p = self._forward(number, theta)
        v1, v2 = self.split(directions)
        k, b = len(directions), len(x)
        r_hidden = (x @ v1).mul_(fires)  # (k, b, width)
        r_logits = (r_hidden.flatten(0, 1) @ w2[:-1]).view(k, b, -1).add_(hidden @ v2)
        slopes = (errors * r_logits).sum(2)
        r_logits.sub_((p * r_logits).sum(2, keepdim=True)).mul_(p * share)
        delta2 = errors * share
        r_delta = (r_logits.flatten(0, 1) @ w2[:-1].T).view(k, b, -1)
        r_delta.add_(delta2 @ v2[:, :-1].mT).mul_(fires)
        second = hidden.T @ r_logits
        second[:, :-1] += r_hidden.mT @ delta2
        return torch.cat([(x.T @ r_delta).flatten(1), second.flatten(1)], dim=1), slopes

    def outputs(self, theta: Tensor, inputs: Tensor) -> Tensor:
        """(n, n_in + 1) standardised inputs -> (n, n_classes) logits."""
        w1, w2 = self.split(theta)
        return (inputs @ w1).relu() @ w2[:-1] + w2[-1]

    def output_gradients(self, theta: Tensor, inputs: Tensor, by_logits: Tensor) -> Tensor:
        """(k, n_in + 1) inputs and (k, n_classes) gradients of targets by the logits -> (k, P) by the weights."""
        w1, w2 = self.split(theta)
        z = inputs @ w1
        hidden = torch.cat([z.relu(), z.new_ones(len(z), 1)], dim=1)
        delta1 = (by_logits @ w2[:-1].T) * (z > 0)
        first = inputs[:, :, None] * delta1[:, None]
        second = hidden[:, :, None] * by_logits[:, None]
        return torch.cat([first.flatten(1), second.flatten(1)], dim=1)

    def split(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """(..., P) -> the weights of both layers."""
        first, second = theta.split([self.first.numel(), self.second.numel()], dim=-1)
        return first.unflatten(-1, self.first.shape), second.unflatten(-1, self.second.shape)

    def _forward(self, number: int, theta: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Inputs, shares of the loss (b, 1), hidden layer with a 1 appended, which units fire, p - y, and p."""
        step = self.steps[number]
        w1, w2 = self.split(theta)
        x = self.inputs[step.rows]
        z = x @ w1
        hidden = torch.cat([z.relu(), z.new_ones(len(z), 1)], dim=1)
        p = torch.softmax(hidden @ w2, dim=1)
        share = (self.weights[step.rows] / step.divisor)[:, None]
        return x, share, hidden, (z > 0).to(z.dtype), p - self.onehot[step.rows], p
