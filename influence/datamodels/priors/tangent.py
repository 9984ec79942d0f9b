"""The prior from exact inner products of gradients, for training sets whose kernel fits into memory."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from influence.datamodels.outcomes import OutcomeConfig, reproduce
from influence.datamodels.priors.margins import margin_gradients
from influence.datamodels.priors.prior import Prior
from influence.datamodels.priors.sketched import DAMPING, sketched_prior
from influence.datamodels.priors.sketches import Factors
from influence.errors import InfluenceError

MOST_DENSE = 20_000  # training examples; beyond, a kernel of n_train x n_train numbers does not fit beside its inverse


def tangent_prior(
    config: OutcomeConfig,
    models: int = 16,
    damping: float = 1.0,
    first: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> Prior:
    """Make a prior from the gradients of a few of a store's models, which are trained once more (they are the same).

    With more than `MOST_DENSE` training examples it is `sketched_prior`, an approximation.

    Parameters
    ----------
    config : OutcomeConfig
        The store's.
    models : int
    damping : float
        d in the prior mean, relative to the kernel's mean diagonal; with sketches, `DAMPING` times as much.
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
    if len(config.load().train) > MOST_DENSE:
        return sketched_prior(config, models, damping * DAMPING, first, progress)
    return _dense_prior(config, models, damping, first)


def _dense_prior(config: OutcomeConfig, models: int, damping: float, first: int) -> Prior:
    dataset = config.load()
    trained, _ = reproduce(config, np.arange(first, first + models))
    train_logits, test_logits = trained.logits(dataset.train.inputs), trained.logits(dataset.test.inputs)
    train_gradients, train_p = margin_gradients(train_logits, dataset.train.labels)
    test_gradients, _ = margin_gradients(test_logits, dataset.test.labels)
    train_factors = trained.factors(dataset.train.inputs, train_gradients)
    test_factors = trained.factors(dataset.test.inputs, test_gradients)

    n_train, n_targets = len(dataset.train), len(dataset.test)
    kernel, mean = torch.zeros(n_train, n_train), torch.zeros(n_targets, n_train)
    used = 0
    for model in range(models):
        if not (np.isfinite(train_logits[model]).all() and np.isfinite(test_logits[model]).all()):
            continue
        own_factors = [(a[model], d[model]) for a, d in train_factors]
        own = tangent_kernel(own_factors)
        across = tangent_kernel([(a[model], d[model]) for a, d in test_factors], own_factors)
        residual = torch.from_numpy(1 - train_p[model])
        kernel += residual[:, None] * own * residual
        mean += linearised(own, across, damping) * residual
        used += 1
    if not used:
        raise InfluenceError(f"All {models} models of the prior diverged: lower the learner's learning rate.")
    kernel /= kernel.diagonal().mean()
    return Prior(kernel.numpy(), (mean / used).numpy())


def tangent_kernel(rows: Factors, columns: Factors | None = None) -> Tensor:
    """Compute inner products of gradients, the sum over layers of (a . a') (delta . delta'), without any gradient."""
    total: Tensor | None = None
    for (a, delta), (a2, delta2) in zip(rows, columns or rows, strict=True):
        left = torch.as_tensor(a) @ torch.as_tensor(a2).T
        left *= torch.as_tensor(delta) @ torch.as_tensor(delta2).T
        total = left if total is None else total.add_(left)
    if total is None:
        raise ValueError("no layers")
    return total


def linearised(own: Tensor, across: Tensor, damping: float) -> Tensor:
    """Compute across (own + d I)^-1, with d relative to the mean diagonal of ``own``."""
    damped = own.clone()
    damped.diagonal().add_(damping * own.diagonal().mean())
    factor = torch.linalg.cholesky(damped)
    return torch.cholesky_solve(across.T, factor).T
