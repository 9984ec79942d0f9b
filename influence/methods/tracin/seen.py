"""A traced model: its checkpoints with their losses, and what it gives for every example."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.learners.toolkit.checkpoints import Checkpoint
from influence.learners.toolkit.outputs import Loss, outputs
from influence.learners.traceable import Traced
from influence.tracin.fixed_layers import without_fixed_layers
from influence.tracin.scores import Examples


@dataclass(frozen=True)
class Seen:
    """A model's layers from the first trained one on, with all examples as they reach it.

    Parameters
    ----------
    checkpoints : list of Checkpoint
        Of the whole model, with the mean losses over both parts.
    moving : Traced
        The layers that are scored.
    train, targets : Examples
    train_outputs, test_outputs : (n, d) float32
        What the model gives at the end of its training: logits, or values with d = 1.
    """

    checkpoints: list[Checkpoint]
    moving: Traced
    train: Examples
    targets: Examples
    train_outputs: np.ndarray
    test_outputs: np.ndarray

    @property
    def curve(self) -> dict[str, list[Any]]:
        """Give curves by name, with a value for each checkpoint."""
        return {
            name: [getattr(checkpoint, name) for checkpoint in self.checkpoints]
            for name in ("epoch", "learning_rate", "train_loss", "test_loss")
        }


def see(traced: Traced, dataset: Dataset, loss: Loss) -> Seen:
    """Pass all examples through every checkpoint.

    Raises
    ------
    InfluenceError
        If a loss is not a finite number.
    """
    end = {name: value.clone() for name, value in traced.model.state_dict().items()}
    moving, train, targets = without_fixed_layers(traced, dataset)
    model = moving.model.eval()
    checkpoints = []
    for checkpoint, own in zip(traced.checkpoints, moving.checkpoints, strict=True):
        _, losses = _pass(model, own.state, (train, targets), loss, checkpoint.epoch)
        checkpoints.append(replace(checkpoint, train_loss=losses[0], test_loss=losses[1]))
    last = {name: end[name] for name in model.state_dict()}
    (train_outputs, test_outputs), _ = _pass(model, last, (train, targets), loss, checkpoints[-1].epoch)
    return Seen(checkpoints, moving, train, targets, train_outputs.numpy(), test_outputs.numpy())


def _pass(
    model: nn.Module, state: dict[str, Tensor], parts: tuple[Examples, Examples], loss: Loss, epoch: int
) -> tuple[list[Tensor], list[float]]:
    """Outputs and mean losses of both parts."""
    model.load_state_dict(state)
    given = [outputs(model, part.inputs) for part in parts]
    losses = [float(loss(each, part.labels).mean()) for each, part in zip(given, parts, strict=True)]
    if not np.isfinite(losses).all():
        raise InfluenceError(
            f"Training diverged by epoch {epoch} (the loss is {losses[0]}): lower the learner's learning rate."
        )
    return given, losses
