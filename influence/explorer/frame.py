"""What surrounds every page: its title, the logo, links between the pages, runs, and the foot of the sidebar."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import quote

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from influence.errors import InfluenceError
from influence.explorer import address, foot, run_panel
from influence.explorer.menu import PAGES
from influence.explorer.parts import theme
from influence.explorer.style import style_sheet
from influence.explorer.text import sentence


@contextmanager
def frame(name: str) -> Iterator[DeltaGenerator]:
    """Draw a page within what surrounds all of them; an `InfluenceError` is shown as a sentence.

    ``with frame("images") as choices: ...``

    Yields
    ------
    DeltaGenerator
        The part of the sidebar for the page's own selectors: ``with choices: ...``.
    """
    choices, links = begin(name)
    before = address.looked_at()
    try:
        yield choices
    except InfluenceError as error:
        st.error(sentence(error), icon=":material/error:")
    if address.looked_at() != before:
        _show_links(name, links)


def begin(name: str) -> tuple[DeltaGenerator, DeltaGenerator]:
    """Draw what surrounds a page; return the parts of the sidebar for its selectors and for links."""
    page = PAGES[name]
    st.set_page_config(
        page_title=f"{page.title} · Influence explorer", page_icon=_icon(), layout="wide", initial_sidebar_state=260
    )
    st.html(style_sheet(theme.is_dark()))
    st.logo(_logo(theme.is_dark()), size="large")
    address.arrive(name)
    with st.sidebar:
        links = st.empty()
        _show_links(name, links)
        choices = st.container(key="choices", gap="small")
        with st.container(key="runs", gap="small"):
            run_panel.show(name)
        with st.container(key="foot"):
            foot.show()
    return choices, links


def _show_links(name: str, place: DeltaGenerator) -> None:
    """Links to the pages, each as the reader left it; to one not seen yet, with the data set that is looked at."""
    with place.container(gap="xxsmall"):
        for other in PAGES.values():
            data = address.looked_at() if other.data_key else None
            first = {other.data_key: data} if data else {}
            st.page_link(
                other.file,
                label=other.title,
                icon=f":material/{other.icon}:",
                width="stretch",
                query_params=(address.remembered(other.name) or first) if other.name != name else None,
            )


def title(name: str) -> DeltaGenerator:
    """Draw a page's title and its question, and return the row, to whose right end a page may add controls."""
    page = PAGES[name]
    row = st.container(horizontal=True, vertical_alignment="center", gap="small", key="title")
    row.title(page.title, anchor=False, width="content")
    row.markdown(page.question, width="stretch")
    return row


@cache
def _drawing() -> str:
    return (Path(__file__).parent / "logo.svg").read_text(encoding="utf-8")


def _logo(dark: bool) -> str:
    colours = theme.DARK if dark else theme.LIGHT
    return _drawing().replace("INK", colours.ink).replace("SIDE", colours.side)


def _icon() -> str:
    """The logo's mark alone, for the browser's tab."""
    mark = _drawing().partition('<path fill="INK"')[0].replace('width="171"', 'width="28"').replace("171 28", "28 28")
    return "data:image/svg+xml," + quote(mark.replace("SIDE", theme.LIGHT.side) + "</svg>")
