"""What a prior is: the mean and covariance of weights."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from influence.errors import InfluenceError

_BLOCK = 1000  # rows that are checked at once


@dataclass(frozen=True)
class Prior:
    """Mean and covariance of a target's weights, both up to scale.

    Parameters
    ----------
    kernel : (n_train, n_train) float32 or None
        Symmetric and positive semi-definite.
    mean : (n_targets, n_train) float32 or None
        None is zero.
    features : (n_train, d) float32 or None
        Given instead of the kernel, which is features times their transpose.
    """

    kernel: np.ndarray | None
    mean: np.ndarray | None = None
    features: np.ndarray | None = None

    def __post_init__(self) -> None:
        if (self.kernel is None) == (self.features is None):
            raise ValueError("a prior has either a kernel or features")

    def times(self, right: Tensor) -> Tensor:
        """Multiply the kernel, scaled to a mean diagonal of 1, by (n_train, k) float64."""
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
            (self.mean, (n_targets, n_train), "mean"),
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
