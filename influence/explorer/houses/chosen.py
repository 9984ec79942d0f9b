"""What the address of the houses page asks for, as far as it can be shown; what can't is said."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from influence.explorer import address
from influence.explorer.houses.picks import Pick, Reach
from influence.explorer.houses.records import Houses
from influence.explorer.parts import areas

FEW = 6  # either way, in lists that are not asked for more
LEAVES = ("house", "together", "area", "train", "ring")  # they name houses of one result's data


@dataclass(frozen=True)
class Chosen:
    """What is shown.

    Attributes
    ----------
    house : int
        The test house of the number box, whatever else is shown.
    pick : Pick
        It, or the group that is shown in its place.
    reach : Reach or None
        Of a training house that is shown in place of either.
    ring : int or None
        The training house that is marked in lists and on the map.
    corners : list of corners
        The area that was drawn; empty is none.
    k : int
        Houses either way.
    """

    house: int
    pick: Pick
    reach: Reach | None
    ring: int | None
    corners: list[areas.Corner]
    k: int


def choose(houses: Houses, row: DeltaGenerator) -> Chosen:
    """Draw the controls of the title's row, and read the rest of the address."""
    house = _house(houses, row)
    k = _whole(
        "k", lambda k: 1 <= k <= houses.max_k, f"this result has 1 to {houses.max_k} either way, so {FEW} are shown."
    )
    k = k or min(FEW, houses.max_k)
    corners, pick = _area(houses, k)
    if pick is None:
        together = houses.group is not None and _flag("together")
        pick = houses.pick(houses.group.id if together and houses.group else house, k)
    known = houses.train.index[houses.train["latitude"].notna()]
    here = "there is no such training house here, so none is marked."
    ring = _whole("ring", lambda ring: ring in known, here)
    train = _whole("train", lambda train: train in known, here.replace("marked", "shown"))
    return Chosen(house, pick, None if train is None else houses.reach(train, k), ring, corners, k)


def _house(houses: Houses, row: DeltaGenerator) -> int:
    default = houses.default()
    asked = address.whole(address.get("house") or "")
    problem = houses.why_not(asked) if asked is not None else "that is no house’s number"
    last = int(max(houses.test.index.max(), houses.train.index.max()))
    with row:
        shown = address.number(
            "house",
            0,
            last,
            partial(st.number_input, "Number of a test house", label_visibility="collapsed", width=140),
            default=default,
            is_known=lambda house: houses.why_not(house) is None,
            below=("together", "area", "train", "ring"),
            why=f"{(problem or 'that is no house’s number').rstrip('.')}. House {default} is shown.",
        )
        house = default if shown is None else shown
        order = np.array(houses.pickable)
        place = int(np.searchsorted(order, house))
        rng = np.random.default_rng()
        for label, icon, to in (
            ("Previous house", "chevron_left", order[place - 1]),
            ("Next house", "chevron_right", order[(place + 1) % len(order)]),
            ("Random", "casino", rng.choice(order)),
        ):
            named = label == "Random"
            st.button(
                label if named else "",
                key=label,
                icon=f":material/{icon}:",
                help=None if named else label,
                on_click=open_house,
                args=(int(to),),
            )
    return house


def open_house(house: int) -> None:
    """Show a test house and nothing in its place. For callbacks."""
    address.go(house=house, together=None, area=None, train=None, ring=None)


def open_training_house(train: int) -> None:
    """Show whom a training house helped and hurt. For callbacks."""
    address.go(train=train, ring=None)


def mark(train: int) -> None:
    """Mark a training house. For callbacks."""
    address.go(ring=train, train=None)


def draw_around(corners: list[areas.Corner]) -> None:
    """Show the group of an area. For callbacks."""
    address.go(area=areas.spelled(corners), together=None, train=None, ring=None)


def _area(houses: Houses, k: int) -> tuple[list[areas.Corner], Pick | None]:
    said = address.get("area")
    corners = areas.parsed(said) if said is not None else None
    pick = houses.within(corners, k) if corners else None
    if pick is None:
        if "area" in st.query_params:
            lacks = "there is no test house in that area" if corners else "that is no area"
            address.refuse("area", f"{lacks}, so a single house is shown.")
        return [], None
    assert corners is not None
    return corners, pick


def _flag(key: str) -> bool:
    said = (address.get(key) or "").casefold()
    if key in st.query_params and said not in ("true", "false"):
        address.refuse(key, "that is neither true nor false, so it is left off.")
    return said == "true"


def _whole(key: str, is_known: Callable[[int], bool], why: str) -> int | None:
    """A whole number that no widget shows."""
    asked = address.whole(address.get(key) or "")
    if asked is not None and is_known(asked):
        return asked
    if key in st.query_params:
        address.refuse(key, why)
    return None
