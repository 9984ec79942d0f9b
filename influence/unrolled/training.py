"""What a training must offer so that it can be differentiated, and the order of its steps."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from influence.unrolled.optimizers import Optimizer


class Step(NamedTuple):
    """One step of a training.

    Parameters
    ----------
    rows : (b,) int64 Tensor
        The training examples of its batch, those of weight 0 included.
    rate : float
        The learning rate.
    divisor : float
        What the weighted sum of their losses is divided by. It does not depend on the weights, so that the derivative
        by an example's weight is the effect of its gradient alone.
    """

    rows: Tensor
    rate: float
    divisor: float


class Training(Protocol):
    """A training whose weights are one vector of P numbers.

    Step s minimises L_s(theta) = sum_i w_i l_i(theta) / n_s over the examples i of its batch, with w_i their weights
    and n_s its divisor.

    Attributes
    ----------
    steps : sequence of Step
    optimizer : Optimizer
    averaged : int
        The final weights are the mean over those after so many last steps; 1 is the last alone.
    weights : (n_train,) Tensor
        The weight of every training example: 1 where it is present, 0 where it is absent, anything between.
    """

    @property
    def steps(self) -> Sequence[Step]: ...

    @property
    def optimizer(self) -> Optimizer: ...

    @property
    def averaged(self) -> int: ...

    @property
    def weights(self) -> Tensor: ...

    def start(self) -> Tensor:
        """The (P,) initial weights."""
        ...

    def gradient(self, number: int, theta: Tensor) -> Tensor:
        """(P,) weights -> (P,) gradient of the loss of step ``number``."""
        ...

    def products(self, number: int, theta: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """What a step's loss makes of directions.

        Parameters
        ----------
        number : int
        theta : (P,)
        directions : (k, P)

        Returns
        -------
        products : (k, P)
            The Hessian of L_s times each direction.
        slopes : (k, b)
            The derivative of each example's own loss l_i, whatever its weight, along each direction.
        """
        ...


def shuffled(
    n_train: int, batch_size: int, epochs: int, rate: float | Callable[[int, int], float], seed: int
) -> list[Step]:
    """The steps of so many epochs, each in a new order of all training examples, in batches of about one size.

    Parameters
    ----------
    rate : float or callable
        The learning rate, or (step, number of all steps) -> the learning rate.
    seed : int
        Seed of the orders.
    """
    generator = torch.Generator().manual_seed(seed)
    an_epoch = max(1, round(n_train / batch_size))
    rates = rate if callable(rate) else lambda step, total: rate
    batches = [
        batch for _ in range(epochs) for batch in torch.randperm(n_train, generator=generator).tensor_split(an_epoch)
    ]
    return [Step(rows, rates(number, len(batches)), float(len(rows))) for number, rows in enumerate(batches)]
