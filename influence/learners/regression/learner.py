"""The learner of `influence.learners.regression`: its settings."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from influence.config import setting
from influence.datasets import Regression, Split
from influence.learners.base import Subsets
from influence.learners.traceable import Traceable

if TYPE_CHECKING:
    from torch import nn

    from influence.learners.regression.networks import RegressionNetworks
    from influence.learners.traceable import Traced


class RegressionNetwork(Traceable):
    """A fully connected network: Adam at a constant learning rate on the mean squared error.

    Inputs are rows of numbers, each column with mean 0 and variance 1 over the whole training part.
    """

    name: Literal["regression"] = "regression"
    tasks: ClassVar[tuple[type, ...]] = (Regression,)
    steps: ClassVar[str] = "Adam"
    training_cost: ClassVar[float] = 1.3
    usual_interval: ClassVar[int | None] = 20
    epochs: int = setting(200, "Passes over the training part.", ge=1)
    learning_rate: float = setting(1e-3, "Adam's learning rate, constant.", gt=0)
    batch_size: int = setting(512, "Training examples in a step.", ge=1)

    @property
    def batch(self) -> int:
        return 1

    @property
    def recipe(self) -> str:
        from influence.learners.regression.networks import WIDTHS

        widths = "-".join(map(str, WIDTHS))
        return f"regression: {widths} ReLU, Adam, mean squared error, standardised inputs"

    def kept_epochs(self, every: int) -> list[int]:
        """Checkpoints are after every so many epochs alone."""
        return list(range(every, self.epochs + 1, every))

    def network(self, train: Split) -> "nn.Module":
        """See `influence.learners.traceable.Traceable`."""
        from influence.learners.regression import training

        return training.scaled(train, 0)

    def fit(self, train: Split, subsets: Subsets) -> "RegressionNetworks":
        """Train one network a subset."""
        from influence.learners.regression import training

        return training.fit(self, train, subsets)

    def trace(
        self, train: Split, seed: int, every: int, on_epoch: Callable[[int], None] = lambda epoch: None
    ) -> "Traced":
        """One network on the whole training part; see `influence.learners.traceable.Traceable`.

        Raises
        ------
        InfluenceError
            In the epoch in which the loss stops being a finite number.
        """
        from influence.learners.regression import training

        return training.trace(self, train, seed, every, on_epoch)
