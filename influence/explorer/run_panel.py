"""Runs in the sidebar: how the one that is going on stands, how a run of this session ended, and the list of all."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from influence import homes, library, results
from influence.errors import InfluenceError
from influence.explorer import address, describing
from influence.explorer.menu import PAGES
from influence.explorer.text import escaped, sentence
from influence.jobs import what_is_kept
from influence.library import Entry
from influence.runs import Run, Runner
from influence.text import duration

MEASURE = "--measure"  # has a run train one model and say how long all would take


@st.cache_resource
def runner() -> Runner:
    """The server's one runner: runs outlive pages, reloads and sessions, and end with the server."""
    results.sweep(homes.results_home())
    return Runner()


def start(arguments: Sequence[str], name: str | None, then: Sequence[list[str]] = (), later: str | None = None) -> None:
    """Start a run of this session whose result is called ``name``, if it has one; what is in the way is shown.

    ``then`` has the arguments of runs that follow, each when the one before it is done; ``later`` is the name for the
    result of a run that begins with measuring one model.
    """
    try:
        run = runner().start(list(arguments), homes.results_home() / name if name else None, then)
    except InfluenceError as error:
        complain(error)
        return
    st.session_state["runs started here"] = {*_own(), run.number}
    if later is not None:
        st.session_state.setdefault("names of measured runs", {})[run.number] = later


def complain(error: InfluenceError) -> None:
    """Show an error of a callback in the run that follows it."""
    st.session_state["complaint"] = str(error)


def show(page: str) -> None:
    """Draw the panel on the page of this name."""
    if complaint := st.session_state.pop("complaint", None):
        st.error(sentence(complaint), icon=":material/error:")
    current = runner().current
    if current is not None:
        _going_on(current)
    ended = [run for run in runner().history if not run.is_going_on]
    for run in ended:
        if run.number in _own() and _is_news(run, page):
            with st.container(border=True):
                _ending(run, page)
    if ended:
        with st.expander(f"Runs :gray[{len(ended)}]", icon=":material/history:", key="list of runs"):
            for run in reversed(ended):
                st.markdown(_line(run))
                _links(run, page, "listed")
            st.button("Clear this list", on_click=_forget, args=(ended,), width="stretch")


def _own() -> set[int]:
    """The numbers of the runs that this session started, and of those that followed them."""
    own = set(st.session_state.get("runs started here", ()))
    for run in runner().history:
        if run.after in own:
            own.add(run.number)
    return own


def _is_news(run: Run, page: str) -> bool:
    """Whether the end of a run is still to be told: until the reader dismisses it, or goes to another page."""
    told: dict[int, str] = st.session_state.setdefault("told of runs", {})
    return told.setdefault(run.number, page) == page


def _tell_no_more(run: Run) -> None:
    st.session_state.setdefault("told of runs", {})[run.number] = ""


def _forget(ended: Sequence[Run]) -> None:
    for run in ended:
        runner().dismiss(run)


# --- a run that is going on -----------------------------------------------------------------------------------------


def _going_on(run: Run) -> None:
    with st.container(border=True, key="run that is going on"):
        _progress(run)
        if run.number in _own():
            st.button(
                "Cancel run",
                key="cancel_run",
                icon=":material/stop:",
                on_click=runner().cancel,
                args=(run,),
                width="stretch",
            )
            return
        st.caption("Another session started this run.")
        with st.popover("Cancel run", icon=":material/stop:", width="stretch"):
            st.markdown("It is not yours: whoever started it waits for it.")
            st.button("Cancel it all the same", key="cancel_run", on_click=runner().cancel, args=(run,))


@st.fragment(run_every=0.5)
def _progress(run: Run) -> None:
    if runner().current is not run:
        st.rerun()  # ended: the whole page shows how, and this stops asking
    left = run.seconds_left
    remaining = "estimating the time left" if left is None else f"about {duration(left)} left"
    st.progress(run.progress, f"**{escaped(title(run))}**: {escaped(run.what)}, {run.progress:.0%}, {remaining}")


# --- runs that ended ------------------------------------------------------------------------------------------------


def title(run: Run) -> str:
    """What a run is called: like its result, or for what it does."""
    if run.out is not None:
        return run.out.name
    verb, *rest = run.arguments
    if verb == "data":
        return f"Download of {rest[0]}"
    if verb == "evaluate":
        return f"Evaluation {rest[0]} of {rest[1].rstrip('/').rpartition('/')[2]}"
    return "Collection of models" if MEASURE not in run.arguments else "Measuring one model"


def _ending(run: Run, page: str) -> None:
    name = f"**{escaped(title(run))}**"
    if run.state == "failed":
        st.error(f"{name} failed after {duration(run.seconds)}. {sentence(run.error)}", icon=":material/error:")
    elif run.state == "cancelled":
        st.info(f"{name} was cancelled. {_kept(run)}", icon=":material/stop:")
    else:
        st.success(f"{name} is done ({duration(run.seconds)}). {sentence(run.said)}", icon=":material/check:")
    if run.state == "done" and MEASURE in run.arguments:
        st.button(
            "Train them",
            key=f"continue_{run.number}",
            help="It can be left running, cancelled, and started again: models that are trained are kept.",
            disabled=runner().current is not None,
            on_click=_go_on,
            args=(run,),
            type="primary",
            width="stretch",
        )
    _links(run, page, "news")
    st.button("Dismiss", key=f"dismiss_{run.number}", on_click=_tell_no_more, args=(run,), width="stretch")


def _line(run: Run) -> str:
    ending = {"done": "done", "failed": f"failed: {sentence(run.error)}", "cancelled": "cancelled"}[run.state]
    return f"**{escaped(title(run))}** · {duration(run.seconds)} · {ending}"


def _kept(run: Run) -> str:
    what = what_is_kept(run.arguments)
    return f"{what.capitalize()} are kept." if what else "Nothing is left of it."


def _links(run: Run, page: str, where: str) -> None:
    """Link to the result of a run on the page that shows it, and to a comparison with the shipped result."""
    entry = next((each for each in library.every()[0].values() if each.path == run.out), None)
    if run.state != "done" or entry is None:
        return
    file, link = describing.page_of(entry)
    if file == PAGES[page].file:
        st.button(
            "Show it",
            key=f"show_{where}_{run.number}",
            icon=":material/arrow_forward:",
            on_click=partial(_show, run, link),
            width="stretch",
        )
    else:
        st.page_link(file, label="Show it", icon=":material/arrow_forward:", query_params=link)
    if (other := shipped_beside(entry)) is not None:
        st.page_link(
            PAGES["compare"].file,
            label="Compare with the shipped result",
            icon=":material/compare:",
            query_params={"on": entry.dataset, "first": other.id, "second": entry.id},
        )


def _show(run: Run, link: dict[str, str]) -> None:
    address.go(**(dict.fromkeys(address.said()) | link))
    _tell_no_more(run)


def shipped_beside(entry: Entry) -> Entry | None:
    """The result that ships of the same data set and method, else of the same data set; None where there is none."""
    found = [each for each in library.every()[0].values() if each.is_shipped and each.dataset == entry.dataset]
    found.sort(key=lambda each: each.method != entry.method)
    return found[0] if found else None


def _go_on(run: Run) -> None:
    """Start what a run has measured."""
    start([argument for argument in run.arguments if argument != MEASURE], _name_of(run))
    runner().dismiss(run)


def _name_of(run: Run) -> str:
    known: dict[int, str] = st.session_state.get("names of measured runs", {})
    return library.unused_name(known.get(run.number, run.arguments[0]))
