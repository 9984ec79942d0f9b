"""The learner of `influence.learners.mlp`: its settings."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from influence.config import Real, setting
from influence.datasets import Split
from influence.learners.base import Subsets
from influence.learners.differentiable import Differentiable
from influence.learners.traceable import TraceableTogether

if TYPE_CHECKING:
    from influence.learners.mlp.derivatives import MlpTraining
    from influence.learners.mlp.networks import Mlps
    from influence.learners.traceable import Traced


class Mlp(TraceableTogether, Differentiable):
    """A network with one hidden layer of ReLU units: SGD with momentum on the cross-entropy, linear decay to zero.

    Inputs are shifted and scaled by two numbers, mean and standard deviation over the whole training part. Weights
    start with He's variance, biases at zero.
    """

    seconds: ClassVar[float] = 0.01

    name: Literal["mlp"] = "mlp"
    width: int = setting(32, "Number of hidden units.", ge=1)
    epochs: int = setting(30, "Passes over the examples of a subset.", ge=1)
    batch_size: int = setting(
        64,
        "Approximate number of training examples in a step: an epoch is divided into steps of equal size. With common "
        "seeds, it is the expected number of examples of the subset in a step.",
        ge=1,
    )
    learning_rate: Real = setting(0.1, "Learning rate at the start; it falls linearly to zero.", gt=0)
    momentum: Real = setting(0.9, "Momentum of SGD.", ge=0, lt=1)
    weight_decay: Real = setting(5e-3, "Coefficient of half the squared norm of weights and biases.", ge=0)

    @property
    def batch(self) -> int:
        return 50

    def fit(self, train: Split, subsets: Subsets) -> "Mlps":
        """Train one network a subset; subsets of one size are trained together, shared out among torch's threads."""
        return self.checkpoints(train, subsets, self.epochs)[-1][1]

    def checkpoints(self, train: Split, subsets: Subsets, every: int) -> "list[tuple[float, Mlps]]":
        """The same networks after every so many epochs and at the end, each with the learning rate in force there."""
        from influence.learners.mlp import training

        return training.checkpoints(self, train, subsets, every)

    @property
    def recipe(self) -> str:
        return (
            f"mlp: one hidden layer of {self.width} ReLU units, SGD with momentum {self.momentum:g} and weight decay "
            f"{self.weight_decay:g} on the cross-entropy, the rate falling linearly to zero"
        )

    def trace(
        self, train: Split, seed: int, every: int, on_epoch: Callable[[int], None] = lambda epoch: None
    ) -> "Traced":
        """One network on the whole training part; see `influence.learners.traceable.Traceable`."""
        from influence.learners.mlp import training

        return training.trace(self, train, seed, every, on_epoch)

    def training(
        self, train: Split, seed: int, weights: np.ndarray, size: int, steps_of: int | None = None
    ) -> "MlpTraining":
        """See `influence.learners.differentiable.Differentiable`."""
        from influence.learners.mlp import training

        return training.differentiable(self, train, seed, weights, size, steps_of)
