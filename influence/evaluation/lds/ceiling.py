"""The noise ceiling: how well a second training on the same subsets predicts the first."""

import numpy as np

from influence.datamodels.outcomes import Outcomes
from influence.measures.lds import LEAST_MODELS, Lds, noise_ceiling


def ceiling_of(
    held_out: Outcomes,
    repeated: Outcomes | None,
    bootstrap: int,
    seed: int = 0,
    positions: np.ndarray | slice = slice(None),
) -> Lds | None:
    """Score the repeated trainings as predictions of the first ones.

    Parameters
    ----------
    held_out, repeated : Outcomes
        Models on the same subsets with other seeds; those that only one of them has are left out.
    bootstrap, seed : int
        Resamples of the models for the interval, and their seed.
    positions : (n_targets,) int or slice
        The targets that count.

    Returns
    -------
    Lds or None
        None where nothing was repeated, or too few models.
    """
    if repeated is None:
        return None
    both, here, there = np.intersect1d(held_out.models, repeated.models, return_indices=True)
    if len(both) < LEAST_MODELS:
        return None
    return noise_ceiling(
        held_out.margins[here][:, positions], repeated.margins[there][:, positions], bootstrap, seed=seed
    )
