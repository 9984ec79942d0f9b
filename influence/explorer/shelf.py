"""Streamlit parts of the pages that look at results of every method: reading them once, and choosing among them."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from influence import datasets, evidence, homes, library
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.evidence import Evaluated
from influence.explorer import describing, panel
from influence.explorer.outliers.records import Judgement
from influence.explorer.parts.pictures import Pictures
from influence.library import Entry
from influence.results import Result


def read(listed: Entry) -> Result[Any]:
    """A result, read and checked once; its name is the id that it has in lists of all."""
    return _read(listed, panel.stamp(listed.path / "manifest.json"))


@st.cache_resource(max_entries=6, show_spinner="Reading the result …", hash_funcs={Entry: lambda one: one.path})
def _read(listed: Entry, stamp: int) -> Result[Any]:
    return library.read(listed)


def evaluated(listed: Entry) -> Evaluated:
    """The evidence about a result. Where there is none, the result's tables are not read for it."""
    places = [evidence.place(listed.path, kind) for kind in evidence.KINDS]
    if not any(place.exists() for place in places):
        return Evaluated()
    stamps = tuple(panel.stamp(folder / "manifest.json") for folder in (listed.path, *places))
    return _evaluated(listed, stamps)


@st.cache_resource(max_entries=32, show_spinner="Reading the evidence …", hash_funcs={Entry: lambda one: one.path})
def _evaluated(listed: Entry, stamps: tuple[int, ...]) -> Evaluated:
    return evidence.read(read(listed))


def judgement(listed: Entry, found: dict[str, Entry]) -> Judgement | None:
    """Scores of the training labels as they are, from mislabels evidence on the same data: its own or another's.

    What `evaluate mislabels` measured for the data set itself, which no result holds, counts too.
    """
    others = (one for one in found.values() if one.manifest.dataset_hash == listed.manifest.dataset_hash)
    for one in (listed, *others):
        if one.manifest.part != listed.manifest.part:
            continue
        try:
            mislabels = evaluated(one).mislabels
        except InfluenceError:  # that result says so itself where it is shown
            continue
        if mislabels is not None:
            return Judgement(_unflipped(mislabels.tables["examples"]), one.id)
    return _of_dataset(listed)


def _of_dataset(listed: Entry) -> Judgement | None:
    folder = homes.results_home() / ".evidence" / listed.dataset
    try:
        manifest, tables = evidence.read_one(folder, "mislabels")
    except InfluenceError:
        return None
    if manifest.about.get("dataset_hash") != listed.manifest.dataset_hash:
        return None
    return Judgement(_unflipped(tables["examples"]), listed.dataset)


def _unflipped(examples: pd.DataFrame) -> pd.DataFrame:
    return examples[examples["flips"] == "none"].set_index("train")


def data_of(listed: Entry) -> Dataset | None:
    """The data that a result is about; None, and a message on the page, where they can't be had."""
    run = panel.runner().current
    being_fetched = run is not None and run.arguments[0] == "data"
    if being_fetched or not datasets.is_present(listed.dataset):
        what = _shipped(listed).what_is_shown if listed.has_classes else "only the houses that it names are shown"
        st.info(
            f"{listed.dataset} is not on this machine, so {what}. `python -m influence data {listed.dataset}` brings "
            "it.",
            icon=":material/download:",
        )
        return None
    try:
        return _data(listed, panel.stamp(listed.path / "manifest.json"))
    except InfluenceError as error:
        st.error(str(error), icon=":material/error:")
        return None


@st.cache_resource(max_entries=4, show_spinner="Reading the data …", hash_funcs={Entry: lambda one: one.path})
def _data(listed: Entry, stamp: int) -> Dataset:
    return describing.load_data(listed)


def pictures_of(listed: Entry, dataset: Dataset | None) -> Pictures:
    """Its pictures, each drawn once; those that ship where the data set is missing."""
    if not listed.has_classes:
        return Pictures(None)
    if dataset is None:
        return _shipped(listed)
    return _pictures(dataset, dataset.content_hash, *listed.manifest.part)


@st.cache_resource(max_entries=4, show_spinner=False)
def _pictures(_dataset: Dataset, content_hash: str, classes: tuple[str, ...], train_size: int | None) -> Pictures:
    return Pictures(_dataset)


def _shipped(listed: Entry) -> Pictures:
    return _shipped_pictures(listed.dataset, listed.manifest.dataset_hash)


@st.cache_resource(max_entries=4, show_spinner=False)
def _shipped_pictures(name: str, dataset_hash: str) -> Pictures:
    return Pictures.shipped(name, dataset_hash)


def every() -> dict[str, Entry]:
    """All results by id; stops the page where there is none, and lists the folders that can't be read."""
    found, problems = library.every()
    if problems:
        with st.expander(f"{len(problems)} folder(s) that can't be shown"):
            for problem in problems:
                st.caption(problem)
    if not found:
        st.info("There is no result yet. Compute one with `python -m influence tracin digits`.")
        st.stop()
    return found


def choose_dataset(found: dict[str, Entry], check: panel.Check, *leaves: str) -> str:
    """A data set that has results; what was picked under the keys ``leaves`` belongs to the one that was shown."""
    names = sorted({listed.dataset for listed in found.values()}, key=list(datasets.NAMES).index)
    first = "digits" if "digits" in names else names[0]
    panel.keep_within("on", names.__contains__)
    name: str = st.segmented_control(
        "Data set",
        names,
        default=first,
        required=True,
        key="on",
        bind="query-params",
        label_visibility="collapsed",
        on_change=leave,
        args=leaves,
    )
    check("on", name, f"there is no result on it, so {name} is shown.")
    return name


def leave(*keys: str) -> None:
    """What was picked belongs to the data set that was shown: forget it, here and in the address."""
    # Given a value where possible: of what is forgotten, the browser would keep showing the old one.
    blank = {"target": None, "example": None, "fix": "", "find": "", "sheet": 1}
    for key in keys:
        if key in blank:
            st.session_state[key] = blank[key]
        else:
            st.session_state.pop(key, None)
    panel.drop(*keys)


# --- coming back ----------------------------------------------------------------------------------------------------


def come_back(page: str, keys: Sequence[str]) -> None:
    """Choose again what was chosen when the reader left a page, unless the address chooses something.

    A link to another page that carries parameters leaves a step in the browser's history that has this page's path
    and the other's parameters: without this, going back would show the defaults. In the run that follows a step in the
    history the address decides, so the choice is made in one of its own.
    """
    left = st.session_state.get(f"left on {page}", {})
    if left and panel.has_arrived() and not any(key in st.query_params for key in keys):
        st.session_state.update(left)
        st.rerun()


def leave_ready(page: str, keys: Sequence[str]) -> None:
    """Note what is chosen, at the end of a run, for `come_back`."""
    st.session_state[f"left on {page}"] = {
        key: st.session_state[key] for key in keys if st.session_state.get(key) is not None
    }
