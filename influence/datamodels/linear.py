"""What all estimators share: a datamodel is linear, margin = intercept + sum of the weights of the subset's members."""

from abc import ABC, abstractmethod
from typing import Self

import numpy as np
import torch
from torch import Tensor

from influence.errors import InfluenceError

BLOCK = 1024  # targets whose weights are held at once while predicting


class LinearDatamodel(ABC):
    """Fitted on masks and margins, one weight a (target, training example) pair, in units of the margin.

    Attributes
    ----------
    intercept_ : (n_targets,) float64
        The prediction for the empty subset.
    coef_ : (n_targets, n_train) float32
        All weights; made on demand. Where n_targets x n_train is large, take `coef` of some targets at a time.
    """

    intercept_: np.ndarray

    @abstractmethod
    def fit(self, masks: np.ndarray, margins: np.ndarray) -> Self:
        """Fit the weights.

        Parameters
        ----------
        masks : (m, n_train) bool
            Who saw what.
        margins : (m, n_targets) float
            What the models said.

        Raises
        ------
        InfluenceError
            If there are too few models, a margin is not finite, or an example is in all or in none of the subsets.
        """

    @abstractmethod
    def coef(self, targets: np.ndarray | slice) -> np.ndarray:
        """(k, n_train) float32: the weights of some targets, given by their places."""

    @property
    def coef_(self) -> np.ndarray:
        return self.coef(slice(None))

    def predict(self, masks: np.ndarray) -> np.ndarray:
        """(m, n_train) bool -> (m, n_targets) float32 margins."""
        members = torch.as_tensor(masks, dtype=torch.float32)
        blocks = []
        for start in range(0, len(self.intercept_), BLOCK):
            targets = slice(start, start + BLOCK)
            weights = torch.from_numpy(np.ascontiguousarray(self.coef(targets), dtype=np.float32))
            blocks.append((members @ weights.T).numpy() + self.intercept_[targets].astype(np.float32))
        return np.concatenate(blocks, axis=1)


def check_outcomes(masks: np.ndarray, margins: np.ndarray, least: int = 2) -> None:
    """Raise an `InfluenceError` unless masks and margins can be fitted with at least ``least`` models."""
    if masks.ndim != 2 or margins.ndim != 2 or len(masks) != len(margins) or masks.dtype != bool:
        raise ValueError(f"masks {masks.shape} {masks.dtype} and margins {margins.shape}")
    if len(masks) < least:
        raise InfluenceError(
            f"There are the outcomes of {len(masks)} model(s), and this estimator needs at least {least}: collect more."
        )
    bad = ~np.isfinite(margins).all(axis=1)
    if bad.any():
        raise InfluenceError(
            f"{int(bad.sum())} model(s) have margins that are not finite numbers, the first is in row "
            f"{int(np.flatnonzero(bad)[0])}: leave out models that diverged."
        )
    count = masks.sum(axis=0)
    useless = (count == 0) | (count == len(masks))
    if useless.any():
        raise InfluenceError(
            f"{int(useless.sum())} training example(s) are in all or in none of the {len(masks)} subsets, so that "
            "nothing can be said of them: collect more models."
        )


def centred(masks: np.ndarray, margins: np.ndarray, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Masks and margins less their means over models, which takes the intercept out of every least squares problem.

    Returns
    -------
    a : (m, n_train), y : (m, n_targets), mean_a : (n_train,), mean_y : (n_targets,)
    """
    a, y = torch.as_tensor(masks, dtype=dtype), torch.as_tensor(margins, dtype=dtype)
    mean_a, mean_y = a.mean(dim=0), y.mean(dim=0)
    return a.sub_(mean_a), y - mean_y, mean_a, mean_y
