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
from influence.errors import InfluenceError

MOST_TRAIN = 20_000  # beyond, a kernel of n_train x n_train numbers no longer fits beside its inverse


@dataclass(frozen=True)
class Prior:
    """Mean and covariance of a target's weights, both up to scale.

    Parameters
    ----------
    kernel : (n_train, n_train) float32
        Symmetric and positive semi-definite.
    guess : (n_targets, n_train) float32 or None
        None is zero.
    """

    kernel: np.ndarray
    guess: np.ndarray | None = None

    def check(self, n_train: int, n_targets: int) -> None:
        """Raise an `InfluenceError` unless the prior is about that many examples, in finite numbers."""
        expected = ((n_train, n_train), (n_targets, n_train))
        for part, shape, what in zip((self.kernel, self.guess), expected, ("kernel", "guess"), strict=True):
            if part is None:
                continue
            if part.shape != shape:
                raise InfluenceError(
                    f"The prior's {what} has shape {part.shape}, and these outcomes need {shape}: make the prior from "
                    "the same data set."
                )
            if not np.isfinite(part).all():
                raise InfluenceError(f"The prior's {what} has numbers that are not finite: a model of it diverged.")


def tangent_prior(config: OutcomeConfig, models: int = 16, damping: float = 1.0, first: int = 0) -> Prior:
    """The prior from the gradients of a few of a store's models, which are trained again (they are the same).

    Parameters
    ----------
    config : OutcomeConfig
        The store's.
    models : int
    damping : float
        d in the guess, relative to the kernel's mean diagonal.
    first : int
        The number of the first of these models: none of those that a datamodel is judged on should be among them.

    Raises
    ------
    InfluenceError
        If there are too many training examples for a dense kernel, or all the models diverge.
    """
    if models < 1:
        raise InfluenceError(f"models is {models}, but a prior needs at least 1.")
    if not 0 < damping < float("inf"):
        raise InfluenceError(f"damping is {damping}, but must be a positive number.")
    dataset = config.load()
    if len(dataset.train) > MOST_TRAIN:
        raise InfluenceError(
            f"{dataset.name} has {len(dataset.train)} training examples, and a kernel on more than {MOST_TRAIN} does "
            "not fit into memory: use ridge or the LASSO."
        )
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


Factors = list[tuple[np.ndarray, np.ndarray]]
"""A linear layer each: its inputs with a 1 appended (n, d_in + 1), and the gradient by its outputs (n, d_out)."""


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
