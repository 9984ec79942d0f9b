"""What an estimator is: it fits a linear datamodel, margin = intercept + sum of the weights of the subset's members.

To add one, write a file beside this one with a subclass of `Estimator`, whose fields are its settings; `fit` imports
torch when it is called, so that a command line that only lists settings starts at once.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from influence.config import Config
from influence.errors import InfluenceError
from influence.registry import Registry

if TYPE_CHECKING:
    from influence.datamodels.priors import Prior

BLOCK = 1024  # targets whose weights are held at once while predicting


class LinearDatamodel(ABC):
    """A fitted datamodel: one weight for each pair of a target and a training example, in units of the margin.

    Attributes
    ----------
    intercept_ : (n_targets,) float64
        The prediction for the empty subset.
    coef_ : (n_targets, n_train) float32
        All weights, made on demand. Where n_targets x n_train is large, take `coef` of some targets at a time.
    """

    intercept_: np.ndarray

    @abstractmethod
    def coef(self, targets: np.ndarray | slice) -> np.ndarray:
        """Return the weights of some targets, given by their positions: (k, n_train) float32."""

    @property
    def coef_(self) -> np.ndarray:
        return self.coef(slice(None))

    def predict(self, masks: np.ndarray) -> np.ndarray:
        """Predict (m, n_targets) float32 margins for (m, n_train) bool masks."""
        import torch

        members = torch.as_tensor(masks, dtype=torch.float32)
        blocks = []
        for start in range(0, len(self.intercept_), BLOCK):
            targets = slice(start, start + BLOCK)
            weights = torch.from_numpy(np.ascontiguousarray(self.coef(targets), dtype=np.float32))
            blocks.append((members @ weights.T).numpy() + self.intercept_[targets].astype(np.float32))
        return np.concatenate(blocks, axis=1)


class Estimator(Config):
    """A way to fit weights; the fields are its settings.

    Attributes
    ----------
    name : str
        The name by which configs and the command line know the estimator.
    title : str
        What it does, in words that follow "datamodels by".
    least_models : int
        The smallest number of models that it can be fitted on.
    needs_prior : bool
        Whether `fit` needs a prior.
    is_slow : bool
        Whether every target costs time of its own, so that comparisons fit few targets.
    """

    name: str
    title: ClassVar[str]
    least_models: ClassVar[int] = 2
    needs_prior: ClassVar[bool] = False
    is_slow: ClassVar[bool] = False

    @abstractmethod
    def fit(self, masks: np.ndarray, margins: np.ndarray, prior: "Prior | None" = None) -> LinearDatamodel:
        """Fit the weights.

        Parameters
        ----------
        masks : (m, n_train) bool
            Which training examples each model saw.
        margins : (m, n_targets) float
            The models' margins on the targets.
        prior : Prior or None
            Used by estimators that need one.

        Raises
        ------
        InfluenceError
            If there are too few models, a margin is not finite, or an example is in all or in none of the subsets.
        """

    @property
    def settings(self) -> dict[str, Any]:
        """All settings but the name, as JSON can hold them."""
        return {name: value for name, value in self.as_dict().items() if name != "name"}

    def seconds(self, models: int, targets: int) -> float:
        """Estimate roughly how long a fit takes, for the progress bar."""
        return 0.0


ESTIMATORS: Registry[Estimator] = Registry("influence.datamodels.estimators", Estimator, "estimator")  # type: ignore[type-abstract]


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
            "no weight can be fitted to them: collect more models."
        )
