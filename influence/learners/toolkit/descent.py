"""SGD with Nesterov momentum, for one network at a time."""

from typing import Protocol

import torch
from torch import Tensor, nn

from influence.learners.toolkit.averaging import Average
from influence.learners.toolkit.schedule import rising_and_falling


class Settings(Protocol):
    """The settings of a learner that descends so."""

    @property
    def learning_rate(self) -> float: ...

    @property
    def momentum(self) -> float: ...

    @property
    def weight_decay(self) -> float: ...

    @property
    def average(self) -> float: ...


class Descent:
    """The training of one network: the rate rises to its peak, then falls, and the last weights are averaged.

    Parameters
    ----------
    network : nn.Module
    settings : Settings
    total : int
        Steps of the training.
    """

    def __init__(self, network: nn.Module, settings: Settings, total: int) -> None:
        self._peak, self._total = settings.learning_rate, total
        self._sgd = torch.optim.SGD(
            network.parameters(), self._peak, settings.momentum, weight_decay=settings.weight_decay, nesterov=True
        )
        self._average = Average(network, total, settings.average)

    def step(self, number: int, loss: Tensor) -> float:
        """Take one step along the gradient of a loss; return the learning rate."""
        rate = self._peak * rising_and_falling(number, self._total)
        for group in self._sgd.param_groups:
            group["lr"] = rate
        self._sgd.zero_grad()
        loss.backward()
        self._sgd.step()
        self._average.add(number)
        return rate

    def finish(self) -> None:
        """Give the network the average of its last weights."""
        self._average.keep()
