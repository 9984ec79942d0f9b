"""What pages use that are not built on `frame`, `address` and `choosing` yet."""

from collections.abc import Sequence

import streamlit as st

from influence import datasets, library
from influence.explorer import panel
from influence.explorer.reading import data_of, evaluated, pictures_of, read
from influence.explorer.text import sentence
from influence.library import Entry

__all__ = ["data_of", "evaluated", "pictures_of", "read"]


def every() -> dict[str, Entry]:
    """All results by id; stops the page where there is none, and lists the folders that can't be read."""
    found, problems = library.every()
    if problems:
        with st.expander(f"{len(problems)} folder(s) that can't be shown"):
            for problem in problems:
                st.caption(sentence(problem))
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
