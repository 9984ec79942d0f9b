"""Houses on the compare page: the target, and two lists of training houses for each ranking."""

import pandas as pd
import streamlit as st

from influence.datasets import Dataset
from influence.explorer.compare import records
from influence.explorer.compare.records import Ranking
from influence.explorer.compare.show_head import head, titles
from influence.explorer.houses import words
from influence.explorer.houses.records import Houses
from influence.explorer.houses.show_map import cap
from influence.explorer.parts.heading import Heading
from influence.explorer.parts.rows import Column, Row, rows
from influence.explorer.text import escaped
from influence.library import Entry
from influence.results import Result

_COLUMNS = (
    Column("Price", strong=True, width="92px"),
    Column("Score", kind="bar"),
    Column("", kind="score", align="right"),
    Column("Away", kind="muted", align="right", width="56px"),
)
_TEXTS = {"Helped": "pulled the price the right way", "Hurt": "pulled it the wrong way"}


def show(
    listed: dict[str, Entry],
    compared: list[Result],
    rankings: list[Ranking],
    target: int,
    k: int,
    dataset: Dataset | None,
) -> None:
    """Draw the target and the rankings."""
    houses = {result.name: _houses(result, dataset) for result in compared}
    first = houses[compared[0].name]
    true = first.test["price"][target]
    st.header(f"House {target}", anchor=False)
    said = [f"Its price is **{_dollars(true)}**"] if pd.notna(true) else []
    for name, each in houses.items():
        if pd.notna(each.test["prediction"][target]):
            said.append(f"{escaped(name)} says **{_dollars(each.test['prediction'][target])}**")
    st.markdown("; ".join(said) if said else "Its price is in the data set, which is not on this machine.")
    for ranking, column in zip(rankings, st.columns(len(rankings), gap="medium"), strict=True):
        with column, st.container(border=True):
            head(ranking, listed, target)
            own = houses.get(ranking.name, first)
            for sign, title in titles(ranking):
                table = records.facts(own, ranking.table(sign, k), target)
                rows(
                    [_row(own, row, sign) for _, row in table.iterrows()],
                    _COLUMNS,
                    key=f"{title} {ranking.name}",
                    label=f"{title}, by {ranking.name}",
                    heading=Heading(title, _TEXTS.get(title, ""), sign),
                    height=400,
                )
    if dataset is not None:
        _show_features(records.features(first, rankings, target, k), k)
    st.caption("Scores of different methods have different units. Compare ranks, not sizes.")


def _show_features(table: pd.DataFrame, k: int) -> None:
    with st.container(border=True):
        st.markdown("**Are the houses alike?**")
        st.dataframe(table, hide_index=True, alt="The features of the house, and medians of those that helped it.")
        st.caption(
            f"Of each ranking, the median of the {k} houses that come first: those that helped, or are most alike."
        )


def _row(houses: Houses, row: "pd.Series[float]", sign: int) -> Row:
    price, score, away = words.price(row["price"], cap(houses)), words.signed(row["score"]), words.away(row["km"])
    train = int(row["train"])
    alt = f"Rank {row['rank']:+.0f}, training house {train}: score {score}, price {price}, {away} away"
    return Row(train, (price, abs(float(row["score"])), score, away), alt, sign)


def _dollars(value: object) -> str:
    return words.dollars(float(value)).replace("$", r"\$")  # type: ignore[arg-type]


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs={Result: lambda one: (one.path, one.manifest.created)})
def _houses(result: Result, _dataset: Dataset | None) -> Houses:
    return Houses(result, _dataset)
