"""Streamlit parts that every page shares: the run panel, the choice of a result, theme, links that don't fit."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from influence import homes, library, results
from influence.errors import InfluenceError
from influence.explorer.parts.maps import Style
from influence.library import Entry
from influence.runs import Run, Runner
from influence.stopping import what_is_kept
from influence.text import duration

_PAGES = {"tracin": "pages/houses.py", "datamodels": "pages/images.py"}  # where the result of each job is shown

MEASURE = "--measure"  # has a run train one model and say how long all would take


@st.cache_resource
def runner() -> Runner:
    """The server's one runner: runs outlive pages, reloads and sessions, and end with the server."""
    results.sweep(homes.results_home())
    return Runner()


def style() -> Style:
    """Colours for the reader's theme, and where static files are."""
    base = st.get_option("server.baseUrlPath").strip("/")
    return Style(st.context.theme.type == "dark", f"{'/' + base if base else ''}/app/static")


def frame(title: str, page: str) -> None:
    """What every page begins with: its title, the links between pages, the run panel.

    Parameters
    ----------
    title : str
    page : str
        The page's file, such as ``pages/houses.py``.

    Streamlit's own convention for a folder pages/ is followed, and st.navigation is not used: beside such a folder, a
    fresh server that is first opened by a deep link runs that page alone, without what app.py would put around it.
    """
    st.set_page_config(page_title=f"{title} · Influence explorer", page_icon="🔎", layout="wide")
    st.session_state["has arrived"] = st.session_state.get("page shown") != page
    st.session_state["page shown"] = page
    with st.sidebar:
        st.page_link("app.py", label="Home", icon=":material/home:")
        st.page_link("pages/images.py", label="Images", icon=":material/grid_view:")
        st.page_link("pages/houses.py", label="Houses", icon=":material/map:")
        st.page_link("pages/quality.py", label="Quality", icon=":material/verified:")
        st.page_link("pages/compare.py", label="Compare", icon=":material/compare:")
        st.page_link("pages/outliers.py", label="Outliers", icon=":material/flag:")
        runs(page)


def has_arrived() -> bool:
    """Whether the reader has just come to this page, from another or from outside."""
    return bool(st.session_state["has arrived"])


# --- runs -----------------------------------------------------------------------------------------------------------


def runs(page: str) -> None:
    """How the current run stands, with a button to cancel it; how the last one ended, and why others failed."""
    history = runner().history
    for run in history:
        if run.is_going_on:
            _progress(run)
            st.button(
                "Cancel run",
                key="cancel_run",
                icon=":material/stop:",
                on_click=runner().cancel,
                args=(run,),
                width="stretch",
            )
        elif run is history[-1] or run.state == "failed":
            _ending(run, page)


@st.fragment(run_every=0.5)
def _progress(run: Run) -> None:
    if runner().current is not run:
        st.rerun()  # ended: the whole page shows how, and this stops asking
    left = run.seconds_left
    remaining = "estimating the time left" if left is None else f"about {duration(left)} left"
    st.progress(run.progress, f"**{title(run)}**: {run.what}, {run.progress:.0%}, {remaining}")


def title(run: Run) -> str:
    """What a run is called: like its result, or for what it does."""
    if run.out is not None:
        return run.out.name
    return f"Download of {run.arguments[1]}" if run.arguments[0] == "data" else "Measuring one model"


def _ending(run: Run, page: str) -> None:
    if run.state == "failed":
        st.error(f"**{title(run)}** failed after {duration(run.seconds)}. {run.error}", icon=":material/error:")
    elif run.state == "cancelled":
        what = what_is_kept(run.arguments)
        kept = f"{what.capitalize()} are kept." if what else "Nothing is left of it."
        st.info(f"**{title(run)}** was cancelled. {kept}", icon=":material/stop:")
    elif run.out is None or run.out.exists():
        st.success(f"**{title(run)}** is done ({duration(run.seconds)}). {run.said}", icon=":material/check:")
    else:
        return
    left, right = st.columns(2, vertical_alignment="center")
    if run.state == "done" and run.out is not None:
        home, shown = _PAGES[run.arguments[0]], {"result": run.out.name}
        if run.arguments[0] == "datamodels":
            shown |= {"data": run.arguments[2], "method": "datamodels"}
        here = page == home
        # On the page that is open, the address belongs to its widgets; from another page it carries the choice along.
        shows = left.button(
            "Show it",
            key=f"show_{run.number}",
            on_click=st.session_state.update if here else None,
            args=(shown,) if here else None,
            type="primary",
            width="stretch",
        )
        if shows and not here:
            st.switch_page(home, query_params=shown)
    elif run.state == "done" and MEASURE in run.arguments:
        left.button(
            "Train them",
            key=f"continue_{run.number}",
            help="It can be left running, cancelled, and started again: models that are trained are kept.",
            disabled=runner().current is not None,
            on_click=_go_on,
            args=(run,),
            type="primary",
            width="stretch",
        )
    right.button("Dismiss", key=f"dismiss_{run.number}", on_click=runner().dismiss, args=(run,), width="stretch")


def _go_on(run: Run) -> None:
    """Start what a run has measured."""
    start([argument for argument in run.arguments if argument != MEASURE], new_name(run.arguments[0]))
    runner().dismiss(run)


def start(arguments: Sequence[str], name: str | None) -> None:
    """Start a run whose result is called ``name``, if it has one; what is in the way is shown as a message."""
    try:
        runner().start(list(arguments), homes.results_home() / name if name else None)
    except InfluenceError as error:
        st.session_state["panel_message"] = str(error)


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
    if message := st.session_state.pop("panel_message", None):
        st.error(message)
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
        st.session_state["panel_message"] = str(error)


def _delete(entry: Entry) -> None:
    try:
        library.delete(entry)
        st.session_state.pop("result", None)
    except InfluenceError as error:
        st.session_state["panel_message"] = str(error)


def stamp(path: Path) -> int:
    """When a file changed, for cache keys; 0 where it is missing."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
