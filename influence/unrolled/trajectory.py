"""A training's way through its weights, kept or worked out again."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from influence.errors import InfluenceError
from influence.unrolled.training import Training


class Moment(NamedTuple):
    """One step: its number, the (P,) weights before it, and what the optimizer kept of it."""

    number: int
    theta: Tensor
    kept: tuple[Tensor, ...]


class Trajectory:
    """The weights before every step of a training, and the final ones.

    Where all moments take more than ``memory``, only some are kept, and the segments between them are done
    again on the way back, which costs the training once more.

    Parameters
    ----------
    training : Training
    memory : int
        Bytes for the moments.
    on_progress : callable
        Called with the share of the training that is done.

    Attributes
    ----------
    final : (P,) Tensor
        The final weights, averaged where the training averages.

    Raises
    ------
    InfluenceError
        If the weights stop being finite numbers.
    """

    def __init__(
        self, training: Training, memory: int = 2**30, on_progress: Callable[[float], None] = lambda share: None
    ) -> None:
        self.training = training
        total = len(training.steps)
        theta = training.start().clone()
        moments = training.optimizer.start(theta)
        self._starts: dict[int, tuple[Tensor, tuple[Tensor, ...]]] = {}
        self._whole: list[Moment] = []
        self.final = torch.zeros_like(theta)
        segment = self._segment(theta, len(moments), memory)
        for number in range(total):
            if number % segment == 0:
                self._starts[number] = theta.clone(), tuple(each.clone() for each in moments)
            moment = self._step(number, theta, moments)
            if segment == total:
                self._whole.append(moment)
            if number >= total - training.averaged:
                self.final.add_(theta, alpha=1 / training.averaged)
            on_progress((number + 1) / total)
        if not torch.isfinite(self.final).all():
            raise InfluenceError("The training diverged (its weights are not finite numbers): lower its learning rate.")
        self._segment_steps = segment

    def backwards(self) -> Iterator[Moment]:
        """All moments, from the last to the first."""
        if self._whole:
            yield from reversed(self._whole)
            return
        total = len(self.training.steps)
        for first in reversed(self._starts):
            theta, moments = (self._starts[first][0].clone(), tuple(each.clone() for each in self._starts[first][1]))
            stop = min(first + self._segment_steps, total)
            yield from reversed([self._step(number, theta, moments) for number in range(first, stop)])

    def _segment(self, theta: Tensor, n_moments: int, memory: int) -> int:
        """How many steps are kept at a time: all of them, or about the root, of which the least memory is needed."""
        total = len(self.training.steps)
        a_step = theta.nbytes * (1 + (n_moments + 1 if n_moments > 1 else 0))
        return max(total, 1) if total * a_step <= memory else max(1, round(total**0.5))

    def _step(self, number: int, theta: Tensor, moments: tuple[Tensor, ...]) -> Moment:
        """Do one step in place."""
        before = theta.clone()
        gradient = self.training.gradient(number, theta)
        rate = self.training.steps[number].rate
        return Moment(number, before, self.training.optimizer.step(number, rate, theta, moments, gradient))
