"""The map page: images that are influenced alike, and which test images memorised training images help."""

from functools import partial

import streamlit as st

from influence.explorer import address, choosing, frame
from influence.explorer.image_views import show_map, show_memorised
from influence.library import Entry

_VIEWS = {"map": show_map, "memorised": show_memorised}
_TITLES = {"map": "Map", "memorised": "Memorised pairs"}
_LEAVES = ("part", "colour", *show_map.LEAVES)


def show() -> None:
    """Draw the page."""
    with frame.frame("map") as choices:
        with choices:
            entry = choosing.choose_result(
                choosing.shown_on("images"), leaves=_LEAVES, with_result=show_memorised.LEAVES, best=_has_map
            )
        with frame.title("map"):
            view: str = address.choose(
                "view",
                [*_VIEWS],
                partial(
                    st.segmented_control,
                    "View",
                    required=True,
                    label_visibility="collapsed",
                    format_func=lambda each: _TITLES[each],
                ),
                below=(*_LEAVES, *show_memorised.LEAVES),
            )
        _VIEWS[view].show(entry)


def _has_map(entry: Entry) -> bool:
    return show_map.where(entry).exists()
