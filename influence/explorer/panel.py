"""What pages use that are not built on `frame`, `address` and `choosing` yet."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from influence import library
from influence.errors import InfluenceError
from influence.explorer.address import has_arrived
from influence.explorer.frame import begin
from influence.explorer.reading import stamp
from influence.explorer.run_panel import MEASURE, complain, runner, start
from influence.library import Entry

__all__ = ["MEASURE", "Check", "begin", "has_arrived", "runner", "stamp", "start"]


def frame(title: str, page: str) -> None:
    """What every page begins with."""
    begin(title.lower())


def new_name(method: str) -> str:
    return f"{method}-{datetime.now():%Y-%m-%d-%H%M%S}"


# --- links ---------------------------------------------------------------------------------------------------------

Check = Callable[[str, object, str], None]


def link_checker(page: str) -> Check:
    """Compare what the address asked for, when this session first came to a page, with what is shown.

    The returned function takes a parameter's name, what is shown for it, and why something else may not be; it warns
    until the reader picks something else. (Later on the address is no guide: it lags behind a pick by one run.)
    """
    asked: dict[str, str] = st.session_state.setdefault(f"link of {page}", dict(st.query_params))
    refused: dict[str, tuple[str, object]] = st.session_state.setdefault(f"refused by {page}", {})

    def check(key: str, shown: object, why: str) -> None:
        if key in asked:
            said = asked.pop(key).strip()
            number = isinstance(shown, int) and not isinstance(shown, bool) and said.lstrip("+").isdecimal()
            if (str(int(said)) if number else said).casefold() != str(shown).casefold():
                refused[key] = (said, shown)
        if key in refused:
            said, instead = refused[key]
            if instead == shown:
                st.warning(f"The link asks for {key}={said}: {why}")
            else:
                del refused[key]

    return check


def follow_address(key: str, options: Mapping[str, Any]) -> Callable[[], None]:
    """Give a widget the value that the address names, and return what is to be called when it changes.

    For widgets whose labels carry counts: Streamlit's own binding would put the labels of options into the address,
    and gives a value only when the widget is made, too late to count with.

    Parameters
    ----------
    key : str
        Of the widget, and of the parameter.
    options : mapping
        From what the address says to the widget's values; the first is the default, which the address leaves out.
    """
    default, *_ = options
    st.session_state[key] = options.get(st.query_params.get(key, default), options[default])

    def changed() -> None:
        said = next(said for said, value in options.items() if value == st.session_state[key])
        if said == default:
            st.query_params.pop(key, None)
        else:
            st.query_params[key] = said

    return changed


def leave_out(*keys: str) -> None:
    """Take parameters of bound widgets out of the address along with the next change of it.

    Streamlit makes a step in the browser's history of every parameter that a callback changes. Those that change
    together should be one step back, so all but one are dropped silently, which its public functions can't do.
    """
    if context := get_script_run_ctx():
        with context.session_state.query_params() as address:
            for key in keys:
                address.discard_param_no_forward_msg(key)


def drop(*keys: str) -> None:
    """Take parameters out of the address at once: one step in the browser's history."""
    present = [key for key in keys if key in st.query_params]
    leave_out(*present[:-1])
    if present and (context := get_script_run_ctx()):
        with context.session_state.query_params() as address:
            address.remove_param(present[-1])


def keep_within(key: str, allowed: Callable[[Any], bool]) -> None:
    """Forget a widget's value that another result does not allow: Streamlit would stop at it."""
    value = st.session_state.get(key)
    if value is not None and not allowed(value):
        del st.session_state[key]


# --- selections -----------------------------------------------------------------------------------------------------


def selection_key(name: str, read: Callable[[Any], int | None], shown: int | None) -> str:
    """The key of a map or table whose selection picks something.

    A selection can't be changed from here, and selecting the same again is no event. So one that no longer names what
    is shown, because that was picked in another way since, is dropped by giving its widget a new key.

    Parameters
    ----------
    name : str
    read : callable
        From the widget's state to what it selects, or None.
    shown : int or None
        What the page shows.
    """
    version = st.session_state.setdefault(f"version of {name}", 0)
    state = st.session_state.get(f"{name} {version}")
    if state is not None and read(state) not in (None, shown):
        version += 1
        st.session_state[f"version of {name}"] = version
    return f"{name} {version}"


# --- results --------------------------------------------------------------------------------------------------------


def choose_result(dataset: str, method: str, check: Check) -> Entry:
    """A list of the results of a method, with rename and delete. Stops the page where there is none."""
    entries, problems = library.of_method(dataset, method)
    if not entries:
        st.info(f"There is no result yet. Compute one with `python -m influence {method} {dataset}`, or from here.")
        _problems(problems)
        st.stop()
    by_name = {entry.name: entry for entry in entries}
    if st.session_state.get("result") not in by_name:
        st.session_state.pop("result", None)
    name = st.selectbox("Result", list(by_name), key="result", bind="query-params")
    entry = by_name[name]
    check("result", name, f"there is no such result, so “{name}” is shown.")
    if not entry.is_shipped:
        with st.popover("Rename or delete", width="stretch"):
            st.text_input("New name", value=entry.name, key=f"name_of_{entry.name}")
            st.button("Rename", on_click=_rename, args=(entry,), width="stretch")
            st.divider()
            st.button(
                f"Delete {entry.name}", on_click=_delete, args=(entry,), icon=":material/delete:", width="stretch"
            )
    _problems(problems)
    return entry


def _problems(problems: Sequence[str]) -> None:
    if problems:
        with st.expander(f"{len(problems)} folder(s) that can't be shown"):
            for problem in problems:
                st.caption(problem)


def _rename(entry: Entry) -> None:
    try:
        st.session_state["result"] = library.rename(entry, st.session_state[f"name_of_{entry.name}"]).name
    except InfluenceError as error:
        complain(error)


def _delete(entry: Entry) -> None:
    try:
        library.delete(entry)
        st.session_state.pop("result", None)
    except InfluenceError as error:
        complain(error)
