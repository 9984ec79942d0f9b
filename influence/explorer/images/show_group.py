"""A cell of the confusion matrix: its images, and the training images that hurt and helped them most together."""

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from influence.explorer import address, describing
from influence.explorer.images import chosen, words
from influence.explorer.images.chosen import Chosen
from influence.explorer.images.filters import ALL, MISTAKES, Filters
from influence.explorer.images.records import Images
from influence.explorer.images.sums import TEST, Answer
from influence.explorer.parts.heading import Heading
from influence.explorer.parts.tiles import Tile, tiles
from influence.explorer.text import escaped

_SHOWN = 8  # of its images


def show(images: Images, cell: tuple[str, str], picked: Chosen) -> None:
    """Draw the group."""
    own, said = cell
    members = images.gallery(Filters(label=own, prediction=said), "lowest margin first")
    is_right = own == said
    with st.container(key="verdict"):
        st.markdown(f"## {escaped(own)}" if is_right else f"## {escaped(own)} :gray[→] {escaped(said)}")
    st.markdown(_says(images, own, said, len(members)))
    if not members:
        return
    _members(images, members)
    many = 2 * picked.few if picked.k <= picked.few else picked.k
    answer = images.sums.answer(TEST, np.array(members), many)
    of = f"{len(members):,}"
    hurt = ("Hurt" if is_right else "Culprits", "hurt these images most: sums of the kept scores", answer.hurt, -1)
    helped = ("Helped", f"made “{own}” more likely for them", answer.helped.head(picked.few), 1)
    for title, text, side, sign in (helped, hurt) if is_right else (hurt, helped):
        _side(images, title, text, side, sign, of, _scale(answer))
    k = images.result.manifest.k
    st.caption(
        f"Sums over these {of} test images of the scores that are kept: the {k} strongest of each either way, and the "
        "strongest of each training image. All others count as 0. To hurt most is not to be the cause: leaving these "
        "out was not tried here."
    )
    with st.container(horizontal=True, gap="small"):
        st.button(
            f"See all {of} in the grid",
            icon=":material/grid_view:",
            on_click=partial(
                address.go, view=None, show=ALL if is_right else MISTAKES, **{"class": own}, predicted=said
            ),
        )
        st.download_button(
            "CSV",
            lambda: _table(images, members).to_csv(index=False),
            file_name=f"culprits-{own}-{said}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            help="Download all sums as a table",
        )


def _says(images: Images, own: str, said: str, n: int) -> str:
    who = "the models" if describing.has_many_models(images.result.manifest) else "the model"
    of_class = images.test[images.test["class"] == own]
    if own == said:
        return f"**{n:,} of {len(of_class):,} images of “{escaped(own)}”** that {who} got right."
    mistakes = int(of_class["wrong"].sum())
    share = f" They are {n / mistakes:.0%} of the mistakes on that class." if mistakes else ""
    verb = "call" if who.endswith("s") else "calls"
    return f"**{n:,} images of “{escaped(own)}”** that {who} {verb} “{escaped(said)}”.{share}"


def _members(images: Images, members: list[int]) -> None:
    shown = members[:_SHOWN]
    strip = images.picture.strip([("test", target) for target in shown])
    tiles(
        [
            Tile(
                target,
                (strip.place("test", target),),
                (),
                f"Test image {target}, margin {images.test['margin'][target]:+.2f}",
                details=(f"Test image {target}", f"margin {images.test['margin'][target]:+.2f}".replace("-", "−")),
                stand_in=str(images.test["class"][target]),
            )
            for target in shown
        ],
        strip,
        key="members",
        label="Some images of this cell",
        on_pick=chosen.open_target,
        size=60,
        columns=_SHOWN,
        narrow="strip",
    )


def _scale(answer: Answer) -> float | None:
    return max((float(side["score"].abs().max()) for side in (answer.helped, answer.hurt) if len(side)), default=None)


def _side(images: Images, title: str, text: str, side: pd.DataFrame, sign: int, of: str, scale: float | None) -> None:
    if side.empty:
        st.caption(f"**{title}**: no score that is kept has this sign.")
        return
    strip = images.picture.strip([("train", int(train)) for train in side["other"]])
    labels = images.train["class"]

    def tile(train: int, score: float, kept: int) -> Tile:
        label, said = str(labels[train]), f"{kept:,} of {of} images"
        details = (f"Training image {train}, {label}", f"sum {words.number(score, scale)}, kept for {said}")
        return Tile(
            train, (strip.place("train", train),), (label, f"for {said}"), ", ".join(details), score,
            words.number(score, scale), details, label,
        )  # fmt: skip

    tiles(
        [tile(int(train), float(score), int(kept)) for train, score, kept in side.itertuples(index=False)],
        strip,
        key=f"{'helped' if sign > 0 else 'hurt'} group",
        label=title,
        on_pick=chosen.open_train,
        heading=Heading(title, text, sign),
        size=90,
        columns=5,
        narrow="strip",
        scale=scale,
    )


def _table(images: Images, members: list[int]) -> pd.DataFrame:
    answer = images.sums.answer(TEST, np.array(members), len(images.train))
    both = pd.concat([answer.helped, answer.hurt.iloc[::-1]], ignore_index=True)
    both["class"] = images.train["class"].reindex(both["other"]).to_numpy()
    return both.rename(columns={"other": "train", "score": "sum", "of": "kept_for"})
