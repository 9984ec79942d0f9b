"""The orders in which models see their training examples, step by step."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

Step = tuple[Tensor, Tensor | None, float]
"""Rows of the training part, (k, b) or common (b,); (k, b) weights 0 or 1, or None for 1; what to divide sums by."""


def steps_an_epoch(size: int, batch_size: int) -> int:
    """How many steps of equal size an epoch over so many examples has: what comes nearest to the batch size."""
    return max(1, round(size / batch_size))


def steps(
    streams: list[np.random.Generator], masks: np.ndarray, common: bool, epochs: int, batch_size: int
) -> Iterator[Step]:
    """The steps of all epochs: in one order for all models if ``common``, else in each model's own.

    Parameters
    ----------
    streams : list of k generators
        One for each model. If ``common``, all are in the same state, and the first is drawn from.
    masks : (k, n_train) bool
        The models' subsets, all of one size.
    common : bool
    epochs, batch_size : int
    """
    return (common_steps if common else own_steps)(streams, masks, epochs, batch_size)


def own_steps(streams: list[np.random.Generator], masks: np.ndarray, epochs: int, batch_size: int) -> Iterator[Step]:
    """Each model's own order of its own subset, fresh every epoch; all subsets have one size."""
    members = np.stack([np.flatnonzero(mask) for mask in masks])
    n_steps = steps_an_epoch(members.shape[1], batch_size)
    for _ in range(epochs):
        order = np.stack([stream.permutation(row) for stream, row in zip(streams, members, strict=True)])
        for rows in torch.from_numpy(order).tensor_split(n_steps, dim=1):
            yield rows, None, rows.shape[1]


def common_steps(streams: list[np.random.Generator], masks: np.ndarray, epochs: int, batch_size: int) -> Iterator[Step]:
    """One order of all training examples, drawn from the first stream; an example outside a subset has weight 0.

    Sums are divided by the expected number of members, so that leaving one example out changes a step by that
    example's gradient and nothing else.
    """
    n_train, size = masks.shape[1], int(masks[0].sum())
    present = torch.from_numpy(masks).to(torch.float32)
    for rows, divisor in common_order(streams[0], n_train, size, epochs, batch_size):
        yield rows, present[:, rows], divisor


def common_order(
    stream: np.random.Generator, n_train: int, size: int, epochs: int, batch_size: int, steps_of: int | None = None
) -> Iterator[tuple[Tensor, float]]:
    """Rows and divisor of every step, in an order of all training examples of which ``size`` are expected to count.

    There are as many steps as ``steps_of`` examples take; None is ``size``.
    """
    n_steps = steps_an_epoch(size if steps_of is None else steps_of, batch_size)
    for _ in range(epochs):
        for rows in torch.from_numpy(stream.permutation(n_train)).tensor_split(n_steps):
            yield rows, len(rows) * size / n_train
