"""What can be said about a datamodel's weights before any outcome is looked at.

To first order, training on example i moves a model along the gradient of i's loss, and moves target t's margin by the
inner product of that step with the gradient of t's margin. With f the margin, the loss is log(1 + exp(-f)) and its
gradient -(1 - p_i) grad f_i, so that everything follows from the tangent kernel k(i, j) = <grad f_i, grad f_j>, and
the inner products of a few models give both parts of a prior:

- a kernel on training examples, r_i k(i, j) r_j with r = 1 - p: examples that push models in the same direction have
  the same weight on whatever target. Its sign follows from label agreement by itself, since the gradients of margins
  of different classes point away from each other.
- a first guess tau_t,i = [k(t, .) (k + d I)^-1]_i r_i: the linearised model's answer, as in TRAK (Park et al. 2023,
  section 3) but exact, without projection, in the dual form. One model's guess is noisy: it is averaged over a few.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from influence.datamodels.outcomes import OutcomeConfig, reproduce
from influence.datamodels.sketches import Factors, Sketch
from influence.datamodels.subsets import draw
from influence.datamodels.unrolled import Adjoint
from influence.datasets import Split
from influence.errors import InfluenceError
from influence.learners.base import Models
from influence.learners.unrollable import Stretch, Unrollable

MOST_DENSE = 20_000  # training examples; beyond, a kernel of n_train x n_train numbers does not fit beside its inverse
SKETCH = 2048  # numbers a layer
SKETCH_DAMPING = 0.3
UNROLLED_EPOCHS = 3  # the last; what is further back adds as much noise as signal
_BLOCK = 1000  # examples whose gradients are taken at once
_FITTED_ON = 1000  # examples that a sketch's directions come from


@dataclass(frozen=True)
class Prior:
    """Mean and covariance of a target's weights, both up to scale.

    Parameters
    ----------
    kernel : (n_train, n_train) float32 or None
        Symmetric and positive semi-definite.
    guess : (n_targets, n_train) float32 or None
        None is zero.
    features : (n_train, d) float32 or None
        In the kernel's place: the kernel is features times its transpose.
    """

    kernel: np.ndarray | None
    guess: np.ndarray | None = None
    features: np.ndarray | None = None

    def __post_init__(self) -> None:
        if (self.kernel is None) == (self.features is None):
            raise ValueError("a prior has either a kernel or features")

    def times(self, right: Tensor) -> Tensor:
        """The kernel, scaled to a mean diagonal of 1, times (n_train, k) float64."""
        if self.kernel is not None:
            kernel = torch.as_tensor(self.kernel, dtype=torch.float64)
            return kernel @ right / kernel.diagonal().mean()
        features = torch.as_tensor(self.features)
        product = features @ (features.T @ right.float())
        return product.double().div_(float(torch.linalg.vector_norm(features)) ** 2 / len(features))

    def check(self, n_train: int, n_targets: int) -> None:
        """Raise an `InfluenceError` unless the prior is about that many examples, in finite numbers."""
        for part, shape, what in (
            (self.kernel, (n_train, n_train), "kernel"),
            (self.features, (n_train,) if self.features is None else (n_train, self.features.shape[1]), "features"),
            (self.guess, (n_targets, n_train), "guess"),
        ):
            if part is None:
                continue
            if part.shape != shape:
                raise InfluenceError(
                    f"The prior's {what} has shape {part.shape}, and these outcomes need {shape}: make the prior from "
                    "the same data set."
                )
            if not all(np.isfinite(rows).all() for rows in np.array_split(part, max(1, len(part) // _BLOCK))):
                raise InfluenceError(f"The prior's {what} has numbers that are not finite: a model of it diverged.")


def tangent_prior(
    config: OutcomeConfig,
    models: int = 16,
    damping: float = 1.0,
    first: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> Prior:
    """The prior from the gradients of a few of a store's models, which are trained again (they are the same).

    With more than `MOST_DENSE` training examples it is `sketched_prior`, an approximation.

    Parameters
    ----------
    config : OutcomeConfig
        The store's.
    models : int
    damping : float
        d in the guess, relative to the kernel's mean diagonal; in a sketch, `SKETCH_DAMPING` times as much.
    first : int
        The number of the first of these models: none of those that a datamodel is judged on should be among them.
    progress
        Called with the share that is done, where that takes long.

    Raises
    ------
    InfluenceError
        If all the models diverge.
    """
    if models < 1:
        raise InfluenceError(f"models is {models}, but a prior needs at least 1.")
    if not 0 < damping < float("inf"):
        raise InfluenceError(f"damping is {damping}, but must be a positive number.")
    dataset = config.load()
    if len(dataset.train) > MOST_DENSE:
        return sketched_prior(config, models, damping * SKETCH_DAMPING, first, progress)
    trained, _ = reproduce(config, np.arange(first, first + models))
    train_logits, test_logits = trained.logits(dataset.train.inputs), trained.logits(dataset.test.inputs)
    train_gradients, train_p = margin_gradients(train_logits, dataset.train.labels)
    test_gradients, _ = margin_gradients(test_logits, dataset.test.labels)
    train_factors = trained.factors(dataset.train.inputs, train_gradients)
    test_factors = trained.factors(dataset.test.inputs, test_gradients)

    n_train, n_targets = len(dataset.train), len(dataset.test)
    kernel, guess = torch.zeros(n_train, n_train), torch.zeros(n_targets, n_train)
    used = 0
    for model in range(models):
        if not (np.isfinite(train_logits[model]).all() and np.isfinite(test_logits[model]).all()):
            continue
        own = tangent_kernel([(a[model], d[model]) for a, d in train_factors])
        across = tangent_kernel(
            [(a[model], d[model]) for a, d in test_factors], [(a[model], d[model]) for a, d in train_factors]
        )
        residual = torch.from_numpy(1 - train_p[model])
        kernel += residual[:, None] * own * residual
        guess += linearised(own, across, damping) * residual
        used += 1
    if not used:
        raise InfluenceError(f"All {models} models of the prior diverged: lower the learner's learning rate.")
    kernel /= kernel.diagonal().mean()
    return Prior(kernel.numpy(), (guess / used).numpy())


def sketched_prior(
    config: OutcomeConfig,
    models: int,
    damping: float,
    first: int,
    progress: Callable[[float], None] = lambda share: None,
) -> Prior:
    """The same for many training examples, from sketches of the gradients (see `influence.datamodels.sketches`).

    If the learner's training can be unrolled, the guess is its derivative (see `influence.datamodels.unrolled`).
    Otherwise it is the linearised model's in its primal form, g_t (H + d I)^-1 g_i r_i with g the sketches, H the mean
    of p (1 - p) g g^T, the curvature of the loss, and d relative to H's mean diagonal. The kernel is that of the first
    model alone, r_i g_i (H + d I)^-1 g_j r_j.

    Memory: n_targets x n_train float32 for the guess, one and a half times the sketches of the training part and five
    times those of the targets, and what the learner keeps of the training part.
    """
    dataset = config.load()
    guess = np.zeros((len(dataset.test), len(dataset.train)), np.float32)
    features: Tensor | None = None
    used = 0
    for model in range(first, first + models):
        progress((model - first) / models)
        add = _add_unrolled if isinstance(config.learner, Unrollable) else _add_linearised
        own = add(config, model, damping, guess, features is None)
        if own is not None:
            features = own if features is None else features
            used += 1
    if features is None:
        raise InfluenceError(f"All {models} models of the prior diverged: lower the learner's learning rate.")
    guess /= used
    if isinstance(config.learner, Unrollable):
        config.learner.release()
    return Prior(None, guess, features.numpy())


def _add_linearised(config: OutcomeConfig, model: int, damping: float, guess: np.ndarray, keep: bool) -> Tensor | None:
    """Add a model's guess; the kernel's features (empty unless to be kept), or None if it diverged."""
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
    _add(guess, -torch.cholesky_solve(across.T, factor).T, losses)
    return _whitened(trained, sketch, inputs, labels, factor) if keep else torch.empty(0)


def _add_unrolled(config: OutcomeConfig, model: int, damping: float, guess: np.ndarray, keep: bool) -> Tensor | None:
    """As `_add_linearised`."""
    dataset = config.load()
    subset = draw(config.subsets, np.array([model]), len(dataset.train))
    unrolled = config.learner.unroll(dataset.train, subset, UNROLLED_EPOCHS)  # type: ignore[attr-defined]
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
        _add(guess, adjoint.back(stretch.start, stretch.stop, curvature), losses)
        del losses  # before the next epoch's are made
    return features


def _add(guess: np.ndarray, directions: Tensor, losses: Tensor) -> None:
    """Add (n_targets, d) directions times the (n, d) bfloat16 gradients of the losses.

    In bfloat16, which is twice as fast or more; its rounding is nothing beside the noise of one model's gradients.
    """
    for part, rows in zip(directions.split(_BLOCK), torch.from_numpy(guess).split(_BLOCK), strict=True):
        rows += part.bfloat16() @ losses.T


def _losses(
    trained: Models | Stretch, sketch: Sketch, inputs: np.ndarray, labels: np.ndarray, mask: np.ndarray
) -> tuple[Tensor, Tensor]:
    """(n, d) bfloat16 sketches of the losses' gradients; (d, d) mean over a subset of p (1 - p) g g^T."""
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
    """(n, d) features whose inner products are r_i g_i (H + d I)^-1 g_j r_j."""
    features = torch.empty(len(labels), sketch.size)
    for block, own, p in _sketches(trained, sketch, inputs, labels):
        features[block] = torch.linalg.solve_triangular(factor, (own * (1 - p)[:, None]).T, upper=False).T
    return features


