"""Data set, method and result: the same selectors in the same order on every page, and how far to trust the choice."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import streamlit as st

from influence import datasets, library
from influence.datasets import sheets
from influence.errors import InfluenceError
from influence.explorer import address, describing, glossary, reading, recompute
from influence.explorer.address import Draw
from influence.explorer.run_panel import complain
from influence.explorer.text import escaped, sentence
from influence.library import Entry
from influence.methods import METHODS

_AT_MOST = 3  # options of a segmented control; more are a list
_AT_ALL = 30  # letters in all of its options


def shown_on(page: str) -> dict[str, Entry]:
    """The results that a page shows, by id: those of its kind of data, or all where it is no kind's home.

    Raises
    ------
    InfluenceError
        If there is none.
    """
    found, _ = library.every()
    shown = {id_: entry for id_, entry in found.items() if _shows(page, entry.dataset)}
    if not shown:
        of_kind = [name for name in datasets.NAMES if _shows(page, name)]
        dataset = min(of_kind, key=lambda name: not datasets.facts(name).is_quick)
        raise InfluenceError(f"There is no result yet: make one with `python -m influence tracin {dataset}`.")
    return shown


def _shows(page: str, dataset: str) -> bool:
    """Whether a page shows a data set: all show those with a page of their own, and quality shows any."""
    home = describing.home_of_data(dataset)
    return page in ("quality", home) or (page in _FOR_ALL and home != "quality")


_FOR_ALL = ("outliers", "compare", "home")


def choose_result(
    entries: Mapping[str, Entry],
    *,
    leaves: Sequence[str] = (),
    with_result: Sequence[str] = (),
    best: Callable[[Entry], float] | None = None,
    trust: Callable[[Entry], tuple[str, str]] | None = None,
) -> Entry:
    """Draw the selectors, the trust line and "Recompute", and return the result that they show.

    ``with choices: entry = choosing.choose_result(choosing.shown_on("images"), leaves=("image", "train", "page"))``

    An address may name a result by its id (``of=digits/tracin``), or by its name alone, as old links do.

    Parameters
    ----------
    entries : mapping of id to Entry
    leaves : sequence of str
        Parameters that belong to one data set, such as the picked image: another one takes them out of the address.
    with_result : sequence of str
        Parameters that belong to one result: another one takes them out, too.
    best : callable or None
        How good an entry is to begin with; of equals the first is taken.
    trust : callable or None
        A heading and a sentence about an entry; by default what its linear datamodeling score says.
    """
    named = _named(entries)
    name = _choose_dataset(entries, named, (*leaves, *with_result), best)
    address.look_at(name)
    of_it = [entry for entry in entries.values() if entry.dataset == name]
    method = _choose_method(of_it, named, tuple(with_result), best)
    entry = _choose_name([each for each in of_it if each.method == method], named, tuple(with_result), best)
    if not entry.is_shipped:
        manage(entry)
    show_trust(*(trust or trust_of)(entry))
    _show_problems()
    recompute.show(entry)
    return entry


def _named(entries: Mapping[str, Entry]) -> Entry | None:
    """The result that the address names by its id, or by a name that only one has."""
    of = address.get("of")
    if of is not None:
        if of not in entries:
            address.refuse("of", "there is no such result, so another is shown.")
        return entries.get(of)
    said = {key: address.get(key) for key in ("data", "method", "result")}
    fitting = [
        each
        for each in entries.values()
        if (each.dataset, each.method, each.name) == tuple(said[key] or own for key, own in _own(each).items())
    ]
    return fitting[0] if said["result"] and len(fitting) == 1 else None


def _own(entry: Entry) -> dict[str, str]:
    return {"data": entry.dataset, "method": entry.method, "result": entry.name}


def _first(entries: Sequence[Entry], named: Entry | None, best: Callable[[Entry], float] | None) -> Entry:
    if named is not None and named in entries:
        return named
    return max(entries, key=best) if best else entries[0]


def _choose_dataset(
    entries: Mapping[str, Entry],
    named: Entry | None,
    leaves: tuple[str, ...],
    best: Callable[[Entry], float] | None,
) -> str:
    names = sorted({entry.dataset for entry in entries.values()}, key=lambda name: (not has_pictures(name), name))
    by_name = [entry for name in names for entry in entries.values() if entry.dataset == name]
    chosen: str = one_of(
        "data",
        "Data set",
        names,
        lambda name: datasets.facts(name).title,
        default=_first(by_name, named, best).dataset,
        below=("of", "method", "result", *leaves),
        also={},
        why="there is no result on it, so {} is shown.",
    )
    return chosen


def has_pictures(name: str) -> bool:
    """Whether a data set has pictures that are on this machine, or that ship."""
    return bool(datasets.facts(name).classes) and (datasets.is_present(name) or sheets.path_of(name).exists())


def _choose_method(
    of_it: Sequence[Entry], named: Entry | None, leaves: tuple[str, ...], best: Callable[[Entry], float] | None
) -> str:
    chosen: str = one_of(
        "method",
        "Method",
        sorted({entry.method for entry in of_it}),
        lambda name: describing.capital(METHODS[name].title),
        default=_first(of_it, named, best).method,
        below=("of", "result", *leaves),
        also={"data": of_it[0].dataset},
        why=f"there is no result of it on {of_it[0].dataset}, so {{}} is shown.",
    )
    return chosen


def _choose_name(
    entries: Sequence[Entry], named: Entry | None, leaves: tuple[str, ...], best: Callable[[Entry], float] | None
) -> Entry:
    by_name = {entry.name: entry for entry in entries}
    chosen: str = address.choose(
        "result",
        list(by_name),
        partial(st.selectbox, "Result", format_func=lambda name: describing.label(by_name[name])),
        default=_first(entries, named, best).name,
        below=("of", *leaves),
        also={"data": entries[0].dataset, "method": entries[0].method},
        why="there is no such result, so “{}” is shown.",
    )
    return by_name[chosen]


def one_of(key: str, label: str, options: Sequence[str], title: Callable[[str], str], **more: object) -> str:
    """A choice as segments where they fit, else as a list; a single option is stated and can't be changed.

    Parameters
    ----------
    key, label : str
    options : sequence of str
    title : callable
        What the reader sees of an option.
    **more
        See `address.choose`.
    """

    def say(options: Sequence[str], **_: object) -> None:
        st.markdown(f":small[:gray[{label}]]  \n{escaped(title(options[0]))}")

    draw: Draw
    if len(options) == 1:
        draw = say
    elif len(options) <= _AT_MOST and sum(len(title(option)) for option in options) <= _AT_ALL:
        draw = partial(st.segmented_control, label, format_func=title, required=True, width="stretch")
    else:
        draw = partial(st.selectbox, label, format_func=title)
    chosen: str = address.choose(key, options, draw, **more)  # type: ignore[arg-type]
    return chosen


def _show_problems() -> None:
    """Say which folders are no results, and why."""
    _, problems = library.every()
    if problems:
        with st.expander(
            f"{len(problems)} folders that can’t be shown" if len(problems) > 1 else "A folder that can’t be shown"
        ):
            for problem in problems:
                st.caption(sentence(problem))


# --- trust ----------------------------------------------------------------------------------------------------------


def trust_of(entry: Entry) -> tuple[str, str]:
    """What is known of how well a result's scores predict, as a heading and a sentence."""
    score = describing.lds(entry, reading.evaluated(entry))
    if score is not None:
        return f"Trust: {glossary.link('LDS')} {score.mean:.2f}", "0 is chance, 1 is perfect."
    kinds = reading.evaluated(entry).kinds
    if kinds:
        return "Trust: see the evidence", f"Evaluated: {', '.join(kinds)}."
    return "Trust: not evaluated", "Nobody has measured how far these scores hold."


