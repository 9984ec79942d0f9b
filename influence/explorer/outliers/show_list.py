"""The list of training examples: big pictures with a box to tick, or lines where there are no pictures."""

import math
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from influence.explorer import address, describing
from influence.explorer.outliers import tray
from influence.explorer.outliers.choices import Choice, sources
from influence.explorer.outliers.fixes import Fixes
from influence.explorer.outliers.rankings import COPIES, HARMFUL, RANKINGS
from influence.explorer.outliers.records import Outliers
from influence.explorer.parts.pages import choose_page
from influence.explorer.parts.pictures import Pictures
from influence.explorer.parts.rows import Column, Row, rows
from influence.explorer.parts.tiles import Tile, tiles
from influence.library import Entry

PER_PAGE = 40
LABEL = "Training images to look at"


def show_list(listed: Entry, outliers: Outliers, pictures: Pictures, choice: Choice, fixes: Fixes) -> None:
    """One page of the list."""
    noun = describing.noun(listed)
    if not choice.trains:
        st.info(f"No training {noun} passes these filters. Show all, or any class.")
        return
    pages = -(-len(choice.trains) // PER_PAGE)
    slot = st.container()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="pages"):
        sheet = choose_page("sheet", pages)
        shown = list(choice.trains[(sheet - 1) * PER_PAGE : sheet * PER_PAGE])
        st.markdown(
            f":small[:gray[{(sheet - 1) * PER_PAGE + 1:,} to {(sheet - 1) * PER_PAGE + len(shown):,} of "
            f"{len(choice.trains):,}]]",
            width="content",
        )
        st.button(
            f"Tick these {len(shown)}",
            on_click=tray.put,
            args=(listed, outliers, shown, True),
            icon=":material/check_box:",
        )
    st.caption(sources(outliers, choice.ranking))
    with slot:
        if outliers.houses is None:
            _show_tiles(listed, outliers, pictures, choice, shown, fixes)
        else:
            _show_rows(outliers, choice, shown, fixes, noun)


def pick(train: int) -> None:
    """Look at a training example. For callbacks."""
    address.go(example=train)


# --- pictures -------------------------------------------------------------------------------------------------------


def _show_tiles(
    listed: Entry, outliers: Outliers, pictures: Pictures, choice: Choice, shown: Sequence[int], fixes: Fixes
) -> None:
    copies = {train: copied for train in shown if choice.list == COPIES.name and (copied := outliers.copied(train))}
    strip = pictures.strip([("train", train) for train in shown] + [("test", copy[0]) for copy in copies.values()])

    def places(train: int) -> tuple[int | None, ...]:
        own = strip.place("train", train)
        return (own, strip.place("test", copies[train][0])) if train in copies else (own,)

    tiles(
        [
            Tile(
                train,
                places(train),
                _lines(outliers, choice, train),
                _alt(outliers, choice, train, train in fixes),
                details=_details(outliers, choice, train),
                stand_in=str(outliers.table["label"][train]),
            )
            for train in shown
        ],
        strip,
        key="outliers",
        label=LABEL,
        on_pick=pick,
        selected=choice.picked,
        ticked=set(fixes),
        on_tick=lambda train: tray.put(listed, outliers, [train], train not in tray.read(listed, outliers)),
        size=128 if not copies else 150,
        columns=5 if not copies else 4,
    )


def _lines(outliers: Outliers, choice: Choice, train: int) -> tuple[str, str]:
    label, said = outliers.table["label"][train], outliers.table["suggested"][train]
    first = f"labelled **{label}**"
    if choice.list == COPIES.name and (copied := outliers.copied(train)):
        same = f"like test {copied[0]}"
        return first, same if copied[1] == label else f"{same}, a **{copied[1]}**"
    if choice.list == HARMFUL.name and not said:
        return first, f"hurts {outliers.hurt(train):,} test images"
    if said:
        return first, f"model says **{said}**"
    return first, "model agrees" if outliers.says else f"{choice.ranking} {_score(outliers, choice.ranking, train)}"


def _score(outliers: Outliers, ranking: str, train: int) -> str:
    value = outliers.table[ranking][train]
    if pd.isna(value):
        return "not known"
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}").replace("-", "−")


def _details(outliers: Outliers, choice: Choice, train: int) -> tuple[str, ...]:
    score, place = _score(outliers, choice.ranking, train), outliers.place(train, choice.ranking)
    return (f"Training image {train}", *_plain(_lines(outliers, choice, train)), f"{choice.ranking} {score}: {place}")


def _alt(outliers: Outliers, choice: Choice, train: int, is_fixed: bool) -> str:
    lines = ", ".join(_details(outliers, choice, train))
    return f"{lines}; on the fix list" if is_fixed else lines


def _plain(lines: Sequence[str]) -> list[str]:
    return [line.replace("**", "") for line in lines]


# --- lines ----------------------------------------------------------------------------------------------------------


def _show_rows(outliers: Outliers, choice: Choice, shown: Sequence[int], fixes: Fixes, noun: str) -> None:
    assert outliers.houses is not None
    columns = outliers.houses.train
    money = {name: columns[name].astype(float) for name in ("price", "prediction", "residual")}

    def row(train: int) -> Row:
        score, mark = _score(outliers, choice.ranking, train), "✓" if train in fixes else ""
        price, said, missed = (dollars(float(column[train])) for column in money.values())
        alt = f"Training {noun} {train}, {choice.ranking} {score}, {price}, the model says {said}"
        bar = float(outliers.table[choice.ranking][train])
        return Row(
            train,
            (mark, str(train), bar, score, price, said, missed),
            f"{alt}; on the fix list" if mark else alt,
        )

    rows(
        [row(train) for train in shown],
        [
            Column("", width="14px"),
            Column(noun.capitalize(), strong=True),
            Column(RANKINGS[choice.ranking].title.capitalize(), "bar"),
            Column("", align="right"),
            Column("Price", align="right"),
            Column("Model", "muted", align="right"),
            Column("Off by", "muted", align="right"),
        ],
        key="outlying_rows",
        label=f"Training {noun}s to look at",
        on_pick=pick,
        selected=choice.picked,
        height=600,
    )


def dollars(value: float) -> str:
    """An amount of money, with a true minus; a dash where it is not known."""
    if math.isnan(value):
        return "–"
    return f"−${-value:,.0f}" if value < 0 else f"${value:,.0f}"
