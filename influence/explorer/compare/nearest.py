"""Neighbours of an example by its inputs, measured once for all sessions."""

import streamlit as st

from influence.datasets import Dataset
from influence.explorer.compare.records import Nearest, Ranking
from influence.library import Entry


def nearest(dataset: Dataset, listed: Entry, target: int, k: int) -> Ranking:
    """The k nearest and most opposed of the training examples that a result ranks."""
    return _nearest(dataset, dataset.content_hash, listed.has_classes, *listed.manifest.part).ranking(target, k)


@st.cache_resource(max_entries=2, show_spinner="Measuring the training part …")
def _nearest(
    _dataset: Dataset, content_hash: str, has_classes: bool, classes: tuple[str, ...], train_size: int | None
) -> Nearest:
    return Nearest(_dataset, has_classes)
