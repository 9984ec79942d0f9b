"""Areas that a reader draws on the map: how the address spells them, and which houses lie inside."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

Corner = tuple[float, float]  # longitude, latitude


def spelled(corners: Sequence[Sequence[float]]) -> str:
    """The corners as the address has them: longitude and latitude in turn, with commas."""
    return ",".join(f"{angle:.3f}".rstrip("0").rstrip(".") for corner in corners for angle in corner)


def inside(corners: Sequence[Corner], places: pd.DataFrame) -> np.ndarray:
    """(n,) bool: which places lie within the corners, by how often a line to the east crosses the border.

    Parameters
    ----------
    corners : sequence of (longitude, latitude)
    places : pd.DataFrame
        With columns ``longitude`` and ``latitude``; NaN lies nowhere.
    """
    x, y = (places[axis].to_numpy(float) for axis in ("longitude", "latitude"))
    within = np.zeros(len(places), dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if y0 == y1:
            continue
        crosses = (y < y0) != (y < y1)
        within ^= crosses & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return within