def show_trust(heading: str, sentence: str) -> None:
    """The trust line under the selectors, in Markdown."""
    st.markdown(f":small[**{heading}**]  \n:small[:gray[{sentence}]]")


# --- a result of the reader's own -----------------------------------------------------------------------------------


def manage(entry: Entry) -> None:
    """Rename or delete a result; Enter confirms a new name, and deleting asks."""
    with st.popover("Rename or delete", width="stretch", key=f"manage {entry.id}"):
        with st.form(f"rename {entry.id}", border=False):
            st.text_input("New name", value=entry.name, key=f"name_of_{entry.name}")
            st.form_submit_button("Rename", on_click=_rename, args=(entry,), width="stretch")
        asks = f"asks before deleting {entry.id}"
        if not st.session_state.get(asks):
            st.button(
                "Delete …", on_click=st.session_state.update, args=({asks: True},), icon=":material/delete:",
                width="stretch",
            )  # fmt: skip
            return
        st.markdown(f"Delete **{escaped(entry.name)}** for good?")
        with st.container(horizontal=True):
            st.button("Delete", type="primary", on_click=_delete, args=(entry,))
            st.button("Keep it", on_click=st.session_state.update, args=({asks: False},))


def _rename(entry: Entry) -> None:
    try:
        new = library.rename(entry, st.session_state[f"name_of_{entry.name}"]).name
    except InfluenceError as error:
        complain(error)
        return
    address.go(of=None, data=entry.dataset, method=entry.method, result=new)


def _delete(entry: Entry) -> None:
    try:
        library.delete(entry)
    except InfluenceError as error:
        complain(error)
        return
    address.go(of=None, result=None)
