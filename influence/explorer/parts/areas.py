"""Areas that a reader draws on a map: how the address spells them, and which places lie inside."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from influence.explorer import address

Corner = tuple[float, float]  # longitude, latitude
_MOST_CORNERS = 64


def spelled(corners: Sequence[Sequence[float]]) -> str:
    """The corners as the address has them: longitude and latitude in turn, with commas."""
    return ",".join(f"{angle:.3f}".rstrip("0").rstrip(".") for corner in corners for angle in corner)


def parsed(text: str) -> list[Corner] | None:
    """The corners of an area, in degrees; None if the text names none.

    Four numbers are two opposite corners of a box.
    """
    numbers = [address.real(part) for part in text.split(",")]
    angles = [number for number in numbers if number is not None]
    if len(angles) != len(numbers) or len(angles) % 2 or not 4 <= len(angles) <= 2 * _MOST_CORNERS:
        return None
    corners = list(zip(angles[::2], angles[1::2], strict=True))
    if any(abs(longitude) > 180 or abs(latitude) > 90 for longitude, latitude in corners):
        return None
    if len(corners) == 2:
        (west, south), (east, north) = corners
        return [(west, south), (east, south), (east, north), (west, north)]
    return corners


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
