"""What TracIn asks of a learner: one model on the whole training part, with its checkpoints."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

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
        (n, ...) inputs as the data set has them -> (n, n_classes) logits, or (n, 1) values: scaling is a part of it,
        and dropout and augmentation are not. Its trainable parameters are those that were trained, and its weights
        are those at the end.
    checkpoints : list of Checkpoint
        By epoch, with the learning rate of the step that led to each.
    """

    model: "nn.Module"
    checkpoints: "list[Checkpoint]"


class Traceable(Learner):
    """A learner whose training can be followed: it minimises the cross-entropy of classes, or the squared error.

    Attributes
    ----------
    steps : str
        How its steps differ from plain SGD's, as words after "trained with".
    training_cost : float
        What a training costs, roughly, as a share of scoring every pair.
    usual_interval : int or None
        Epochs from one checkpoint to the next unless somebody asks for another number; None is a sixth of all.
    """

    steps: ClassVar[str] = "batches, momentum and weight decay"
    training_cost: ClassVar[float] = 0.1
    usual_interval: ClassVar[int | None] = None
    epochs: int

    def kept_epochs(self, every: int) -> list[int]:
        """The epochs after which `trace` keeps a checkpoint."""
        return [*range(every, self.epochs, every), self.epochs]

    def network(self, train: Split) -> "nn.Module":
        """The model that `trace` gives for a training part; its weights do not matter."""
        _, few = np.unique(train.labels, return_index=True)
        model: nn.Module = self.replace(epochs=1).trace(train.take(few), 0, 1).model
        return model

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

        Checkpoints are after the `kept_epochs`; ``on_epoch`` is called now and then with the number of finished epochs.
        A model that diverges need not be noticed here.
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
