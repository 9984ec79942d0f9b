"""The map of the houses page: dots to pick from, and the proponents and opponents of the selected house."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from influence.datasets import Regression
from influence.explorer import address
from influence.explorer.houses import chosen, dots, geography, words
from influence.explorer.houses.chosen import Chosen
from influence.explorer.houses.dots import Dots
from influence.explorer.houses.picks import Pick, Reach
from influence.explorer.houses.records import Houses
from influence.explorer.parts import maps
from influence.explorer.parts.maps import Bounds, Chart, Mark, Picked

# What the address says, and what the reader sees: old links have the first.
ERROR, PRICE, SELF_INFLUENCE = "Influence on a house", "Price", "Self-influence"
AROUND = "All shown"
HEIGHT = 516

_LARGEST = 12.0  # pixels, the radius of the strongest mark


def cap(houses: Houses) -> float | None:
    """Give the price at which the data set cuts prices off, in its unit."""
    return houses.facts.task.cap if isinstance(houses.facts.task, Regression) else None


def controls(houses: Houses) -> tuple[str, str]:
    """Draw what the map is coloured by, what it shows, and the group that can be picked at once."""
    extents = [AROUND, geography.REGION, *([houses.place] if houses.place else [])]
    with st.container(horizontal=True, key="houses-controls", gap="small"):
        show: str = address.choose(
            "show",
            [ERROR, PRICE, SELF_INFLUENCE],
            partial(
                st.segmented_control,
                "Colour",
                required=True,
                label_visibility="collapsed",
                format_func=lambda option: "Error" if option == ERROR else option,
            ),
            why="that is no part of this page, so the error is shown.",
        )
        zoom: str = address.choose(
            "zoom",
            extents,
            partial(
                st.segmented_control,
                "Extent",
                required=True,
                label_visibility="collapsed",
                format_func=lambda option: "Around the selection" if option == AROUND else option,
            ),
            why="there is no such view, so the surroundings of the selection are shown.",
        )
        if houses.group is not None:
            _group_chip(houses)
    return show, zoom


def _group_chip(houses: Houses) -> None:
    name = f"All {len(houses.members)} of {houses.place}" if houses.place else houses.group.title  # type: ignore[union-attr]
    is_on = (address.get("together") or "").casefold() == "true" and address.get("area") is None
    st.session_state["together"] = name if is_on else None

    def changed() -> None:
        address.go(together=st.session_state["together"] is not None or None, area=None, train=None, ring=None)

    st.pills("Group", [name], key="together", on_change=changed, label_visibility="collapsed")


def show(seen: Dots, picked: Chosen, show: str, zoom: str) -> None:
    """Draw the map."""
    houses, of_training = seen.houses, show == SELF_INFLUENCE
    marks, rings = _overlay(seen, picked, of_training)
    if of_training:
        paint, legend = dots.by_self_influence(houses)
    else:
        paint, legend = dots.by_price(cap(houses)) if show == PRICE else dots.by_error()
    part = "train" if of_training else "test"
    chart = Chart(
        label=_label(houses, picked, of_training),
        outlines=geography.OUTLINES,
        dots=maps.served(seen.train_file if of_training else seen.test_file, f"{part} houses"),
        noun="Training house" if of_training else "Test house",
        paint=paint,
        legend=legend,
        told=dots.told(cap(houses), of_training),
        bounds=_bounds(houses, picked, zoom, of_training),
        marks=tuple(marks),
        picked=tuple(rings),
        chosen=picked.ring,
        towns=geography.TOWNS,
        area=tuple(picked.corners),
    )
    maps.show(
        chart,
        key="houses-map",
        height=HEIGHT,
        on_dot=chosen.mark if of_training else chosen.open_house,
        on_mark=chosen.open_house if picked.reach is not None else chosen.mark,
        on_area=None if of_training else chosen.draw_around,
    )


def _overlay(seen: Dots, picked: Chosen, of_training: bool) -> tuple[list[Mark], list[Picked]]:
    limit = cap(seen.houses)
    if picked.reach is not None:
        reach = picked.reach
        ring = Picked(dots.at(seen.train, reach.train), f"Training house {reach.train}")
        sides = ((reach.helped, "target", 1), (reach.hurt, "target", -1))
        return _marks(sides, "Test house", limit), [ring]
    if of_training:
        ring_ = picked.ring
        return [], [] if ring_ is None else [Picked(dots.at(seen.train, ring_), f"Training house {ring_}")]
    pick = picked.pick
    said = f"House {pick.houses.index[0]}" if len(pick.houses) == 1 else ""
    rings = [Picked(dots.at(seen.test, int(house)), said) for house in pick.houses.index]
    return _marks(((pick.proponents, "train", 1), (pick.opponents, "train", -1)), "Training house", limit), rings


def _marks(sides: Sequence[tuple[pd.DataFrame, str, int]], noun: str, limit: float | None) -> list[Mark]:
    """The discs of both sides on one scale, the strongest first."""
    most = max((float(side["score"].abs().max()) for side, _, _ in sides if len(side)), default=1.0)
    marks = [
        Mark(
            int(row[id_]),
            (round(float(row["longitude"]), 4), round(float(row["latitude"]), 4)),
            sign,
            round(_LARGEST * (0.55 + 0.45 * abs(float(row["score"])) / most), 1),
            (
                f"{noun} {int(row[id_])}",
                f"{'helped' if sign > 0 else 'hurt'}, score {words.signed(row['score'])}",
                f"price {words.price(row['price'], limit)}",
                f"{words.away(row['km'])} away",
            ),
        )
        for side, id_, sign in sides
        for _, row in side.iterrows()
    ]
    return sorted(marks, key=lambda mark: -mark.size)


def _bounds(houses: Houses, picked: Chosen, zoom: str, of_training: bool) -> Bounds:
    if zoom == geography.REGION:
        return geography.WHOLE
    if zoom != AROUND:
        return geography.around([houses.test.loc[houses.members]], least=0.08)
    if picked.reach is not None:
        reach = picked.reach
        return geography.around([houses.train.loc[[reach.train]], reach.helped, reach.hurt], least=0.2)
    if of_training:
        return geography.WHOLE if picked.ring is None else geography.around([houses.train.loc[[picked.ring]]], 0.5)
    pick = picked.pick
    return geography.around([pick.houses, pick.proponents, pick.opponents])


def _label(houses: Houses, picked: Chosen, of_training: bool) -> str:
    part = f"{len(houses.train):,} training" if of_training else f"{len(houses.pickable):,} test"
    what = _said(picked.reach) if picked.reach is not None else _said(picked.pick)
    return (
        f"Map of {part} houses in {geography.REGION}. {'' if of_training and picked.reach is None else what}"
        "Arrow keys move it, plus and minus zoom. The lists beside it pick the same houses."
    )


def _said(shown: Pick | Reach) -> str:
    if isinstance(shown, Reach):
        counts = len(shown.helped), len(shown.hurt)
        return (
            f"Training house {shown.train} with {counts[0]} test houses that it helped and {counts[1]} that it hurt. "
        )
    counts = len(shown.proponents), len(shown.opponents)
    return f"{words.title(shown)} with {counts[0]} training houses that helped and {counts[1]} that hurt. "
