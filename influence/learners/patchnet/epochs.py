"""One epoch of a training of `influence.learners.patchnet.PatchNet`, for unrolled differentiation."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from influence.learners.patchnet.networks import PatchNets


@dataclass(frozen=True)
class Epoch:
    """A `influence.learners.unrollable.Stretch`."""

    start: int
    stop: int
    models: PatchNets
    views: list[Tensor]
    mirrored: Tensor

    def logits(self, rows: np.ndarray) -> np.ndarray:
        return self.models.apply_to(self._answers(rows))

    def factors(self, rows: np.ndarray, gradients: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        return self.models.factors_of(self._answers(rows), gradients)

    def _answers(self, rows: np.ndarray) -> Tensor:
        return seen(self.views, torch.from_numpy(rows), self.mirrored[rows])


def seen(views: list[Tensor], rows: Tensor, mirrored: Tensor) -> Tensor:
    """Some of the training part, mirrored or not."""
    batch = views[0][rows]
    if len(views) > 1:
        batch[mirrored] = views[1][rows[mirrored]]
    return batch
