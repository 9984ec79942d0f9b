"""Pages of a list that is too long for one."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from influence.explorer import address


def choose_page(key: str, pages: int, visible: int = 7, also: Mapping[str, object] | None = None) -> int:
    """Draw the numbers of a list's pages, where there are several, and return the one that the address names.

    Parameters
    ----------
    key : str
        The parameter of the address.
    pages : int
        How many there are.
    visible : int
        How many numbers are drawn at most.
    also : mapping or None
        What a change writes into the address as well.
    """

    def draw(low: int, high: int, step: int, **more: Any) -> None:
        if high > 1:
            st.pagination(high, max_visible_pages=visible, **more)

    there = "is 1 page" if pages == 1 else f"are {pages:,} pages"
    return address.number(key, 1, pages, draw, default=1, also=also, why=f"there {there}, so page {{}} is shown.") or 1
