"""Memorised training images beside the test images that they help most: what the model's memory is good for."""

import math
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from influence.explorer import address, evaluating, reading
from influence.explorer.images.pairs import HELPED_FROM, MEMORISED_FROM, Memorised, Pairs, memorised, start
from influence.explorer.images.words import number
from influence.explorer.parts.pages import choose_page
from influence.explorer.parts.tiles import Tile, tiles
from influence.library import Entry

LEAVES = ("memory", "least", "sheet")
PER_PAGE = 24
LABEL = "Pairs of a memorised training image and a test image that it helps"


def show(entry: Entry) -> None:
    """Draw both thresholds and the pairs above them, or what is lacking."""
    memory = memorised(reading.read(entry), reading.evaluated(entry))
    if memory is None:
        st.info("How much each training image is memorised is not known for this result. This command measures it.")
        for line in evaluating.commands(entry, "mislabels"):
            st.code(line, language="sh")
        return
    stamps = tuple(reading.stamp(entry.path / each) for each in ("manifest.json", "evidence/mislabels/manifest.json"))
    pairs = _load(entry, stamps, memory)
    least = _thresholds(pairs)
    found = pairs.above(*least)
    st.markdown(
        f"**{len(found):,}** pairs of **{found['train'].nunique():,}** memorised training images and "
        f"**{found['target'].nunique():,}** test images that they help: {pairs.concerned(found):.1%} of the test part. "
        "On the left the training image, on the right the test image, the highest score first."
    )
    if found.empty:
        st.info("No pair is above both thresholds. Lower one.")
    else:
        _show_pairs(entry, pairs, found)
    st.caption(
        f"{memory.what} Pairs are of kept scores, {entry.manifest.k} of each test image. After Feldman and Zhang "
        "(2020), who found that some test images can only be got right by remembering single training images like them."
    )


@st.cache_resource(max_entries=3, show_spinner="Pairing images …", hash_funcs={Entry: lambda one: one.path})
def _load(entry: Entry, stamps: tuple[int, ...], _memory: Memorised) -> Pairs:
    return Pairs(reading.read(entry), _memory)


def _thresholds(pairs: Pairs) -> tuple[float, float]:
    def top(steps: dict[str, float], value: str) -> str:
        share = 1 - steps[value]
        return "all" if share == 1 else f"{number(float(value))} (top {share:.1%})".replace(".0%", "%")

    found = []
    left, right = st.columns(2, gap="medium")
    for column, key, title, steps, share in (
        (left, "memory", "Memorisation of the training image, at least", pairs.memorised_steps, MEMORISED_FROM),
        (right, "least", "Its score for the test image, at least", pairs.score_steps, HELPED_FROM),
    ):
        with column:
            value = address.choose(
                key,
                [*steps],
                partial(st.select_slider, title, format_func=partial(top, steps)),
                default=start(steps, share),
                below=("sheet",),
                why="that is no threshold of this result, so {} is used.",
            )
        found.append(float(value) if steps[value] > 0 else -math.inf)
    return found[0], found[1]


def _show_pairs(entry: Entry, pairs: Pairs, found: pd.DataFrame) -> None:
    pages = -(-len(found) // PER_PAGE)
    slot = st.container()
    sheet = choose_page("sheet", pages)
    shown = found.iloc[(sheet - 1) * PER_PAGE : sheet * PER_PAGE]
    result, classes = reading.read(entry), entry.manifest.classes
    pictures = reading.pictures_of(entry, reading.data_or_none(entry))
    labels = {"train": result.train["label"], "test": result.targets["label"]}
    strip = pictures.strip(
        [("train", train) for train in shown["train"]] + [("test", target) for target in shown["target"]]
    )

    def tile(place: int, row: Any) -> Tile:
        train, target, score = int(row.train), int(row.target), float(row.score)
        own, helped = classes[int(labels["train"][train])], classes[int(labels["test"][target])]
        said = f"model says {classes[int(result.targets['prediction'][target])]}"
        details = (
            f"Training image {train}, {own}, memorised {number(float(row.memorised))}",
            f"helps test image {target}, {helped} ({said}), by {number(score)}",
        )
        return Tile(
            place,
            (strip.place("train", train), strip.place("test", target)),
            (f"**{own}** → {helped}" if own != helped else f"**{own}**", f"memorised {number(float(row.memorised))}"),
            ", ".join(details),
            score,
            number(score),
            details,
            own,
        )

    with slot:
        tiles(
            [tile(place, row) for place, row in enumerate(shown.itertuples())],
            strip,
            key="memorised",
            label=LABEL,
            on_pick=lambda place: _open(int(shown["target"].iloc[place])),
            size=170,
            columns=6,
            scale=float(found["score"].iloc[0]),
        )


def _open(target: int) -> None:
    address.go(image=target, view=None, **dict.fromkeys(LEAVES))
