"""Results, evidence, data and pictures, each read once and kept for all pages and sessions."""

from pathlib import Path
from typing import Any

import streamlit as st

from influence import datasets, evidence, library
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.evidence import Evaluated
from influence.explorer import describing
from influence.explorer.parts.pictures import Pictures
from influence.explorer.run_panel import runner, start
from influence.explorer.text import sentence
from influence.library import Entry
from influence.results import Result


def stamp(path: Path) -> int:
    """When a file changed, for cache keys; 0 where it is missing."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def read(listed: Entry) -> Result[Any]:
    """A result, read and checked once; its name is the id that it has in lists of all."""
    return _read(listed, stamp(listed.path / "manifest.json"))


@st.cache_resource(max_entries=6, show_spinner="Reading the result …", hash_funcs={Entry: lambda one: one.path})
def _read(listed: Entry, stamp: int) -> Result[Any]:
    return library.read(listed)


def evaluated(listed: Entry) -> Evaluated:
    """The evidence about a result. Where there is none, the result's tables are not read for it."""
    places = [evidence.place(listed.path, kind) for kind in evidence.KINDS]
    if not any(place.exists() for place in places):
        return Evaluated()
    stamps = tuple(stamp(folder / "manifest.json") for folder in (listed.path, *places))
    return _evaluated(listed, stamps)


@st.cache_resource(max_entries=32, show_spinner="Reading the evidence …", hash_funcs={Entry: lambda one: one.path})
def _evaluated(listed: Entry, stamps: tuple[int, ...]) -> Evaluated:
    return evidence.read(read(listed))


def data_or_none(entry: Entry) -> Dataset | None:
    """The data that a result is about; None, without a message, if they can't be loaded."""
    if is_missing(entry):
        return None
    try:
        return _data(entry, stamp(entry.path / "manifest.json"))
    except InfluenceError:
        return None


def evidence_kinds(entry: Entry) -> int:
    """How many kinds of evidence a result has, without reading them."""
    return sum(evidence.place(entry.path, kind).exists() for kind in evidence.KINDS)


def is_missing(listed: Entry) -> bool:
    """Whether the data that a result is about are not on this machine, or only in part because they are fetched."""
    run = runner().current
    return (run is not None and run.arguments[0] == "data") or not datasets.is_present(listed.dataset)


def data_of(listed: Entry) -> Dataset | None:
    """The data that a result is about; None, and a message on the page, where they can't be had."""
    if is_missing(listed):
        what = _shipped(listed).what_is_shown if listed.has_classes else "only the houses that it names are shown"
        st.info(
            f"{datasets.facts(listed.dataset).title} is not on this machine, so {what}. `python -m influence data "
            f"{listed.dataset}` brings it.",
            icon=":material/download:",
        )
        return None
    try:
        return _data(listed, stamp(listed.path / "manifest.json"))
    except InfluenceError as error:
        st.error(sentence(error), icon=":material/error:")
        return None


def offer_download(listed: Entry) -> None:
    """Draw a button that fetches the data that a result is about. Once a page."""
    st.button(
        f"Download {datasets.facts(listed.dataset).title}",
        icon=":material/download:",
        disabled=runner().current is not None,
        on_click=start,
        args=(["data", listed.dataset], None),
    )


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
