"""The selectors of the compare page: data set, two or three rankings, one example, and how many of each sign."""

import random
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from influence import datasets
from influence.errors import InfluenceError
from influence.explorer import address, choosing, describing
from influence.explorer.compare import records
from influence.explorer.compare.records import NEIGHBOURS, NONE
from influence.explorer.text import escaped
from influence.library import Entry
from influence.results import Result

SLOTS = ("first", "second", "third")
OF_TARGET = ("example",)
OF_DATA = ("target", "k", *SLOTS, *OF_TARGET)


def choose_dataset(entries: dict[str, Entry]) -> str:
    """The data set of the address; a reader who comes from another page finds the one that was shown there."""
    names = sorted({entry.dataset for entry in entries.values()}, key=list(datasets.NAMES).index)
    first = "digits" if "digits" in names else names[0]
    came_from = choosing.last_shown()
    if address.has_arrived() and not address.said() and came_from in names and came_from != first:
        address.go(on=came_from)
    return choosing.one_of(
        "on",
        "Data set",
        names,
        lambda name: datasets.facts(name).title,
        default=first,
        below=OF_DATA,
        why="there is no result on it, so {} is shown.",
    )


def choose_rankings(of_it: dict[str, Entry]) -> list[str]:
    """Two or three different ones: results, and neighbours where the data are on this machine."""
    has_data = datasets.is_present(next(iter(of_it.values())).dataset)
    options = [*of_it, *([NEIGHBOURS] if has_data else [])]
    why = "there is no such result, so “{}” is shown." if has_data else "neighbours need the data set."
    defaults = (options[0], records.other_method(of_it, options), NONE)
    chosen: list[str] = []
    for slot, default in zip(SLOTS, defaults, strict=True):
        said: str = address.choose(
            slot,
            options if slot == SLOTS[0] else [NONE, *options],
            partial(st.selectbox, slot.capitalize(), format_func=lambda id_: _told(of_it, id_)),
            default=default,
            why=why,
        )
        if said in of_it:
            st.caption(escaped(_told(of_it, said)))
        if said in chosen:
            st.warning(f"“{escaped(said)}” is chosen twice, and shown once.")
        elif said != NONE:
            chosen.append(said)
    return chosen


def _told(of_it: dict[str, Entry], id_: str) -> str:
    return records.told(of_it[id_]) if id_ in of_it else id_.capitalize()


def choose_k(compared: list[Result]) -> int:
    """How many training examples of each sign are shown."""
    most = min(int(result.manifest.k) for result in compared)
    shown = address.number(
        "k",
        1,
        most,
        partial(st.number_input, "How many of each sign"),
        default=min(10, most),
        why=f"these results show 1 to {most} of each sign, so {{}} are shown.",
    )
    return shown or most


def choose_target(row: DeltaGenerator, first: Entry, compared: list[Result]) -> int:
    """The test example, in the title's row."""
    noun = describing.noun(first)
    common = sorted(set.intersection(*(set(result.targets.index) for result in compared)))
    common = [int(one) for one in common if one >= 0]
    if not common:
        raise InfluenceError(f"These results explain no {noun} in common: choose others.")
    default = records.default_target(compared[0])
    default = default if default in common else common[0]
    with row:
        asked = address.whole(address.get("target") or "")
        problem = records.why_not_target(compared, asked, noun) if asked is not None else None
        target = address.number(
            "target",
            0,
            max(common),
            partial(st.number_input, f"Test {noun}", label_visibility="collapsed", width=150),
            default=default,
            is_known=set(common).__contains__,
            below=OF_TARGET,
            why=f"{problem or f'it must be the number of a test {noun}.'} {noun.capitalize()} {{}} is shown.",
        )
        st.button("Random", icon=":material/casino:", on_click=_at_random, args=(common,))
    return target if target is not None else default


def _at_random(common: list[int]) -> None:
    address.go(target=random.choice(common), **dict.fromkeys(OF_TARGET))
