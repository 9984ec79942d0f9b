"""The learner of `influence.learners.patchnet`: its settings."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import model_validator

from influence.config import Real, setting
from influence.datasets import Split
from influence.errors import InfluenceError
from influence.learners.base import Subsets
from influence.learners.differentiable import Differentiable
from influence.learners.traceable import Traceable
from influence.learners.unrollable import Unrollable

if TYPE_CHECKING:
    from influence.learners.patchnet.derivatives import PatchTraining
    from influence.learners.patchnet.networks import PatchNets
    from influence.learners.patchnet.patches import Prepared
    from influence.learners.traceable import Traced
    from influence.learners.unrollable import LastEpochs


class PatchNet(Traceable, Unrollable, Differentiable):
    """Fixed patches, pooled; then a 1 x 1 convolution, GELU, and a linear layer, trained by SGD with Nesterov momentum.

    Inputs are uint8 or float images, (n, height, width) or (n, height, width, channels). The rate rises to its peak for
    a fifth of the steps, then falls to nothing.
    """

    name: Literal["patchnet"] = "patchnet"
    filters: int = setting(
        256,
        "Number of patches that every image is compared with; each gives two channels, likeness and its opposite.",
        ge=1,
    )
    patch: int = setting(6, "Width and height of a patch, in pixels.", ge=1)
    stride: int = setting(2, "Distance from one compared patch to the next, in pixels.", ge=1)
    threshold: Real = setting(
        1.0, "Likeness counts by how far it exceeds this threshold, in standard deviations of a whitened patch.", ge=0
    )
    grid: int = setting(4, "Likeness is averaged over grid x grid fields of the image.", ge=1)
    directions: int | None = setting(
        None,
        "Leading principal directions to which the answers to all patches are reduced; null keeps all channels.",
        silent=True,
        ge=1,
    )
    width: int = setting(64, "Channels of the trained convolution.", ge=1)
    epochs: int = setting(6, "Passes over the examples of a subset.", ge=1)
    batch_size: int = setting(250, "Approximate number of training examples in a step.", ge=1)
    learning_rate: Real = setting(0.05, "Highest learning rate, reached after a fifth of the steps.", gt=0)
    momentum: Real = setting(0.9, "Nesterov momentum of SGD.", ge=0, lt=1)
    weight_decay: Real = setting(2e-3, "Coefficient of half the squared norm of the weights.", ge=0)
    flip: bool = setting(
        True, "Mirror half of the images, chosen anew in every epoch. Unsuitable for digits and letters."
    )
    average: Real = setting(
        0.3,
        "Share of the steps, counted from the end, whose weights are averaged; 0 keeps the last weights.",
        ge=0,
        lt=1,
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.directions is not None and self.directions > 2 * self.filters:
            raise InfluenceError(
                f"directions is {self.directions}, but {self.filters} filters give {2 * self.filters} channels, which "
                "have no more directions: lower it, or give more filters."
            )
        return self

    @property
    def batch(self) -> int:
        return 8

    def prepare(self, train: Split) -> "Prepared":
        """The training part with the fixed layer's answers, which the first training works out and the others share."""
        from influence.learners.patchnet import training

        return training.prepare(self, train)

    def fit(self, train: Split, subsets: Subsets) -> "PatchNets":
        """Train one network a subset, each by one of torch's threads."""
        from influence.learners.patchnet import training

        return training.fit(self, train, subsets)

    @property
    def recipe(self) -> str:
        """Architecture, optimizer, loss, in one line."""
        reduced = "" if self.directions is None else f", reduced to {self.directions} directions"
        return (
            f"{self.name}: {2 * self.filters} fixed likenesses to whitened patches on a {self.grid} x {self.grid} "
            f"grid{reduced}, a trained 1 x 1 convolution to {self.width} channels, GELU, linear; SGD with Nesterov "
            f"momentum {self.momentum:g}, batches of {self.batch_size}, {self.epochs} epochs, peak learning rate "
            f"{self.learning_rate:g}, weight decay {self.weight_decay:g} on the cross-entropy; the last checkpoint is "
            f"the average over the last {self.average:.0%} of the steps"
        )

    def trace(
        self, train: Split, seed: int, every: int, on_epoch: Callable[[int], None] = lambda epoch: None
    ) -> "Traced":
        """One network on the whole training part; see `influence.learners.traceable.Traceable`."""
        from influence.learners.patchnet import training

        return training.trace(self, train, seed, every, on_epoch)

    def release(self, train: Split) -> None:
        """Forget what the fixed layer answers to a prepared training part; the next training works it out again."""
        from influence.learners.patchnet import training

        training.release(train)

    def unroll(self, train: Split, subset: Subsets, epochs: int) -> "LastEpochs":
        """One subset's training, with its last epochs; see `influence.learners.unrollable.Unrollable`."""
        from influence.learners.patchnet import training

        return training.unroll(self, train, subset, epochs)

    def training(
        self, train: Split, seed: int, weights: np.ndarray, size: int, steps_of: int | None = None
    ) -> "PatchTraining":
        """See `influence.learners.differentiable.Differentiable`."""
        from influence.learners.patchnet import training

        return training.differentiable(self, train, seed, weights, size, steps_of)
