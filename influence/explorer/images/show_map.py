"""The map of the images page: images near each other that the same training images help; a click or a group answers."""

from functools import partial
from pathlib import Path

import streamlit as st

from influence import evidence
from influence.explorer import address, evaluating, reading
from influence.explorer.images import map_answer
from influence.explorer.images.map_answer import Chosen
from influence.explorer.images.pairs import memorised
from influence.explorer.images.places import BOUNDS, CLASS, MEMORISED, MISTAKES, Places
from influence.explorer.images.sums import TEST, TRAIN, Answer, Sums
from influence.explorer.images.words import number
from influence.explorer.parts import areas, maps
from influence.explorer.parts.maps import Chart, Mark, Picked
from influence.library import Entry

LEAVES = ("area", "image", "train")
HEIGHT = 560
_LARGEST = 11.0  # pixels, the radius of the strongest mark
_COLOURS = {CLASS: "Class", MISTAKES: "Mistakes", MEMORISED: "Memorised"}


def show(entry: Entry) -> None:
    """Draw the map and its answer, or how to make one."""
    if reading.evaluated(entry).layout is None:
        _show_how(entry)
        return
    places = _load(entry, reading.stamp(where(entry)))
    part, by = _controls(places)
    chosen = map_answer.choose(places, part)
    answer = places.answer(part, chosen.members, map_answer.FEW) if len(chosen.members) else None
    chart, beside = st.columns([1.6, 1], gap="medium")
    with chart, st.container(key="images-map"):
        _draw(places, part, by, chosen, answer)
    with beside, st.container(key="images-map-answer"):
        map_answer.show(entry, places, part, chosen, answer)
    figures = places.layout.figures
    st.caption(
        f"Near means alike: of an image’s ten nearest by scores, {figures.neighbours:.0%} are among its ten nearest "
        "here. The size of groups and the space between them mean nothing."
    )
    with st.expander("How the map is made"):
        st.markdown(f"{places.layout.notes[0]} {places.layout.notes[1]}")


def where(entry: Entry) -> Path:
    """The file that is there where a result has a map."""
    return evidence.place(entry.path, "layout") / "manifest.json"


@st.cache_resource(max_entries=3, show_spinner="Reading the map …", hash_funcs={Entry: lambda one: one.path})
def _load(entry: Entry, stamp: int) -> Places:
    result, evaluated = reading.read(entry), reading.evaluated(entry)
    assert evaluated.layout is not None
    memory = memorised(result, evaluated)
    return Places(result, evaluated.layout, None if memory is None else memory.values, Sums(result))


def _show_how(entry: Entry) -> None:
    st.info(
        "This result has no map yet. A map needs no training, and takes a few minutes for CIFAR-10. Make it from the "
        "sidebar, or type this.",
        icon=":material/map:",
    )
    for line in evaluating.commands(entry, "layout"):
        st.code(line, language="sh")


def _controls(places: Places) -> tuple[str, str]:
    with st.container(horizontal=True, gap="small", horizontal_alignment="distribute"):
        part: str = address.choose(
            "part",
            [TEST, TRAIN],
            partial(
                st.segmented_control,
                "Images",
                required=True,
                label_visibility="collapsed",
                format_func=lambda each: f"{each.capitalize()} images :gray[{len(places.of(each)):,}]",
            ),
            below=("colour", *LEAVES),
        )
        by: str = address.choose(
            "colour",
            places.colours(part),
            partial(
                st.segmented_control,
                "Colour",
                required=True,
                label_visibility="collapsed",
                format_func=lambda each: _COLOURS[each],
            ),
        )
    return part, by


def _draw(places: Places, part: str, by: str, chosen: Chosen, answer: Answer | None) -> None:
    paint, legend = places.paint(part, by)
    chart = Chart(
        label=_label(places, part, chosen),
        outlines="",
        dots=maps.served(places.dots(part), f"{part} images of {places.result.path}"),
        noun=f"{part.capitalize()} image",
        paint=paint,
        legend=legend,
        told=places.told(part),
        bounds=BOUNDS,
        marks=_marks(places, part, chosen, answer),
        picked=_rings(places, part, chosen),
        area=tuple(chosen.corners),
    )
    maps.show(
        chart,
        key="images-map-chart",
        height=HEIGHT,
        on_dot=partial(map_answer.open_one, part),
        on_mark=partial(map_answer.open_one, TRAIN if part == TEST else TEST),
        on_area=lambda corners: address.go(area=areas.spelled(corners), image=None, train=None),
    )


def _marks(places: Places, part: str, chosen: Chosen, answer: Answer | None) -> tuple[Mark, ...]:
    """The images of the other part that answer for a single one, where they are on the map."""
    if answer is None or len(chosen.members) != 1:
        return ()
    other, marks = TRAIN if part == TEST else TEST, []
    most = max(float(side["score"].abs().max()) for side in (answer.helped, answer.hurt) if len(side))
    for side, sign in ((answer.helped, 1), (answer.hurt, -1)):
        for index, score in zip(side["other"].tolist(), side["score"].tolist(), strict=True):
            at = places.at(other, index)
            if at is not None:
                size = round(_LARGEST * (0.6 + 0.4 * abs(score) / most), 1)
                said = (f"{other.capitalize()} image {index}", f"score {number(score)}")
                marks.append(Mark(index, at, sign, size, said))
    return tuple(sorted(marks, key=lambda mark: -mark.size))


def _rings(places: Places, part: str, chosen: Chosen) -> tuple[Picked, ...]:
    """Around a single image; a group has its area."""
    if len(chosen.members) != 1:
        return ()
    index = int(chosen.members[0])
    at = places.at(part, index)
    return () if at is None else (Picked(at, f"{part.capitalize()} image {index}"),)


def _label(places: Places, part: str, chosen: Chosen) -> str:
    n = len(chosen.members)
    what = "" if not n else f"{n:,} are drawn around. " if n > 1 else f"Image {chosen.members[0]} is picked. "
    return f"Map of {len(places.of(part)):,} {part} images by influence. {what}Arrow keys move it, plus and minus zoom."
