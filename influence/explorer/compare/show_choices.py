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
    """The data set of the address."""
    names = sorted({entry.dataset for entry in entries.values()}, key=list(datasets.NAMES).index)
    chosen = choosing.one_of(
        "on",
        "Data set",
        names,
        lambda name: datasets.facts(name).title,
        default=next((name for name in names if _is_quick_to_try(name)), names[0]),
        below=OF_DATA,
        why="there is no result on it, so {} is shown.",
    )
    address.look_at(chosen)
    return chosen


def _is_quick_to_try(name: str) -> bool:
    return datasets.facts(name).is_quick and bool(datasets.facts(name).classes)


def choose_rankings(of_it: dict[str, Entry]) -> list[str]:
    """Two or three different ones: results, and neighbours where the data are on this machine."""
    has_data = datasets.is_present(next(iter(of_it.values())).dataset)
    options = [*of_it, *([NEIGHBOURS] if has_data else [])]
    shown: dict[str, str] = {}
    for slot in SLOTS:
        left = [each for each in options if each not in shown.values()]
        if slot != SLOTS[0]:
            left = [NONE, *left]
        default = NONE if slot == SLOTS[2] else records.best_of(of_it, left, shown.get(SLOTS[0]))
        shown[slot] = address.choose(
            slot,
            left if slot != SLOTS[0] else options,
            partial(_draw, slot, shown),
            default=default,
            why=_why_not(slot, shown, has_data),
        )
        if shown[slot] in of_it:
            st.caption(escaped(records.settings(of_it[shown[slot]])))
    return [each for each in shown.values() if each != NONE]


def _draw(slot: str, shown: dict[str, str], options: list[str], *, key: str, **_: object) -> None:
    st.selectbox(slot.capitalize(), options, key=key, format_func=_name, on_change=_choose, args=(slot, shown))


def _choose(slot: str, shown: dict[str, str]) -> None:
    """Write all three into the address: what another slot has changes places with the new one."""
    new, old = st.session_state[slot], shown[slot]
    now = {other: old if has == new else has for other, has in shown.items()} | {slot: new}
    address.go(**now | {SLOTS[2]: None if now[SLOTS[2]] == NONE else now[SLOTS[2]]})


def _why_not(slot: str, shown: dict[str, str], has_data: bool) -> str:
    asked = address.get(slot)
    if asked in shown.values():
        return "it is chosen already, so “{}” is shown."
    if asked == NEIGHBOURS and not has_data:
        return "neighbours need the data set, so “{}” is shown."
    return "there is no such result, so “{}” is shown."


def _name(id_: str) -> str:
    return id_.capitalize() if id_ in (NONE, NEIGHBOURS) else id_.rpartition("/")[2]


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
