"""Training houses of the highest and the lowest self-influence: what the model learned by heart, and the rest."""

from functools import partial

import pandas as pd
import streamlit as st

from influence.explorer import address, glossary
from influence.explorer.houses import chosen, words
from influence.explorer.houses.chosen import Chosen
from influence.explorer.houses.features import FEATURES
from influence.explorer.houses.records import Houses
from influence.explorer.houses.show_map import cap
from influence.explorer.parts.heading import Heading
from influence.explorer.parts.rows import Column, Row, rows

HIGHEST, LOWEST = "Highest", "Lowest"


def show(houses: Houses, picked: Chosen) -> None:
    """Draw the list of one end, to mark houses on the map, and the table of both for download."""
    highest, lowest = houses.extremes
    st.markdown("**Which training houses did the model learn by heart?**")
    st.caption(
        f"{glossary.link('Self-influence')} is a training house’s score on itself: the squared length of its gradient, "
        "times the learning rate, summed over the checkpoints. High: its error stayed large, or its features are "
        "unusual; wrong data are among these. Low: what the model learned elsewhere holds here."
    )
    side = address.choose(
        "end", [HIGHEST, LOWEST], partial(st.segmented_control, "End", required=True, label_visibility="collapsed")
    )
    shown = highest if side == HIGHEST else lowest
    rows(
        [_row(houses, int(house), shown.loc[house]) for house in shown.index],
        [
            Column("House", strong=True),
            Column("Price", align="right"),
            Column("Error", align="right"),
            Column("Self-influence", kind="bar"),
            Column("", align="right"),
        ],
        key="extremes-list",
        label=f"{side} self-influence",
        on_pick=chosen.mark,
        heading=Heading(f"{len(shown)} {side.lower()}", "self-influence first"),
        selected=picked.ring,
        height=440,
    )
    with st.container(horizontal=True, gap="small"):
        if picked.ring is not None:
            st.button(
                f"See whom {picked.ring} helped and hurt",
                type="primary",
                on_click=chosen.open_training_house,
                args=(picked.ring,),
            )
            st.button("Clear the mark", on_click=partial(address.go, ring=None))
        _download(houses, highest, lowest)


def _row(houses: Houses, house: int, row: "pd.Series[float]") -> Row:
    price = words.price(row["price"], cap(houses))
    own = f"{row['self_influence']:,.0f}" if row["self_influence"] >= 100 else f"{row['self_influence']:.3g}"
    error = f"{'−' if row['residual'] < 0 else '+'}{words.dollars(abs(row['residual']))}"
    return Row(
        house,
        (str(house), price, error, float(row["self_influence"]), own),
        f"training house {house}: self-influence {own}, price {price}, error {error}",
        sorts=(house, float(row["price"]), float(row["residual"]), None, float(row["self_influence"])),
    )


def _download(houses: Houses, highest: pd.DataFrame, lowest: pd.DataFrame) -> None:
    both = pd.concat([highest.assign(side="highest"), lowest.iloc[::-1].assign(side="lowest")])
    columns = ["side", "self_influence", "price", "prediction", "residual", *(FEATURES if houses.has_data else ())]
    st.download_button(
        "Download these as CSV",
        lambda: both[columns].reset_index(names="house").to_csv(index=False, float_format="%.6g"),
        file_name="self-influence.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
