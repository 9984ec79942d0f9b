"""The houses that the map shows as dots: where they are drawn, what the browser is told of them, and their colours."""

import json
from functools import cached_property

import numpy as np
import pandas as pd

from influence.explorer.houses import words
from influence.explorer.houses.records import DOLLARS, Houses
from influence.explorer.parts.maps import Legend, Paint, Place, Told

_APART = 0.0021  # degrees of latitude between a shared spot and the houses that are drawn around it: some 230 m


class Dots:
    """The dots of a result, each file made once.

    Parameters
    ----------
    houses : Houses

    Attributes
    ----------
    test, train : pd.DataFrame
        See `placed`.
    test_file, train_file : bytes
        See `file`.
    """

    def __init__(self, houses: Houses) -> None:
        self.houses = houses

    @cached_property
    def test(self) -> pd.DataFrame:
        return placed(self.houses.test)

    @cached_property
    def train(self) -> pd.DataFrame:
        return placed(self.houses.train)

    @cached_property
    def test_file(self) -> bytes:
        return file(self.houses.test, self.test)

    @cached_property
    def train_file(self) -> bytes:
        return file(self.houses.train, self.train)


def placed(houses: pd.DataFrame) -> pd.DataFrame:
    """Positions of the drawn houses: those of one spot (the census gives two decimals) form a ring around it.

    Returns
    -------
    pd.DataFrame
        Columns longitude, latitude, and ``shared``, how many have the spot; houses without a place are left out.
    """
    known = houses.dropna(subset=["latitude", "longitude"])[["longitude", "latitude"]].astype(float)
    spots = known.groupby(["longitude", "latitude"])["latitude"]
    shared, turn = spots.transform("size").to_numpy(int), spots.cumcount().to_numpy(int)
    angle = 2 * np.pi * turn / shared + np.pi / 2
    apart = np.where(shared > 1, _APART, 0.0)
    return pd.DataFrame(
        {
            "longitude": known["longitude"] + apart * np.cos(angle) / np.cos(np.radians(known["latitude"])),
            "latitude": known["latitude"] + apart * np.sin(angle),
            "shared": shared,
        },
        index=known.index,
    )


def at(places: pd.DataFrame, house: int) -> Place:
    """Give the position of one house on the map."""
    return float(places["longitude"][house]), float(places["latitude"][house])


def file(houses: pd.DataFrame, places: pd.DataFrame) -> bytes:
    """What the browser fetches: a list a column, a house a place in each."""
    known = houses.loc[places.index]
    columns = {
        "id": places.index,
        "longitude": places["longitude"].round(4),
        "latitude": places["latitude"].round(4),
        "shared": places["shared"],
        "price": known["price"].astype(int),
        "model": known["prediction"].astype(int),
        "error": known["residual"].astype(int),
    }
    if "self_influence" in known:
        columns["self_influence"] = known["self_influence"].map("{:.3g}".format).astype(float)
    return json.dumps({name: column.tolist() for name, column in columns.items()}, separators=(",", ":")).encode()


def told(cap: float | None, of_training: bool) -> tuple[Told, ...]:
    """What a dot's tooltip says."""
    over = words.over(cap) if cap is not None else ""
    lines = (
        Told("price", "price", cap=None if cap is None else cap * DOLLARS, over=over),
        Told("model", "model"),
        Told("error", "error", is_signed=True),
    )
    return (Told("self-influence", "self_influence", unit=""), *lines) if of_training else lines


def by_error() -> tuple[Paint, Legend]:
    """Green where the model says too little, purple where it says too much, full from $80,000."""
    inks = [("too-little", 0.85), ("too-little", 0.5), ("too-little", 0.22)]
    inks += [("too-much", 0.22), ("too-much", 0.5), ("too-much", 0.85)]
    paint = Paint("error", (-80_000, -40_000, 0, 40_000, 80_000), tuple(inks), (2, 3, 1, 4, 0, 5))
    return paint, Legend("Test houses: the model says", "too little", "too much", "(full: by $80,000)")


def by_price(cap: float | None) -> tuple[Paint, Legend]:
    """Stronger is dearer."""
    inks = tuple(("ink", alpha) for alpha in (0.1, 0.2, 0.34, 0.5, 0.68, 0.9))
    paint = Paint("price", (100_000, 150_000, 200_000, 300_000, 400_000), inks, (0, 1, 2, 3, 4, 5))
    high = f"$400k to {words.over(cap)}" if cap is not None else "above $400k"
    return paint, Legend("Test houses: price", "up to $100k", high, "")


def by_self_influence(houses: Houses) -> tuple[Paint, Legend]:
    """Stronger is higher: the lower half, then up to the highest hundredth."""
    breaks = houses.train["self_influence"].quantile([0.5, 0.75, 0.9, 0.97, 0.99])
    inks = tuple(("ink", alpha) for alpha in (0.08, 0.14, 0.22, 0.36, 0.55, 0.95))
    paint = Paint("self_influence", tuple(float(f"{each:.3g}") for each in breaks), inks, (0, 1, 2, 3, 4, 5))
    return paint, Legend("Training houses: self-influence", "lower half", "highest hundredth", "")
