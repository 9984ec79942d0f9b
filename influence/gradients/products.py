"""Inner products of gradients, made of their factors."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from influence.gradients.factors import Factors
from influence.gradients.layers import LayerFactors

_TARGET_ROWS = 512  # rows of one tile of the score matrix: 512 x 512 floats stay in the processor's cache


def add_inner_products(out: Tensor, left: Factors, right: Factors, weight: float = 1.0) -> None:
    """Add to ``out``, (n_left, n_right), the weighted inner products of all pairs of gradients, in place."""
    n_right = out.shape[1]
    buffers = out.new_empty(3, min(_TARGET_ROWS, len(out)), n_right)
    for rows in tiles(len(out), _TARGET_ROWS):
        total, first, second = buffers[:, : rows.stop - rows.start]
        total.zero_()
        for layer_left, layer_right in zip(left, right, strict=True):
            if len(layer_left) == 1:
                total.addmm_(layer_left[0][rows], layer_right[0].T)
            elif layer_left[0].ndim == layer_right[0].ndim == 2:
                torch.mm(layer_left[0][rows], layer_right[0].T, out=first)
                torch.mm(layer_left[1][rows], layer_right[1].T, out=second)
                total.addcmul_(first, second)
            else:
                _add_over_positions(total, [factor[rows] for factor in layer_left], layer_right)
        out[rows].add_(total, alpha=weight)


def _add_over_positions(out: Tensor, left: Sequence[Tensor], right: Sequence[Tensor]) -> None:
    """The same for one layer with (n, positions, width) factors, in tiles of one size however many positions.

    Inputs of other sizes have other numbers of positions, and one has none for its factors.
    """
    left, right = ([f[:, None] if f.ndim == 2 else f for f in factors] for factors in (left, right))
    own, other, n_right = left[0].shape[1], right[0].shape[1], out.shape[1]
    if not own * other:
        return
    columns = [factor.flatten(0, 1).T for factor in right]
    for rows in tiles(len(out), max(_TARGET_ROWS // (own * other), 1)):
        first, second = (factor[rows].flatten(0, 1) @ column for factor, column in zip(left, columns, strict=True))
        out[rows] += first.mul_(second).view(-1, own, n_right, other).sum((1, 3))


def summed(layer: LayerFactors) -> Tensor:
    """The sum of all gradients: (width,) where they are formed, else (n_out, n_in)."""
    if len(layer) == 1:
        return layer[0].sum(0)
    activation, delta = (factor.flatten(0, -2) for factor in layer)
    return delta.T @ activation


def times(layer: LayerFactors, gradient: Tensor) -> Tensor:
    """(n,): the inner product of each gradient with what `summed` gave."""
    if len(layer) == 1:
        return layer[0] @ gradient
    activation, delta = layer
    return ((activation @ gradient.T) * delta).flatten(1).sum(1)


def tiles(n: int, size: int) -> Iterator[slice]:
    """Slices of so many of n rows, in order."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
