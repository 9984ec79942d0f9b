"""A test image: large, with what the model says of it, and the training images that helped and hurt it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from influence.explorer import address, verdicts
from influence.explorer.images import chosen, words
from influence.explorer.images.chosen import CONFUSION, SIZES, Chosen
from influence.explorer.images.picks import Pick
from influence.explorer.images.records import Images
from influence.explorer.parts.heading import Heading
from influence.explorer.parts.tiles import Tile, tiles
from influence.explorer.text import escaped

_LARGE = 220  # pixels
_RIGHT_OR_WRONG = (":gray-badge[:material/check: right]", ":gray-badge[:material/close: wrong]")


def show(images: Images, pick: Pick, picked: Chosen, view: str) -> None:
    """Draw the inspector of a test image."""
    own, said, target = str(pick.row["class"]), str(pick.row["named"]), pick.target
    wrong = bool(pick.row["wrong"])
    left, right = st.columns([1, 1.75], gap="medium")
    with left:
        large(images, "test", target, f"Test image {target}, class {own}")
    with right, st.container(gap="xxsmall"):
        st.caption(f"Test image {target}")
        with st.container(key="verdict"):
            st.markdown(f"## {_said(own, said)} {_RIGHT_OR_WRONG[wrong]}")
        for line in words.verdict(images, pick):
            st.markdown(line)
    near = words.near_copy(images, target)
    if near is not None:
        train, text = near
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(text, width="stretch")
            st.button("Show it", key="show near-copy", on_click=chosen.open_train, args=(train,))
    sides = (("Helped", pick.positive, 1, "more"), ("Hurt", pick.negative, -1, "less"))
    both_rows(
        [(name, f"made “{own}” {how} likely", _train_rows(frame), sign) for name, frame, sign, how in sides],
        images,
        "train",
        picked,
        chosen.open_train,
    )
    rests = verdicts.rests_on(images.result.manifest, images.evaluated.scaling)
    same = [
        f"{int(frame['same_class'].sum())} of {len(frame)} are of its class" for frame in (pick.positive, pick.negative)
    ]
    st.caption(
        f"Helped: proponents, {same[0]}. Hurt: opponents, {same[1]}. Click one to see which test images it helped and "
        f"hurt. {rests}"
    )
    foot(pick.table, f"influence-on-{target}.csv", images, picked)
    if view == CONFUSION:
        st.button(
            f"Back to {escaped(own)} → {escaped(said)}",
            icon=":material/arrow_back:",
            on_click=chosen.open_cell,
            args=(own, said),
        )


def _said(own: str, said: str) -> str:
    return escaped(own) if own == said else f"{escaped(own)} :gray[→] {escaped(said)}"


def _train_rows(frame: pd.DataFrame) -> list[tuple[int, float, int, str, str]]:
    """Index, score, rank, what stands below a picture, and what is said of it."""
    return [
        (int(train), float(score), int(rank), str(label), f"training image {train}, class {label}")
        for train, score, rank, label in zip(
            *(frame[name] for name in ("train", "score", "rank", "class")), strict=True
        )
    ]


def large(images: Images, part: str, index: int, alt: str) -> None:
    """One picture, as large as it gets; its words where it is not on this machine."""
    source = images.picture(part, index)
    style = f"display:block;width:100%;max-width:{_LARGE}px;aspect-ratio:1;border-radius:8px"
    if source is not None:
        st.html(f'<img src="{source}" alt="{alt}" style="{style}">')
        return
    word = str((images.test if part == "test" else images.train)["class"][index])
    st.html(
        f'<div role="img" aria-label="{alt}" style="{style};background:var(--soft);color:var(--muted);display:grid;'
        f'place-items:center">{escaped(word)}</div>'
    )


def both_rows(
    sides: Sequence[tuple[str, str, Sequence[tuple[int, float, int, str, str]], int]],
    images: Images,
    part: str,
    picked: Chosen,
    on_pick: Callable[[int], None],
) -> None:
    """What helped above what hurt, on one scale.

    Parameters
    ----------
    sides : sequence
        Title, what follows it, the images, and the sign. Of each image: index, score, rank, the line below it, and what
        is said of it.
    images : Images
    part : "train" or "test"
    picked : Chosen
    on_pick : callable
    """
    scale = max((abs(score) for _, _, found, _ in sides for _, score, *_ in found), default=None)
    most = images.max_k if part == "train" else min(images.max_k, int(images.result.manifest.reverse_k))
    more = f"Show {picked.few}" if picked.k > picked.few else f"Show all {most}" if most > picked.few else ""
    for title, text, found, sign in sides:
        if not found:
            st.caption(f"**{title}**: no score that is kept has this sign.")
            continue
        strip = images.picture.strip([(part, index) for index, *_ in found])

        def tile(each: tuple[int, float, int, str, str], strip: Any = strip) -> Tile:
            index, score, rank, line, said = each
            written = words.number(score, scale)
            details = (said.capitalize(), f"score {written}, number {abs(rank):,}")
            return Tile(
                index, (strip.place(part, index),), (line,), f"Rank {rank:+d}: {', '.join(details)}", score,
                written, details, line.partition(" →")[0],
            )  # fmt: skip

        tiles(
            [tile(each) for each in found],
            strip,
            key=f"{title} {part}",
            label=title,
            on_pick=on_pick,
            heading=Heading(title, text, sign, more),
            on_more=partial(address.go, k=most if picked.k <= picked.few else None),
            size=90,
            columns=picked.few,
            narrow="strip",
            scale=scale,
        )


def foot(table: pd.DataFrame, name: str, images: Images, picked: Chosen) -> None:
    """The size of pictures, and a table to download."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        address.choose(
            "size",
            [*SIZES],
            partial(
                st.segmented_control,
                "Size of pictures",
                required=True,
                label_visibility="collapsed",
                format_func=str.capitalize,
            ),
            default="medium",
        )
        st.download_button(
            "CSV",
            lambda: table.to_csv(index=False),
            file_name=name,
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            help="Download these as a table",
            key="download_influences",
        )
