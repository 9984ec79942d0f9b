"""A result's test and training images on one map, and what the kept scores say of any group of either."""

import json
from typing import Any

import numpy as np
import pandas as pd

from influence.evidence import LayoutEvidence
from influence.explorer.images.sums import TEST, Answer, Sums
from influence.explorer.parts import theme
from influence.explorer.parts.areas import Corner, inside
from influence.explorer.parts.maps import Legend, Paint, Told
from influence.results import Result

CLASS, MISTAKES, MEMORISED = "class", "mistakes", "memorised"
_SPAN = 5.0  # the map's half width in degrees around the equator, where the drawn map is flat
BOUNDS = (-1.02 * _SPAN, -1.02 * _SPAN, 1.02 * _SPAN, 1.02 * _SPAN)


class Places:
    """The map of a result.

    Parameters
    ----------
    result : Result
        On images: its targets have label and prediction, its training examples label.
    layout : LayoutEvidence
    memorised : pd.Series or None
        By training image, see `influence.explorer.images.pairs.memorised`.

    sums : Sums
        Of the result's scores.

    Attributes
    ----------
    test, train : pd.DataFrame
        One row an image, by its index: longitude and latitude on the drawn map, label, and of the test part prediction,
        wrong (0 or 1) and margin, of the training part memorised, where it is known. Those without a place are left
        out.
    """

    def __init__(
        self, result: Result[Any], layout: LayoutEvidence, memorised: "pd.Series[float] | None", sums: Sums
    ) -> None:
        self.result, self.layout, self._sums = result, layout, sums
        self.classes: tuple[str, ...] = result.manifest.classes
        self._dots: dict[str, bytes] = {}
        self.test = _placed(layout.targets, result.targets[["label", "prediction", "margin"]])
        self.test["wrong"] = (self.test["label"] != self.test["prediction"]).astype(int)
        train = result.train[["label"]]
        self.train = _placed(layout.train, train if memorised is None else train.assign(memorised=memorised))

    def of(self, part: str) -> pd.DataFrame:
        """The images of a part that have a place."""
        return self.test if part == TEST else self.train

    def colours(self, part: str) -> list[str]:
        """What the dots of a part can be coloured by."""
        by_class = [CLASS] if 1 < len(self.classes) <= len(theme.CLASSES) else []
        if part == TEST:
            return [*by_class, MISTAKES]
        return [*by_class, *([MEMORISED] if "memorised" in self.train else [])] or [CLASS]

    def within(self, part: str, corners: list[Corner]) -> np.ndarray:
        """(n,) int: the images of a part that lie within an area."""
        places = self.of(part)
        return places.index[inside(corners, places)].to_numpy()

    def at(self, part: str, index: int) -> Corner | None:
        """Where an image is drawn; None where it has no place."""
        places = self.of(part)
        (row,) = places.index.get_indexer(pd.Index([index]))
        if row < 0:
            return None
        x, y = (round(float(places[axis].to_numpy()[row]), 4) for axis in ("longitude", "latitude"))
        return x, y

    def answer(self, part: str, members: np.ndarray, k: int) -> Answer:
        """The k of the other part with the greatest and the least sums of kept scores over some images."""
        return self._sums.answer(part, members, k)

    # --- what the browser draws ---

    def dots(self, part: str) -> bytes:
        """Give what the browser fetches, made once: a list a column, an image a place in each."""
        if part not in self._dots:
            self._dots[part] = self._drawn(part)
        return self._dots[part]

    def _drawn(self, part: str) -> bytes:
        places = self.of(part)
        columns = {
            "id": places.index,
            "longitude": places["longitude"].round(4),
            "latitude": places["latitude"].round(4),
        }
        columns |= {name: places[name] for name in ("label", "prediction", "wrong") if name in places}
        for name in ("margin", "memorised"):
            if name in places:
                columns[name] = places[name].fillna(0).map("{:.3g}".format).astype(float)
        return json.dumps({name: column.tolist() for name, column in columns.items()}, separators=(",", ":")).encode()

    def told(self, part: str) -> tuple[Told, ...]:
        """What a dot's tooltip says."""
        label = Told("class", "label", words=self.classes)
        if part == TEST:
            said = Told("model says", "prediction", words=self.classes)
            return label, said, Told("margin", "margin", unit="", is_signed=True)
        return (label, Told("memorisation", "memorised", unit="")) if "memorised" in self.train else (label,)

    def paint(self, part: str, by: str) -> tuple[Paint, Legend]:
        """How dots are coloured, and what that means."""
        radius = 2.4 if len(self.of(part)) > 20_000 else 3.0
        if by == MISTAKES:
            paint = Paint("wrong", (0.5,), (("muted", 0.25), ("ink", 0.85)), (0, 1), radius)
            return paint, Legend("The model says", "", "", "", ("the right class", "another class"))
        if by == MEMORISED:
            breaks = self.train["memorised"].quantile([0.5, 0.75, 0.9, 0.97, 0.99])
            inks = tuple(("ink", alpha) for alpha in (0.06, 0.12, 0.22, 0.36, 0.55, 0.95))
            paint = Paint("memorised", tuple(float(f"{each:.3g}") for each in breaks), inks, tuple(range(6)), radius)
            return paint, Legend("Memorisation:", "lower half", "highest hundredth", "")
        n = max(1, min(len(self.classes), len(theme.CLASSES)))
        inks = tuple((colour, 0.7) for colour in theme.CLASSES[:n])
        breaks_ = tuple(place + 0.5 for place in range(n - 1))
        return Paint("label", breaks_, inks, tuple(range(n)), radius), Legend("", "", "", "", self.classes[:n])


def _placed(places: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    known = places.dropna()
    scaled = pd.DataFrame(
        {"longitude": _SPAN * known["map_x"].astype(float), "latitude": _SPAN * known["map_y"].astype(float)}
    )
    return scaled.join(facts, how="inner")
