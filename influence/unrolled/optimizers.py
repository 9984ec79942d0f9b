"""Optimizers as functions of a vector of weights: their steps, and the way back along these.

Let theta be the weights before a step, g = grad L(theta) the gradient of its loss, and A and B the derivatives of a
target by the weights and by the velocity after the step. The way back gives c, the derivative of the target by g;
then, with H the Hessian of L at theta, the derivative by the weights before the step is A + H c, and the optimizer's
own terms.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Adjoint(Protocol):
    """The derivatives of k targets, on their way back through a training.

    Attributes
    ----------
    by_weights : (k, P) Tensor
        By the weights after the step that is next on the way.
    """

    by_weights: Tensor

    def by_gradient(self, number: int, rate: float, kept: tuple[Tensor, ...]) -> Tensor:
        """(k, P) derivatives by the gradient of step ``number``, whose optimizer kept these tensors."""
        ...

    def back(self, rate: float, by_gradient: Tensor, products: Tensor) -> None:
        """Take the step back, given (k, P) Hessian products of ``by_gradient``."""
        ...


class Optimizer(Protocol):
    """How a gradient changes the weights."""

    def start(self, weights: Tensor) -> tuple[Tensor, ...]:
        """The moments (P,) before the first step."""
        ...

    def step(
        self, number: int, rate: float, weights: Tensor, moments: tuple[Tensor, ...], gradient: Tensor
    ) -> tuple[Tensor, ...]:
        """Change (P,) weights and moments in place; return what the way back needs, copied."""
        ...

    def adjoint(self, by_weights: Tensor) -> Adjoint:
        """The way back from (k, P) derivatives by the weights after the last step, which it changes in place."""
        ...


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent, as `torch.optim.SGD` does it.

    Parameters
    ----------
    momentum : float
    nesterov : bool
    weight_decay : float
        Coefficient of half the squared norm of the weights.
    """

    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def start(self, weights: Tensor) -> tuple[Tensor, ...]:
        return (torch.zeros_like(weights),)

    def step(
        self, number: int, rate: float, weights: Tensor, moments: tuple[Tensor, ...], gradient: Tensor
    ) -> tuple[Tensor, ...]:
        (velocity,) = moments
        gradient = gradient.add(weights, alpha=self.weight_decay)
        velocity.mul_(self.momentum).add_(gradient)
        weights.sub_(gradient.add(velocity, alpha=self.momentum) if self.nesterov else velocity, alpha=rate)
        return ()

    def adjoint(self, by_weights: Tensor) -> "Adjoint":
        return _SGDAdjoint(self, by_weights)


class _SGDAdjoint:
    def __init__(self, optimizer: SGD, by_weights: Tensor) -> None:
        self.optimizer = optimizer
        self.by_weights = by_weights
        self._by_velocity = torch.zeros_like(by_weights)

    def by_gradient(self, number: int, rate: float, kept: tuple[Tensor, ...]) -> Tensor:
        if self.optimizer.nesterov:
            self._by_velocity.sub_(self.by_weights, alpha=rate * self.optimizer.momentum)
            return self._by_velocity.sub(self.by_weights, alpha=rate)
        return self._by_velocity.sub_(self.by_weights, alpha=rate)

    def back(self, rate: float, by_gradient: Tensor, products: Tensor) -> None:
        self.by_weights.add_(products).add_(by_gradient, alpha=self.optimizer.weight_decay)
        self._by_velocity.mul_(self.optimizer.momentum)


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015), as `torch.optim.Adam` and `torch.optim.AdamW` do it.

    A weight whose gradient was exactly 0 in all steps up to this one has no derivative by it (the root of its second
    moment is at 0); it is taken as 0. That is right for examples that are present, and not for an absent example that
    alone would move the weight.

    Parameters
    ----------
    beta1, beta2, eps : float
    weight_decay : float
    decoupled : bool
        Whether the decay is AdamW's, which shrinks the weights by themselves, or part of the gradient.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = False

    def start(self, weights: Tensor) -> tuple[Tensor, ...]:
        return torch.zeros_like(weights), torch.zeros_like(weights)

    def step(
        self, number: int, rate: float, weights: Tensor, moments: tuple[Tensor, ...], gradient: Tensor
    ) -> tuple[Tensor, ...]:
        first, second = moments
        if self.decoupled:
            weights.mul_(1 - rate * self.weight_decay)
        else:
            gradient = gradient.add(weights, alpha=self.weight_decay)
        first.mul_(self.beta1).add_(gradient, alpha=1 - self.beta1)
        second.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        weights.addcdiv_(first, self.scale(number, second), value=-self.rate(number, rate))
        return gradient.clone(), first.clone(), second.clone()

    def scale(self, number: int, second: Tensor) -> Tensor:
        """(P,): what the first moment is divided by in step ``number``."""
        return second.sqrt().div_((1 - self.beta2 ** (number + 1)) ** 0.5).add_(self.eps)

    def rate(self, number: int, rate: float) -> float:
        """The learning rate with the correction of the first moment's bias."""
        return rate / float(1 - self.beta1 ** (number + 1))

    def adjoint(self, by_weights: Tensor) -> "Adjoint":
        return _AdamAdjoint(self, by_weights)


class _AdamAdjoint:
    def __init__(self, optimizer: Adam, by_weights: Tensor) -> None:
        self.optimizer = optimizer
        self.by_weights = by_weights
        self._by_first, self._by_second = torch.zeros_like(by_weights), torch.zeros_like(by_weights)

    def by_gradient(self, number: int, rate: float, kept: tuple[Tensor, ...]) -> Tensor:
        optimizer, (gradient, first, second) = self.optimizer, kept
        scale, corrected = optimizer.scale(number, second), optimizer.rate(number, rate)
        root = second.sqrt()
        # The derivative of 1 / scale by the second moment.
        slope = first / (scale.square() * 2 * root * (1 - optimizer.beta2 ** (number + 1)) ** 0.5)
        slope = torch.where(root > 0, slope, 0)
        self._by_first.addcmul_(self.by_weights, scale.reciprocal(), value=-corrected)
        self._by_second.addcmul_(self.by_weights, slope, value=corrected)
        by_gradient = self._by_first * (1 - optimizer.beta1)
        return by_gradient.addcmul_(self._by_second, gradient, value=2 * (1 - optimizer.beta2))

    def back(self, rate: float, by_gradient: Tensor, products: Tensor) -> None:
        if self.optimizer.decoupled:
            self.by_weights.mul_(1 - rate * self.optimizer.weight_decay).add_(products)
        else:
            self.by_weights.add_(products).add_(by_gradient, alpha=self.optimizer.weight_decay)
        self._by_first.mul_(self.optimizer.beta1)
        self._by_second.mul_(self.optimizer.beta2)