def _fit_sketch(trained: Models, train: Split) -> Sketch | None:
    """None of a model that diverged."""
    part = train.inputs[:_FITTED_ON]
    gradients, _ = margin_gradients(trained.logits(part), train.labels[:_FITTED_ON])
    if not np.isfinite(gradients).all():
        return None
    return Sketch.fitted([(a[0], delta[0]) for a, delta in trained.factors(part, gradients)], SKETCH)


def _sketches(
    trained: Models | Stretch, sketch: Sketch, inputs: np.ndarray, labels: np.ndarray
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Block after block: (b, d) sketches of one model's margin gradients, (b,) probabilities of the correct class.

    To an epoch of a training, ``inputs`` are rows of the training part.
    """
    for start in range(0, len(labels), _BLOCK):
        block = slice(start, start + _BLOCK)
        part = inputs[block]
        gradients, p = margin_gradients(trained.logits(part), labels[block])
        factors = [(a[0], delta[0]) for a, delta in trained.factors(part, gradients)]
        yield block, sketch(factors), torch.from_numpy(p[0])


def _sketched(trained: Models, sketch: Sketch, part: Split) -> Tensor:
    """(n, d): the sketches of all of them."""
    return torch.cat([own for _, own, _ in _sketches(trained, sketch, part.inputs, part.labels)])


def margin_gradients(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of the margin (see `influence.learners.base.margins`) by the logits.

    Parameters
    ----------
    logits : (k, n, n_classes)
    labels : (n,)

    Returns
    -------
    gradients : (k, n, n_classes) float32
        1 for the correct class, minus the softmax over the others.
    p : (k, n) float32
        The probability of the correct class.
    """
    rows = torch.arange(len(labels))
    correct = torch.as_tensor(labels)
    z = torch.as_tensor(logits)
    p = torch.softmax(z, dim=2)[:, rows, correct]
    others = z.clone()
    others[:, rows, correct] = -torch.inf
    gradients = -torch.softmax(others, dim=2)
    gradients[:, rows, correct] = 1
    return gradients.numpy(), p.numpy()


def tangent_kernel(rows: Factors, columns: Factors | None = None) -> Tensor:
    """Inner products of gradients: the sum over layers of (a . a') (delta . delta'); nothing is materialised."""
    total: Tensor | None = None
    for (a, delta), (a2, delta2) in zip(rows, columns or rows, strict=True):
        left = torch.as_tensor(a) @ torch.as_tensor(a2).T
        left *= torch.as_tensor(delta) @ torch.as_tensor(delta2).T
        total = left if total is None else total.add_(left)
    if total is None:
        raise ValueError("no layers")
    return total


def linearised(own: Tensor, across: Tensor, damping: float) -> Tensor:
    """across (own + d I)^-1, with d relative to the mean diagonal of ``own``."""
    damped = own.clone()
    damped.diagonal().add_(damping * own.diagonal().mean())
    factor = torch.linalg.cholesky(damped)
    return torch.cholesky_solve(across.T, factor).T
