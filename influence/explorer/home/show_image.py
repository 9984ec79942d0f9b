"""The image of the first page: what it is, what the models say, what helped and hurt, and what was tried out."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from influence.evidence import Evaluated
from influence.explorer import describing, reading
from influence.explorer.home import records
from influence.explorer.home.records import Story
from influence.explorer.parts.heading import Heading
from influence.explorer.parts.pictures import Pictures, Strip
from influence.explorer.parts.tiles import Tile, tiles
from influence.explorer.text import escaped
from influence.library import Entry
from influence.results import Result

_PICKED = "picked on home"


def show(entry: Entry) -> None:
    """Draw the card."""
    result, pictures = reading.read(entry), reading.pictures_of(entry, reading.data_or_none(entry))
    story = _story(result, reading.evaluated(entry), pictures, reading.stamp(entry.path / "manifest.json"))
    if story is None:
        return
    if (train := st.session_state.pop(_PICKED, None)) is not None:
        page, link = describing.page_of(entry, target=story.target, train=train)
        st.switch_page(page, query_params=link)
    classes = result.manifest.classes
    label, said = (classes[int(story.row[name])] for name in ("label", "prediction"))
    left, right = st.columns([1, 2.27], gap="medium")
    with left:
        _picture(pictures, story.target, label)
        with st.container(key="verdict image"):
            st.markdown(f"## {escaped(label)} :gray[→] {escaped(said)}" if label != said else f"## {escaped(label)}")
        verb = "the models say" if describing.has_many_models(entry.manifest) else "the model says"
        also = " too" if label == said else ""
        st.markdown(f"It is **{describing.with_article(label)}**, and {verb} **{escaped(said)}**{also}.")
        page, link = describing.page_of(entry, target=story.target)
        with st.container(key="main link image"):
            st.page_link(
                page, label="Open this image", icon=":material/arrow_forward:", icon_position="right", width="stretch",
                query_params=link,
            )  # fmt: skip
    with right:
        _row(story, story.helped, 1, f"made “{label}” more likely", result, pictures)
        _row(story, story.hurt, -1, f"made “{label}” less likely", result, pictures)
    if story.tried is not None:
        _tried(story, describing.noun(entry))


@st.cache_data(max_entries=4, show_spinner=False)
def _chosen(path: str, stamp: int, there: int, _result: Result[Any], _evaluated: Evaluated, _pictures: Pictures) -> Any:
    return records.image_story(_result, _evaluated, _pictures.has)


def _story(result: Result[Any], evaluated: Evaluated, pictures: Pictures, stamp: int) -> Story | None:
    story: Story | None = _chosen(str(result.path), stamp, id(pictures), result, evaluated, pictures)
    return story


def _picture(pictures: Pictures, target: int, label: str) -> None:
    source = pictures("test", target)
    if source is not None:
        st.html(
            f'<img src="{source}" alt="Test image {target}" '
            'style="display:block;width:100%;max-width:220px;aspect-ratio:1;border-radius:8px">'
        )


def thumbnails(pictures: Pictures, part: str, indices: Sequence[int], alt: str) -> None:
    """A line of small pictures."""
    images = "".join(
        f'<img src="{pictures(part, index)}" alt="" style="width:100%;aspect-ratio:1;border-radius:6px">'
        for index in indices
    )
    if images:
        st.html(
            f'<div role="img" aria-label="{alt}" style="display:grid;gap:6px;'
            f'grid-template-columns:repeat({len(indices)},minmax(0,58px))">{images}</div>'
        )


def _row(story: Story, frame: pd.DataFrame, sign: int, text: str, result: Result[Any], pictures: Pictures) -> None:
    classes, labels = result.manifest.classes, result.train["label"]
    strip: Strip = pictures.strip([("train", int(train)) for train in frame["train"]])
    items = [
        Tile(
            int(train),
            (strip.place("train", int(train)),),
            (name := classes[int(labels[train])],),
            f"Training image {train}, {name}, score {score:+.2f}",
            score=float(score),
            number=f"{score:+.2f}".replace("-", "−"),
            stand_in=name,
        )
        for train, score in frame.itertuples(index=False)
    ]
    tiles(
        items,
        strip,
        key=f"home {sign}",
        label="Helped" if sign > 0 else "Hurt",
        on_pick=lambda train: st.session_state.update({_PICKED: train}),
        heading=Heading("Helped" if sign > 0 else "Hurt", text, sign),
        size=88,
        columns=records.SHOWN,
        narrow="strip",
        scale=story.largest,
    )


def _tried(story: Story, noun: str) -> None:
    tried = story.tried
    assert tried is not None
    these = "says another class" if tried.has_changed else "says the same"
    random = "it says another class too" if tried.has_changed_at_random else "it does not change"
    st.markdown(
        f":material/science: **Tried out.** Trained without the {tried.count} that helped most, a model {these}. "
        f"Without {tried.count} random {noun}s, {random}."
    )
