"""The prior from sketches of gradients, for training sets whose kernel is too large to hold."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from influence.datamodels.outcomes import OutcomeConfig, reproduce
from influence.datamodels.priors.adjoint import Adjoint
from influence.datamodels.priors.margins import margin_gradients
from influence.datamodels.priors.prior import Prior
from influence.datamodels.priors.sketches import Sketch
from influence.datamodels.subsets import draw
from influence.datasets import Split
from influence.errors import InfluenceError
from influence.learners.base import Models
from influence.learners.unrollable import Stretch, Unrollable
from influence.products import product_type

DAMPING = 0.3  # d, where a dense kernel takes 1
_SIZE = 2048  # numbers a layer
_UNROLLED_EPOCHS = 3  # the last; what is further back adds as much noise as signal
_BLOCK = 1000  # examples whose gradients are taken at once
_COLUMNS = 5000  # training examples whose part of the prior mean is added at once
_FITTED_ON = 1000  # examples that a sketch's directions come from


def sketched_prior(
    config: OutcomeConfig,
    models: int,
    damping: float,
    first: int,
    progress: Callable[[float], None] = lambda share: None,
) -> Prior:
    """Make a prior from sketches of the gradients.

    If the learner's training can be unrolled, the prior mean is its derivative (see `adjoint`). Otherwise it is that
    of the linearised model in its primal form, g_t (H + d I)^-1 g_i r_i with g the sketches, H the mean of
    p (1 - p) g g^T, the curvature of the loss, and d relative to H's mean diagonal. The kernel is that of the first
    model alone, r_i g_i (H + d I)^-1 g_j r_j.

    Memory: n_targets x n_train float32 for the prior mean, one and a half times the sketches of the training part and
    five times those of the targets, and what the learner keeps of the training part.

    Parameters
    ----------
    config, models, first, progress
        As for `tangent_prior`.
    damping : float
        d, relative to the mean diagonal of H.
    """
    dataset = config.load()
    mean = np.zeros((len(dataset.test), len(dataset.train)), np.float32)
    features: Tensor | None = None
    used = 0
    for model in range(first, first + models):
        progress((model - first) / models)
        add = _add_unrolled if isinstance(config.learner, Unrollable) else _add_linearised
        own = add(config, model, damping, mean, features is None)
        if own is not None:
            features = own if features is None else features
            used += 1
    if features is None:
        raise InfluenceError(f"All {models} models of the prior diverged: lower the learner's learning rate.")
    mean /= used
    if isinstance(config.learner, Unrollable):
        config.learner.release(dataset.train)
    return Prior(None, mean, features.numpy())


def _add_linearised(config: OutcomeConfig, model: int, damping: float, mean: np.ndarray, keep: bool) -> Tensor | None:
    """Add a model's answer to the prior mean.

    Returns
    -------
    (n_train, d) float32 or None
        The features of the kernel, empty unless ``keep``; None if the model diverged.
    """
    dataset = config.load()
    trained, masks = reproduce(config, np.array([model]))
    sketch = _fit_sketch(trained, dataset.train)
    if sketch is None:
        return None
    inputs, labels = dataset.train.inputs, dataset.train.labels
    losses, curvature = _losses(trained, sketch, inputs, labels, np.ones_like(masks[0]))
    across = _sketched(trained, sketch, dataset.test)
    if not (torch.isfinite(losses).all() and torch.isfinite(across).all()):
        return None
    factor = _damped_factor(curvature, damping)
    _add(mean, -torch.cholesky_solve(across.T, factor).T, losses)
    return _whitened(trained, sketch, inputs, labels, factor) if keep else torch.empty(0)


def _add_unrolled(config: OutcomeConfig, model: int, damping: float, mean: np.ndarray, keep: bool) -> Tensor | None:
    """Add the derivative of a model's training to the prior mean; see `_add_linearised`."""
    dataset = config.load()
    subset = draw(config.subsets, np.array([model]), len(dataset.train))
    unrolled = config.learner.unroll(dataset.train, subset, _UNROLLED_EPOCHS)  # type: ignore[attr-defined]
    sketch = _fit_sketch(unrolled.final, dataset.train)
    if sketch is None:
        return None
    across = _sketched(unrolled.final, sketch, dataset.test)
    if not torch.isfinite(across).all():
        return None
    adjoint = Adjoint(unrolled, across)
    features = torch.empty(0)
    rows, labels = np.arange(len(dataset.train)), dataset.train.labels
    for stretch in reversed(unrolled.stretches):
        losses, curvature = _losses(stretch, sketch, rows, labels, subset.masks[0])
        if keep and not len(features):
            features = _whitened(stretch, sketch, rows, labels, _damped_factor(curvature, damping))
        _add(mean, adjoint.back(stretch.start, stretch.stop, curvature), losses)
        del losses  # before the next epoch's are made
    return features


