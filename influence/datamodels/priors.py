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

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from influence.datamodels.outcomes import OutcomeConfig, retrain
from influence.datamodels.sketches import Factors, Sketch
from influence.datasets import Split
from influence.errors import InfluenceError
from influence.learners.base import Models

MOST_DENSE = 20_000  # training examples; beyond, a kernel of n_train x n_train numbers does not fit beside its inverse
SKETCH = 2560  # numbers a layer
SKETCH_DAMPING = 0.3
_BLOCK = 500  # examples whose gradients are taken at once
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
        return product.double() / float(features.square().sum(dim=1).mean())

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


def tangent_prior(config: OutcomeConfig, models: int = 16, damping: float = 1.0, first: int = 0) -> Prior:
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
        return sketched_prior(config, models, damping * SKETCH_DAMPING, first)
    trained, _ = retrain(config, np.arange(first, first + models))
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


def sketched_prior(config: OutcomeConfig, models: int, damping: float, first: int) -> Prior:
    """The same for many training examples, from sketches of the gradients (see `influence.datamodels.sketches`).

    With g the sketches, the guess is in its primal form, g_t (H + d I)^-1 g_i r_i with H the mean of p (1 - p) g g^T,
    the curvature of the loss, and d relative to H's mean diagonal. The kernel is that of the first model alone,
    r_i g_i (H + d I)^-1 g_j r_j: what training on one example does, measured as the guess measures it.

    Memory: n_targets x n_train float32 for the guess, and three times the sketches of one model.
    """
    dataset = config.load()
    n_train, n_targets = len(dataset.train), len(dataset.test)
    guess = np.zeros((n_targets, n_train), np.float32)
    features: Tensor | None = None
    used = 0
    for model in range(first, first + models):
        trained, _ = retrain(config, np.array([model]))
        sketch = _fit_sketch(trained, dataset.train)
        if sketch is None:
            continue
        (own, p), (across, _) = (_sketched(trained, sketch, split) for split in (dataset.train, dataset.test))
        del trained
        if not (torch.isfinite(own).all() and torch.isfinite(across).all()):
            continue
        curvature = (own * (p * (1 - p))[:, None]).T @ own / n_train
        curvature.diagonal().add_(damping * curvature.diagonal().mean())
        factor = torch.linalg.cholesky(curvature.double()).float()
        effects, across = (
            torch.linalg.solve_triangular(factor, each.T, upper=False).T
            for each in (own.mul_((1 - p)[:, None]), across)
        )
        for start in range(0, n_targets, _BLOCK):
            guess[start : start + _BLOCK] += (across[start : start + _BLOCK] @ effects.T).numpy()
        features = effects if features is None else features
        used += 1
    if features is None:
        raise InfluenceError(f"All {models} models of the prior diverged: lower the learner's learning rate.")
    guess /= used
    return Prior(None, guess, features.numpy())


def _fit_sketch(trained: Models, train: Split) -> Sketch | None:
    """None of a model that diverged."""
    part = train.inputs[:_FITTED_ON]
    gradients, _ = margin_gradients(trained.logits(part), train.labels[:_FITTED_ON])
    if not np.isfinite(gradients).all():
        return None
    return Sketch.fitted([(a[0], delta[0]) for a, delta in trained.factors(part, gradients)], SKETCH)


def _sketched(trained: Models, sketch: Sketch, split: Split) -> tuple[Tensor, Tensor]:
    """(n, d) sketches of one model's margin gradients, and (n,) its probabilities of the correct class."""
    sketches, probabilities = [], []
    for start in range(0, len(split), _BLOCK):
        inputs = split.inputs[start : start + _BLOCK]
        gradients, p = margin_gradients(trained.logits(inputs), split.labels[start : start + _BLOCK])
        sketches.append(sketch([(a[0], delta[0]) for a, delta in trained.factors(inputs, gradients)]))
        probabilities.append(torch.from_numpy(p[0]))
    return torch.cat(sketches), torch.cat(probabilities)


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
