"""The answer of the houses page: what is picked, and two lists of what helped and hurt it, or the other way round."""

from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from influence.explorer import address
from influence.explorer.houses import chosen, drawn, geography, words
from influence.explorer.houses.chosen import FEW, Chosen
from influence.explorer.houses.picks import Pick, Reach
from influence.explorer.houses.records import DOLLARS, Houses
from influence.explorer.houses.show_map import cap
from influence.explorer.parts.heading import Heading
from influence.explorer.parts.rows import Column, Row, rows

_LIST_HEIGHT = 232  # pixels: six rows and their titles


def show(houses: Houses, picked: Chosen) -> None:
    """Draw the answer for a house or a group."""
    pick = picked.pick
    place = f", {geography.whereabouts(pick.houses)}" if len(pick.houses) == 1 else ""
    _verdict(houses, f"{words.title(pick)}{place}", pick.houses, words.verdict(pick))
    sides = (
        ("Helped", words.helped(pick), pick.proponents, 1),
        ("Hurt", words.hurt(pick), pick.opponents, -1),
    )
    _lists(houses, sides, "train", "training house", picked, chosen.mark)
    st.caption(" ".join(filter(None, (words.NOT_DOLLARS, words.short_side(pick, picked.k), _rests_on(houses, pick)))))
    with st.container(horizontal=True, gap="small"):
        if picked.ring is not None:
            st.button(
                f"See whom {picked.ring} helped and hurt",
                type="primary",
                on_click=chosen.open_training_house,
                args=(picked.ring,),
            )
        if pick.is_group:
            _back(picked)
        _download(pick.table, f"influence-on-{pick.title.replace(' ', '-')}.csv")


def _rests_on(houses: Houses, pick: Pick) -> str:
    return words.near(pick) if pick.is_whole else words.summed(pick, houses.result.manifest.k)


def show_reach(houses: Houses, picked: Chosen, reach: Reach) -> None:
    """Draw the test houses that a training house helped and hurt."""
    one = houses.train.loc[[reach.train]]
    where = geography.whereabouts(one)
    _verdict(houses, f"Training house {reach.train}, {where}", one, words.learned(reach))
    sides = (
        ("Helped", "these prices come closer because of it", reach.helped, 1),
        ("Hurt", "these get farther off", reach.hurt, -1),
    )
    _lists(houses, sides, "target", "test house", picked, chosen.open_house)
    said = words.reach(reach, houses.result.manifest.k, len(houses.pickable), picked.house)
    st.caption(f"{words.NOT_DOLLARS} {said}")
    with st.container(horizontal=True, gap="small"):
        _back(picked)
        _download(reach.table, f"influence-of-house-{reach.train}.csv")


def _back(picked: Chosen) -> None:
    group = picked.reach is not None and picked.pick.is_group
    st.button(
        "Back to the group" if group else f"Back to house {picked.house}",
        icon=":material/arrow_back:",
        on_click=partial(address.go, **({"train": None} if group else dict.fromkeys(chosen.LEAVES[1:]))),
    )


def _verdict(houses: Houses, caption: str, of: pd.DataFrame, sentence: str) -> None:
    """What is explained, from its true price to the model's."""
    mean = of[["price", "prediction"]].mean()
    limit = cap(houses)
    true = words.price(float(mean["price"]), limit if len(of) == 1 else None)
    st.caption(caption)
    st.html(
        f'<h2 class="verdict">{true} <span>→</span> {words.dollars(mean["prediction"])}</h2>'
        "<style>h2.verdict{font-size:27px;font-weight:650;line-height:1.2;padding:0;margin:-14px 0 0;color:var(--ink)}"
        "h2.verdict span{color:var(--muted);font-weight:400}</style>"
    )
    st.markdown(sentence.replace("$", r"\$"))
    high = (limit or houses.train["price"].max() / DOLLARS) * DOLLARS
    over = words.over(limit) if limit else words.dollars(high)
    st.html(drawn.from_to(float(mean["price"]), float(mean["prediction"]), 0.0, 1.04 * high, over))


def _lists(
    houses: Houses,
    sides: tuple[tuple[str, str, pd.DataFrame, int], ...],
    id_: str,
    noun: str,
    picked: Chosen,
    on_pick: Callable[[int], None],
) -> None:
    """Two ranked lists on one scale."""
    scale = max((float(frame["score"].abs().max()) for _, _, frame, _ in sides if len(frame)), default=None)
    most = houses.max_k
    more = f"Show {FEW}" if picked.k > FEW else f"Show all {most}" if most > picked.k else ""
    for name, text, frame, sign in sides:
        items = [_row(houses, row, id_, noun, sign) for _, row in frame.iterrows()]
        rows(
            items,
            [
                Column("Price", strong=True, width="92px"),
                Column("Score", kind="bar"),
                Column("", kind="score", align="right"),
                Column("Away", kind="muted", align="right", width="56px"),
            ],
            key=f"{name}-list",
            label=name,
            on_pick=on_pick,
            heading=Heading(name, text, sign, more),
            on_more=partial(address.go, k=most if picked.k <= FEW else None),
            selected=picked.ring,
            scale=scale,
            height=_LIST_HEIGHT if picked.k > FEW else None,
        )


def _row(houses: Houses, row: "pd.Series[float]", id_: str, noun: str, sign: int) -> Row:
    price, score, away = words.price(row["price"], cap(houses)), words.signed(row["score"]), words.away(row["km"])
    verb = ("helped" if sign > 0 else "hurt") if id_ == "train" else ("was helped" if sign > 0 else "was hurt")
    counted = f", kept for {int(row['of'])} of the group" if "of" in row else ""
    return Row(
        int(row[id_]),
        (price, abs(float(row["score"])), score, away),
        f"{noun} {int(row[id_])} {verb}: score {score}, price {price}, {away} away{counted}",
        sign,
    )


def _download(table: pd.DataFrame, name: str) -> None:
    st.download_button(
        "Download these as CSV",
        lambda: table.to_csv(index=False, float_format="%.6g"),
        file_name=name,
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
