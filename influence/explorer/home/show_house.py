"""The house of the first page, with a small map."""

from typing import Any

import pandas as pd
import streamlit as st

from influence.datasets import Dataset
from influence.explorer import describing, reading
from influence.explorer.home import records
from influence.explorer.home.records import Story
from influence.explorer.home.small_map import small_map
from influence.explorer.houses.geography import OUTLINES
from influence.explorer.parts import theme
from influence.library import Entry
from influence.results import Result
from influence.serve import script


def show(entry: Entry) -> None:
    """Draw the card."""
    stamp = reading.stamp(entry.path / "manifest.json")
    chosen = _chosen(str(entry.path), stamp, reading.read(entry), reading.data_or_none(entry))
    if chosen is None:
        return
    story, test, train = chosen
    st.html(small_map(story, test, train, theme.colours(), script().parent / "static" / OUTLINES))
    price = float(test["price"].loc[story.target])
    error = float(story.row["residual"]) * 1e5
    with st.container(key="verdict house"):
        st.markdown(f"## {_dollars(price)} :gray[→] {_dollars(price + error)}")
    st.markdown(
        f"The model says **{_dollars(abs(error))} too {'much' if error > 0 else 'little'}**. Houses with a "
        ":blue[**+**] pulled its price the right way, those with an :orange[**−**] the wrong way."
    )
    page, link = describing.page_of(entry, target=story.target)
    st.page_link(
        page, label="Open this house", icon=":material/arrow_forward:", icon_position="right", width="stretch",
        query_params=link,
    )  # fmt: skip


@st.cache_data(max_entries=2, show_spinner=False)
def _chosen(
    path: str, stamp: int, _result: Result[Any], _dataset: Dataset | None
) -> tuple[Story, pd.DataFrame, pd.DataFrame] | None:
    test = records.places(_result.targets, _dataset, "test")
    train = records.places(_result.train, _dataset, "train")
    story = records.house_story(_result, test, train)
    if story is None:
        return None
    return story, test.loc[[story.target]], train.loc[[*story.helped["train"], *story.hurt["train"]]]


def _dollars(value: float) -> str:
    return rf"\${value:,.0f}"
