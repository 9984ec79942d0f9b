"""What TracIn asks of a learner: one model on the whole training part, with its checkpoints."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influence.datasets import Split
from influence.learners.base import Learner, Models, Subsets

if TYPE_CHECKING:
    from torch import nn

    from influence.learners.toolkit.checkpoints import Checkpoint


@dataclass(frozen=True)
class Traced:
    """A model as it was at several moments of its training.

    Parameters
    ----------
    model : nn.Module
        (n, ...) inputs as the data set has them -> (n, n_classes) logits: scaling is a part of it, and dropout and
        augmentation are not. Its trainable parameters are those that were trained. Its weights do not matter.
    checkpoints : list of Checkpoint
        By epoch, with the learning rate of the step that led to each.
    """

    model: "nn.Module"
    checkpoints: "list[Checkpoint]"


class Traceable(Learner):
    """A learner of classes whose training can be followed: the cross-entropy is what it minimises."""

    epochs: int

    @property
    @abstractmethod
    def recipe(self) -> str:
        """Architecture, optimizer and loss in one line."""

    @abstractmethod
    def trace(
        self,
        train: Split,
        seed: int,
        every: int,
        on_epoch: Callable[[int], None] = lambda epoch: None,
    ) -> Traced:
        """Train the model that ``fit`` gives for the whole training part and this seed, and keep checkpoints.

        Checkpoints are after every so many epochs, and at the end; ``on_epoch`` is called now and then with the number
        of finished epochs. A model that diverges is not noticed here.
        """


class TraceableTogether(Traceable):
    """A learner that follows many models at once, whose ``factors`` are those of all layers."""

    @abstractmethod
    def checkpoints(self, train: Split, subsets: Subsets, every: int) -> Sequence[tuple[float, Models]]:
        """Train the models that ``fit`` gives.

        Returns
        -------
        list of (float, Models)
            The learning rate in force and the models as they are after every so many epochs, and at the end.
        """
