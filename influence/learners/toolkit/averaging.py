"""The mean of a network's weights over the last steps of its training, which is less noisy than the last weights."""

import torch
from torch import nn


class Average:
    """A running mean of a network's floating-point state: weights, biases and running statistics.

    Parameters
    ----------
    network : nn.Module
        It may not be moved to another device or type until `keep`.
    total : int
        Steps of the training.
    share : float
        The share of the steps, from the end, that the mean is over; 0 keeps the last weights.
    """

    def __init__(self, network: nn.Module, total: int, share: float) -> None:
        self._first = total - round(share * total)
        self._values = [value for value in network.state_dict().values() if value.is_floating_point()]
        self._means = [torch.zeros_like(value) for value in self._values]
        self._count = 0

    def add(self, step: int) -> None:
        """Take the weights after a step, if it is one of the last."""
        if step < self._first:
            return
        self._count += 1
        for mean, value in zip(self._means, self._values, strict=True):
            mean.lerp_(value, 1 / self._count)

    def keep(self) -> None:
        """Give the network the mean, if there is one."""
        if self._count:
            for mean, value in zip(self._means, self._values, strict=True):
                value.copy_(mean)
