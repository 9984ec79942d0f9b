"""Scores as evaluations are handed them, and the fit that they may come from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from influence.datamodels.estimators.base import Estimator
from influence.measures.lds import Lds

Rows = Callable[[np.ndarray], np.ndarray]
"""(b,) positions of targets in the data set's test part -> (b, n_train) float32."""


@dataclass(frozen=True)
class Scores:
    """A result's scores.

    Parameters
    ----------
    rows : Rows
    source : str
        Where they come from, as a clause.
    has_scale : bool
        Whether they are in the unit of the output. TracIn's are up to a common factor.
    intercept : (n_targets,) float64 or None
        A datamodel's prediction for the empty subset.
    kept : int or None
        How many either way are known of each target; None is all.
    support : (n_targets,) int or None
        A datamodel's predicted data support, of kept scores: it was worked out when all were at hand.
    """

    rows: Rows
    source: str
    has_scale: bool
    intercept: np.ndarray | None = None
    kept: int | None = None
    support: np.ndarray | None = None

    def known(self, own: np.ndarray) -> np.ndarray:
        """Tell which of one target's (n_train,) scores are known to be what they are: (n_train,) bool."""
        return np.ones(len(own), dtype=bool) if self.kept is None else own != 0


@dataclass(frozen=True)
class Fitted:
    """The fit of a datamodel, on stored outcomes.

    Parameters
    ----------
    store : str
        Path or URL of the outcomes.
    held_out, models : int
        Of the store's models, the first ``held_out`` were never fitted, and the ``models`` after them were.
    estimator : Estimator
    prior_models : int
        Fitted models whose gradients make the prior.
    measured : Lds or None
        The score of the fit on the models held out, over the result's targets; None if other models judged since.
    """

    store: str
    held_out: int
    models: int
    estimator: Estimator
    prior_models: int
    measured: Lds | None

    @property
    def seen(self) -> range:
        """The numbers of the models whose subsets the fit saw."""
        return range(self.held_out, self.held_out + self.models)
