"""Gradients of many examples in a few thousand numbers each, for training sets too large for a dense tangent kernel.

A layer's gradient is a sum of outer products delta a^T (over positions, for a convolution). Both factors are projected
on their own leading principal directions, the eigenbasis of K-FAC (George et al. 2018) cut off: what is dropped are
directions in which activations or deltas hardly vary.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

Factors = list[tuple[np.ndarray, np.ndarray]]
"""The factors of each linear layer: inputs with a 1 appended (n, d_in + 1), gradient by the outputs (n, d_out).

Where a layer is used at several positions of one example, as in a convolution, they are (n, positions, ...).
"""


@dataclass(frozen=True)
class Sketch:
    """Projections of the factors of each layer.

    Parameters
    ----------
    bases : list of ((d_in + 1, p), (d_out, q))
        Orthonormal columns; a layer has p q numbers in the sketch.
    """

    bases: list[tuple[Tensor, Tensor]]

    @classmethod
    def fitted(cls, factors: Factors, dimension: int, deltas: int = 32) -> Self:
        """Find principal directions of some examples' factors; at most ``dimension`` numbers a layer."""
        bases = []
        for a, delta in factors:
            right = _directions(delta, deltas)
            bases.append((_directions(a, max(1, dimension // right.shape[1])), right))
        return cls(bases)

    @property
    def size(self) -> int:
        return sum(left.shape[1] * right.shape[1] for left, right in self.bases)

    def __call__(self, factors: Factors) -> Tensor:
        """Sketch the gradients, layer after layer: (n, d) float32."""
        parts = []
        for (a, delta), (left, right) in zip(factors, self.bases, strict=True):
            x, y = (torch.as_tensor(each) @ basis for each, basis in ((a, left), (delta, right)))
            if x.ndim == 2:
                x, y = x[:, None], y[:, None]
            parts.append((x.transpose(1, 2) @ y).flatten(1))
        return torch.cat(parts, dim=1)


def _directions(factor: np.ndarray, most: int) -> Tensor:
    rows = torch.as_tensor(factor).flatten(0, -2).double()
    _, vectors = torch.linalg.eigh(rows.T @ rows)
    leading: Tensor = vectors[:, -most:].flip(1).float().contiguous()
    return leading
