"""The learner of `influence.learners.convnet`: its settings."""

from typing import TYPE_CHECKING, Literal

from influence.config import Real, setting
from influence.datasets import Split
from influence.learners.base import Learner, Subsets

if TYPE_CHECKING:
    from influence.learners.convnet.networks import ConvNets


class ConvNet(Learner):
    """A residual network: SGD with Nesterov momentum on the cross-entropy; the rate rises to its peak, then falls.

    Inputs are (n, height, width) or (n, height, width, channels), shifted and scaled by two numbers, mean and standard
    deviation over the whole training part.
    """

    name: Literal["convnet"] = "convnet"
    width: int = setting(
        64,
        "Channels of the first layer; later layers have twice and four times as many. The paper's value is 64.",
        ge=1,
    )
    epochs: int = setting(16, "Passes over the examples of a subset.", ge=1)
    batch_size: int = setting(512, "Approximate number of training examples in a step.", ge=1)
    learning_rate: Real = setting(0.4, "Highest learning rate, reached after a fifth of the steps.", gt=0)
    momentum: Real = setting(0.9, "Nesterov momentum of SGD.", ge=0, lt=1)
    weight_decay: Real = setting(5e-4, "Coefficient of half the squared norm of the weights.", ge=0)
    flip: bool = setting(
        True, "Mirror half of the images, chosen anew in every epoch. Unsuitable for digits and letters."
    )
    crop: int = setting(
        2, "Shift every image by up to this many pixels in either direction; its reflection fills the border.", ge=0
    )
    average: Real = setting(
        0.15,
        "Share of the steps, counted from the end, whose weights are averaged; 0 keeps the last weights.",
        ge=0,
        lt=1,
    )

    @property
    def batch(self) -> int:
        return 1

    def fit(self, train: Split, subsets: Subsets) -> "ConvNets":
        """Train one network a subset, one after the other."""
        from influence.learners.convnet import training

        return training.fit(self, train, subsets)