def _add(mean: np.ndarray, directions: Tensor, losses: Tensor) -> None:
    """Add (n_targets, d) directions times the (n, d) bfloat16 gradients of the losses.

    In bfloat16 where that is faster; its rounding is nothing beside the noise of one model's gradients.
    """
    dtype = product_type()
    for part, rows in zip(directions.split(_BLOCK), torch.from_numpy(mean).split(_BLOCK), strict=True):
        for own, columns in zip(losses.split(_COLUMNS), rows.split(_COLUMNS, dim=1), strict=True):
            columns += part.to(dtype) @ own.to(dtype).T


def _losses(
    trained: Models | Stretch, sketch: Sketch, inputs: np.ndarray, labels: np.ndarray, mask: np.ndarray
) -> tuple[Tensor, Tensor]:
    """Sketch the losses' gradients, (n, d) bfloat16, and average p (1 - p) g g^T over a subset, (d, d)."""
    losses = torch.empty(len(labels), sketch.size, dtype=torch.bfloat16)
    total = np.zeros((sketch.size, sketch.size), np.float32)
    for block, own, p in _sketches(trained, sketch, inputs, labels):
        losses[block] = own * (p - 1)[:, None]
        part = (own * (p * (1 - p)).sqrt()[:, None]).numpy()[mask[block]]
        total += part.T @ part  # by numpy, which works out one half and mirrors it
    return losses, torch.from_numpy(total / int(mask.sum()))


def _damped_factor(curvature: Tensor, damping: float) -> Tensor:
    damped = curvature.double()
    damped.diagonal().add_(damping * damped.diagonal().mean())
    factor: Tensor = torch.linalg.cholesky(damped).float()
    return factor


def _whitened(
    trained: Models | Stretch, sketch: Sketch, inputs: np.ndarray, labels: np.ndarray, factor: Tensor
) -> Tensor:
    """Compute (n, d) features whose inner products are r_i g_i (H + d I)^-1 g_j r_j."""
    features = torch.empty(len(labels), sketch.size)
    for block, own, p in _sketches(trained, sketch, inputs, labels):
        features[block] = torch.linalg.solve_triangular(factor, (own * (1 - p)[:, None]).T, upper=False).T
    return features


def _fit_sketch(trained: Models, train: Split) -> Sketch | None:
    """Fit the directions of a sketch to a model's gradients; None if the model diverged."""
    part = train.inputs[:_FITTED_ON]
    gradients, _ = margin_gradients(trained.logits(part), train.labels[:_FITTED_ON])
    if not np.isfinite(gradients).all():
        return None
    return Sketch.fitted([(a[0], delta[0]) for a, delta in trained.factors(part, gradients)], _SIZE)


def _sketches(
    trained: Models | Stretch, sketch: Sketch, inputs: np.ndarray, labels: np.ndarray
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Sketch one model's margin gradients block by block.

    Parameters
    ----------
    inputs
        Inputs for a model; for an epoch of a training, rows of the training part.

    Yields
    ------
    block : slice
    sketches : (b, d)
    p : (b,)
        Probabilities of the correct class.
    """
    for start in range(0, len(labels), _BLOCK):
        block = slice(start, start + _BLOCK)
        part = inputs[block]
        gradients, p = margin_gradients(trained.logits(part), labels[block])
        factors = [(a[0], delta[0]) for a, delta in trained.factors(part, gradients)]
        yield block, sketch(factors), torch.from_numpy(p[0])


def _sketched(trained: Models, sketch: Sketch, part: Split) -> Tensor:
    """Sketch the margin gradients of all examples of a part: (n, d)."""
    return torch.cat([own for _, own, _ in _sketches(trained, sketch, part.inputs, part.labels)])
