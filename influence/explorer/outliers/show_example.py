"""One training example: what it is, where it stands in every ranking, and whom it helped and hurt."""

import math

import pandas as pd
import streamlit as st

from influence.explorer import describing
from influence.explorer.outliers import tray
from influence.explorer.outliers.choices import TARGETS, Choice, glossed
from influence.explorer.outliers.fixes import Fixes
from influence.explorer.outliers.records import Outliers
from influence.explorer.outliers.show_list import dollars
from influence.explorer.parts.heading import Heading
from influence.explorer.parts.pictures import Pictures
from influence.explorer.parts.rows import Column, Row, rows
from influence.explorer.parts.tiles import Tile, tiles
from influence.explorer.text import escaped
from influence.library import Entry

_NEW = "outlier to open"


def show_example(listed: Entry, outliers: Outliers, pictures: Pictures, choice: Choice, fixes: Fixes) -> None:
    """The training example that is picked."""
    train = choice.picked
    if train is None:
        return
    noun, on = describing.noun(listed), train in fixes
    with st.container(border=True, key="example_card", gap="small"):
        st.header(f"Training {noun} {train}", anchor=False)
        if (source := pictures("train", train)) is None:
            st.markdown(describe(outliers, train))
        else:
            picture, words = st.columns([1, 2.4], vertical_alignment="center")
            style = "border-radius:8px;display:block;width:100%;max-width:112px"
            picture.html(f'<img src="{source}" alt="Training image {train}" style="{style}">')
            words.markdown(describe(outliers, train))
        with st.container(horizontal=True):
            st.button(
                "Take off the list" if on else "Put on the fix list",
                icon=":material/remove:" if on else ":material/add:",
                on_click=tray.put,
                args=(listed, outliers, [train], not on),
            )
            page, link = describing.page_of(listed, train=train)
            st.page_link(page, label="Open it", icon=":material/arrow_forward:", query_params=link)
        _show_standing(outliers, train)
        _show_targets(listed, outliers, pictures, train)


def describe(outliers: Outliers, train: int) -> str:
    """What it is, and what the model says."""
    if outliers.houses is not None:
        columns = outliers.houses.train
        price, priced, missed = (float(columns[name][train]) for name in ("price", "prediction", "residual"))
        error = escaped(dollars(abs(missed)))
        if math.isnan(price):
            return f"Error {error}; its price is in the data set."
        how = "much" if missed > 0 else "little"
        return f"Price **{escaped(dollars(price))}**. The model says **{escaped(dollars(priced))}**, {error} too {how}."
    label, named = outliers.table["label"][train], outliers.table["suggested"][train]
    said = ""
    if outliers.says:
        said = f"The model says **{escaped(named)}**." if named else "The model agrees."
    text, copied = f"Labelled **{escaped(label)}**. {said}", outliers.copied(train)
    if copied is None:
        return text
    return f"{text}  \nIt looks like test image {copied[0]}, a **{escaped(copied[1])}** (likeness {copied[2]:.2f})."


def _show_standing(outliers: Outliers, train: int) -> None:
    lines = outliers.standing(train)
    places = [outliers.place(train, name) for name in lines["ranking"]]
    rows(
        [
            Row(place, (name, "–" if pd.isna(score) else f"{score:.3g}".replace("-", "−"), at), f"{name}: {at}")
            for place, (name, score, at) in enumerate(zip(lines["ranking"], lines["score"], places, strict=True))
        ],
        [
            Column("Ranking", strong=True),
            Column("Score", "muted", align="right"),
            Column("Place", align="right", width="1fr"),
        ],
        key="standing",
        label=f"Where training example {train} stands by every ranking",
    )
    st.caption("Place 1 is the highest. " + ", ".join(glossed(name) for name in lines["ranking"]) + ".")


def _show_targets(listed: Entry, outliers: Outliers, pictures: Pictures, train: int) -> None:
    """The targets that it helped and hurt most."""
    noun = describing.noun(listed)
    for frame, title, sign in zip(outliers.targets(train, TARGETS), ("Helped", "Hurt"), (1, -1), strict=True):
        if frame.empty:
            st.caption(f"{title}: no test {noun} keeps it among its strongest.")
            continue
        heading = Heading(title, f"these test {noun}s most", sign)
        label = f"Test {noun}s that it {title.lower()} most"
        if outliers.houses is None:
            _show_pictures(outliers, pictures, frame, heading, label)
        else:
            _show_houses(outliers, frame, heading, label)
    if (target := st.session_state.pop(_NEW, None)) is not None:
        page, link = describing.page_of(listed, target=target)
        st.switch_page(page, query_params=link)


def _open(target: int) -> None:
    st.session_state[_NEW] = target


def _show_pictures(outliers: Outliers, pictures: Pictures, frame: pd.DataFrame, heading: Heading, label: str) -> None:
    found = [(int(target), float(score)) for target, score in zip(frame["target"], frame["score"], strict=True)]
    strip = pictures.strip([("test", target) for target, _ in found])
    names, facts = outliers.classes, outliers.result.targets
    labels = {target: names[int(facts["label"][target])] for target, _ in found}
    called = {target: names[int(facts["prediction"][target])] for target, _ in found}
    tiles(
        [
            Tile(
                target,
                (strip.place("test", target),),
                (),
                f"Test image {target}, {labels[target]}, called {called[target]}: score {score:+.3g}",
                score=score,
                number=f"{score:+.2g}".replace("-", "−"),
                details=(f"Test image {target}", f"{labels[target]}, called {called[target]}"),
                stand_in=labels[target],
            )
            for target, score in found
        ],
        strip,
        key=label,
        label=label,
        on_pick=_open,
        heading=heading,
        size=64,
        narrow="strip",
    )


def _show_houses(outliers: Outliers, frame: pd.DataFrame, heading: Heading, label: str) -> None:
    assert outliers.houses is not None
    prices = outliers.houses.test["price"]
    found = zip(frame["target"], frame["rank"], frame["score"], strict=True)
    lines = [(int(target), int(rank), float(score), dollars(float(prices[target]))) for target, rank, score in found]
    rows(
        [
            Row(
                target,
                (str(target), price, score, f"{score:+.3g}".replace("-", "−")),
                f"Test house {target}, {price}, score {score:+.3g}, rank {rank:+d}",
                sign=1 if score > 0 else -1,
            )
            for target, rank, score, price in lines
        ],
        [
            Column("House", strong=True),
            Column("Price", "muted"),
            Column("Score", "bar"),
            Column("", "score", align="right"),
        ],
        key=label,
        label=label,
        on_pick=_open,
        heading=heading,
    )
