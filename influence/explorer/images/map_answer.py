"""What is picked on the map of images, one image or a group, and the answer beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from influence.explorer import address, reading
from influence.explorer.images.places import Places
from influence.explorer.images.sums import TEST, TRAIN, Answer
from influence.explorer.images.words import number
from influence.explorer.parts import areas
from influence.explorer.parts.heading import Heading
from influence.explorer.parts.pictures import Pictures
from influence.explorer.parts.tiles import Tile, tiles
from influence.explorer.text import escaped
from influence.library import Entry

FEW = 8  # either way
_OF_GROUP = 10  # of its images, that are shown as pictures


@dataclass(frozen=True)
class Chosen:
    """What is picked: no image, one, or those of an area.

    Attributes
    ----------
    members : (n,) int
        Their indices.
    corners : list of corners
        The area; empty is none.
    """

    members: np.ndarray
    corners: list[areas.Corner]


def choose(places: Places, part: str) -> Chosen:
    """Read from the address what is picked; what can't be shown is said."""
    said = address.get("area")
    if "area" in st.query_params:
        corners = areas.parsed(said) if said is not None else None
        members = places.within(part, corners) if corners else np.zeros(0, int)
        if corners and len(members):
            return Chosen(members, corners)
        lacks = f"there is no {part} image in that area" if corners else "that is no area"
        address.refuse("area", f"{lacks}, so none is picked.")
    key = "image" if part == TEST else "train"
    asked = address.get(key)
    index = address.whole(asked) if asked is not None else None
    if index is not None and places.at(part, index) is not None:
        return Chosen(np.array([index]), [])
    if key in st.query_params:
        address.refuse(key, f"there is no such {part} image on the map, so none is picked.")
    return Chosen(np.zeros(0, int), [])


def open_one(part: str, index: int) -> None:
    """Show one image of a part. For callbacks."""
    if part == TEST:
        address.go(image=index, train=None, part=None, area=None)
    else:
        address.go(train=index, image=None, part=TRAIN, area=None)


def show(entry: Entry, places: Places, part: str, chosen: Chosen, answer: Answer | None) -> None:
    """Draw the answer."""
    if answer is None:
        st.markdown(
            f"Click a {part} image to see what {'helped and hurt it' if part == TEST else 'it helped and hurt'}. "
            "“Draw around a group” asks the same of many at once."
        )
        return
    pictures = reading.pictures_of(entry, reading.data_or_none(entry))
    _show_members(places, pictures, part, chosen)
    is_one = len(chosen.members) == 1
    text = f"{TRAIN if part == TEST else TEST} images, strongest first"
    for title, side, sign in (("Helped", answer.helped, 1), ("Hurt", answer.hurt, -1)):
        _show_side(places, pictures, part, Heading(title, text, sign), side)
    k = places.result.manifest.k
    of = "" if is_one else f"Sums over the {len(chosen.members):,} images. "
    st.caption(f"{of}Of the kept scores alone: {k} of each test image either way, and all others count as 0.")
    with st.container(horizontal=True, gap="small"):
        if is_one:
            st.button(
                "Open this image", icon=":material/open_in_full:", on_click=partial(address.go, view=None, part=None)
            )
        st.button("Pick nothing", on_click=lambda: address.go(area=None, image=None, train=None))


def _show_members(places: Places, pictures: Pictures, part: str, chosen: Chosen) -> None:
    table, members = places.of(part), chosen.members
    if len(members) == 1:
        lines = [f"{part.capitalize()} image {members[0]}"]
    else:
        lines = [f"{len(members):,} {part} images"]
        if part == TEST:
            lines.append(f"the model is wrong on {int(table.loc[members, 'wrong'].sum()):,}")
    if len(members) == 1 and part == TEST:
        own, said = (places.classes[int(table[name][members[0]])] for name in ("label", "prediction"))
        says = f"It is “{escaped(own)}”, and the model says {'so' if own == said else f'“{escaped(said)}”'}."
        st.markdown(f"**{lines[0]}**  \n{says}")
        _tiles(places, pictures, part, [int(members[0])], None, f"{part.capitalize()} images that are picked")
        return
    common = table.loc[members, "label"].value_counts()
    named = ", ".join(
        f"{escaped(places.classes[int(label)])}" + (f" {count:,}" if len(members) > 1 else "")
        for label, count in common.head(4).items()
    )
    st.markdown(f"**{', '.join(lines)}**  \n{named}")
    shown = [int(each) for each in members[:_OF_GROUP]]
    if len(members) > _OF_GROUP:
        rng = np.random.default_rng(0)
        shown = [int(each) for each in np.sort(rng.choice(members, _OF_GROUP, replace=False))]
        st.caption(f"{_OF_GROUP} of them, drawn at random:")
    _tiles(places, pictures, part, shown, None, f"{part.capitalize()} images that are picked")


def _show_side(
    places: Places,
    pictures: Pictures,
    part: str,
    heading: Heading,
    side: pd.DataFrame,
) -> None:
    other = TRAIN if part == TEST else TEST
    if side.empty:
        st.caption(f"{heading.title}: no kept score has this sign.")
        return
    _tiles(places, pictures, other, side["other"].tolist(), side, heading.title, heading)


def _tiles(
    places: Places,
    pictures: Pictures,
    part: str,
    shown: Sequence[int],
    side: pd.DataFrame | None,
    label: str,
    heading: Heading | None = None,
) -> None:
    kind = "test" if part == TEST else "train"
    strip = pictures.strip([(kind, index) for index in shown])
    labels = (places.result.targets if part == TEST else places.result.train)["label"]
    scores = [None] * len(shown) if side is None else [float(each) for each in side["score"]]

    def tile(index: int, score: float | None) -> Tile:
        word = places.classes[int(labels[index])]
        said = number(score) if score is not None else ""
        alt = f"{part.capitalize()} image {index}, class {word}" + (f", score {said}" if said else "")
        place = strip.place(kind, index)
        return Tile(index, (place,), (word,), alt, score, said, (f"{part.capitalize()} image {index}", word), word)

    tiles(
        [tile(index, score) for index, score in zip(shown, scores, strict=True)],
        strip,
        key=f"map-{label.split()[0].lower()}",
        label=label,
        on_pick=lambda index: open_one(part, index),
        heading=heading,
        size=70,
        columns=5 if side is None else 4,
        narrow="strip",
    )
