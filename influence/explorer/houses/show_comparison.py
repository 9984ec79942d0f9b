"""How the picked house compares with what helped and hurt it most, or with the one that is marked."""

import pandas as pd
import streamlit as st

from influence.explorer.houses import drawn, geography
from influence.explorer.houses.chosen import Chosen
from influence.explorer.houses.features import FEATURES
from influence.explorer.houses.records import Houses

TITLE = "How they compare"

_Named = tuple[str, int]


def show(houses: Houses, picked: Chosen, of_training: bool) -> None:
    """Draw the table; a sentence where the data set is missing."""
    if houses.comparison is None:
        st.caption(f"{TITLE}: the features of houses are in the data set, which is not on this machine.")
        return
    columns = _columns(houses, picked, of_training)
    if not columns:
        st.caption("Click a dot or a row to mark a training house. Then see how it stands, and whom it helped.")
    else:
        named, shown = zip(*columns, strict=True)
        st.html(drawn.comparison(houses.comparison.rows(list(shown)), named, TITLE, geography.REGION))


def _columns(houses: Houses, picked: Chosen, of_training: bool) -> list[tuple[_Named, "pd.Series[float]"]]:
    """The houses that are compared, with their names and signs."""
    reach, pick = picked.reach, picked.pick
    columns: list[tuple[_Named, pd.Series[float]]]
    if reach is not None:
        columns = [(("This house", 0), reach.house)]
        sides = ((reach.helped, "most helped", 1), (reach.hurt, "most hurt", -1))
        return columns + [(_signed(name, sign), side.iloc[0]) for side, name, sign in sides if len(side)]
    if of_training:
        return [
            ((f"House {house}", 0), row)
            for house, row in houses.train.loc[houses.train.index == picked.ring].iterrows()
        ]
    many = len(pick.houses)
    features = [name for name in FEATURES if name in pick.houses]
    columns = [(("This house" if many == 1 else f"Mean of {many}", 0), pick.houses[features].mean())]
    for side, name, sign in ((pick.proponents, "top helper", 1), (pick.opponents, "top hurter", -1)):
        marked = side[side["train"] == picked.ring]
        if len(marked):
            columns.append((_signed(f"house {picked.ring}", sign), marked.iloc[0]))
        elif len(side):
            columns.append((_signed(name, sign), side.iloc[0]))
    return columns


def _signed(name: str, sign: int) -> _Named:
    return f"{'+' if sign > 0 else '−'} {name}", sign
