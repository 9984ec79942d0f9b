"""The confusion matrix of the images page: a cell opens its images and what caused them."""

import numpy as np
import streamlit as st

from influence.explorer.images import chosen
from influence.explorer.images.chosen import Chosen
from influence.explorer.images.filters import Filters
from influence.explorer.images.records import Images
from influence.explorer.parts.matrix import matrix
from influence.explorer.text import escaped

_FREQUENT = 6
_KEY = "frequent mistakes"
LABEL = "Confusion matrix"


def show(images: Images, filters: Filters, picked: Chosen) -> None:
    """Draw the matrix and the most frequent mistakes."""
    cell = picked.cell or ((filters.label, filters.prediction) if filters.is_cell else None)
    at = None if cell is None else (images.classes.index(cell[0]), images.classes.index(cell[1]))
    wrong = int(images.test["wrong"].sum())
    st.caption(
        f"{len(images.test):,} test images, {wrong:,} of them wrong. Dark cells are frequent mistakes: click one."
    )
    matrix(
        images.confusion,
        images.classes,
        key="confusion",
        label=LABEL,
        on_pick=lambda own, said: chosen.open_cell(images.classes[own], images.classes[said]),
        selected=at,
    )
    _show_frequent(images, cell)


def _show_frequent(images: Images, cell: tuple[str, str] | None) -> None:
    counts = images.confusion - np.diag(np.diag(images.confusion))
    order = np.argsort(-counts, axis=None, kind="stable")[:_FREQUENT]
    found = [divmod(int(place), len(images.classes)) for place in order if counts.flat[place]]
    if not found:
        return
    names = {f"{images.classes[own]} → {images.classes[said]}": (own, said) for own, said in found}
    shown = None if cell is None else f"{cell[0]} → {cell[1]}"
    st.session_state[_KEY] = shown if shown in names else None

    def changed() -> None:
        name = st.session_state[_KEY]
        if name is not None:
            own, said = names[name]
            chosen.open_cell(images.classes[own], images.classes[said])

    st.pills(
        "Most frequent mistakes",
        [*names],
        key=_KEY,
        on_change=changed,
        wrap=True,
        format_func=lambda name: f"{escaped(name)} :gray[{counts[names[name]]:,}]",
    )
