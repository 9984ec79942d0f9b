"""The features of houses: what they are called, how they are written, and where a house stands among all."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Feature:
    """A column of the data set.

    Parameters
    ----------
    label : str
        With the unit, for tables.
    short : str
        For the comparison of houses; empty leaves it out there.
    write : callable
        From a value to what the comparison shows.
    """

    label: str
    short: str = ""
    write: Callable[[float], str] = "{:,.1f}".format


FEATURES = {
    "MedInc": Feature("Median income ($10,000)", "Median income", lambda value: f"${10_000 * value:,.0f}"),
    "HouseAge": Feature("House age (years)", "Age", "{:.0f} years".format),
    "AveRooms": Feature("Rooms a household", "Rooms"),
    "AveBedrms": Feature("Bedrooms a household", "Bedrooms"),
    "AveOccup": Feature("People a household", "People a home"),
    "Population": Feature("Population", "People in the block", "{:,.0f}".format),
    "Latitude": Feature("Latitude"),
    "Longitude": Feature("Longitude"),
}


@dataclass(frozen=True)
class Stand:
    """The rank of one house in one feature.

    Parameters
    ----------
    said : str
        The value in words.
    share : float
        The share of all houses whose value is lower; of houses that tie with it, half.
    """

    said: str
    share: float


class Comparison:
    """Ranks of houses among all houses of a data set.

    Parameters
    ----------
    everything : pd.DataFrame
        All houses, a column a feature.
    """

    def __init__(self, everything: pd.DataFrame) -> None:
        compared = [name for name, feature in FEATURES.items() if feature.short]
        self._sorted = {name: np.sort(everything[name].dropna().to_numpy(float)) for name in compared}

    def rows(self, houses: list["pd.Series[float]"]) -> list[tuple[str, list[Stand]]]:
        """A feature's short name and where each of some houses stands, a row a feature."""
        return [
            (FEATURES[name].short, [self._stand(name, float(house[name])) for house in houses]) for name in self._sorted
        ]

    def _stand(self, name: str, value: float) -> Stand:
        values = self._sorted[name]
        place = (np.searchsorted(values, value, "left") + np.searchsorted(values, value, "right")) / 2
        return Stand(FEATURES[name].write(value), float(place / len(values)))
