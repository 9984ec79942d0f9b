"""Images on the compare page: the target, a column of pictures for each ranking, and where each has one of them."""

from functools import partial

import pandas as pd
import streamlit as st

from influence.explorer import address, describing
from influence.explorer.compare import records
from influence.explorer.compare.records import Ranking
from influence.explorer.compare.show_head import head, titles
from influence.explorer.parts.heading import Heading
from influence.explorer.parts.pictures import Pictures
from influence.explorer.parts.tiles import Tile, tiles
from influence.explorer.text import escaped
from influence.library import Entry
from influence.results import Result


def show(
    listed: dict[str, Entry],
    compared: list[Result],
    rankings: list[Ranking],
    target: int,
    k: int,
    pictures: Pictures,
) -> None:
    """Draw the target and the rankings."""
    classes, labels = compared[0].manifest.classes, compared[0].train["label"]
    of_target = classes[int(compared[0].targets["label"][target])]
    left, right = st.columns([1, 6], gap="medium", vertical_alignment="center")
    with left:
        _picture(pictures, target, of_target)
    with right:
        st.header(f"Test image {target}, class {escaped(of_target)}", anchor=False)
        st.markdown("\n".join(f"- {_prediction(result, target)}" for result in compared if _is_known(result)))
    train = _chosen(labels)
    shared = {sign: records.in_how_many(rankings, sign, k) for sign in (1, -1)}
    for ranking, column in zip(rankings, st.columns(len(rankings), gap="medium"), strict=True):
        with column, st.container(border=True):
            head(ranking, listed, target)
            for sign, title in titles(ranking):
                table = ranking.table(sign, k)
                indices = [int(each) for each in table["train"]]
                named = [classes[int(each)] for each in labels.loc[indices]]
                strip = pictures.strip([("train", each) for each in indices])
                tiles(
                    [
                        _tile(row, name, strip.place("train", train), shared[sign], len(rankings))
                        for row, name, train in zip(table.itertuples(), named, indices, strict=True)
                    ],
                    strip,
                    key=f"{title} {ranking.name}",
                    label=f"{title}, by {ranking.name}",
                    heading=Heading(title, f"{named.count(of_target)} of {len(table)} are “{of_target}”", sign),
                    on_pick=lambda picked: address.go(example=picked),
                    selected=train,
                    size=72,
                )
    if train is not None:
        _show_train(listed, rankings, train, classes[int(labels.loc[[train]].to_numpy()[0])])


def _is_known(result: Result) -> bool:
    return {"prediction", "margin"} <= set(result.targets)


def _prediction(result: Result, target: int) -> str:
    says = "the models say" if describing.has_many_models(result.manifest) else "the model says"
    said = escaped(result.manifest.classes[int(result.targets["prediction"][target])])
    return f"{escaped(result.name)}: {says} **{said}**, margin {_signed(result.targets['margin'][target])}"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _picture(pictures: Pictures, target: int, of_target: str) -> None:
    if (source := pictures("test", target)) is not None:
        st.html(
            f'<img src="{source}" alt="Test image {target}" style="width:100%;max-width:140px;border-radius:8px;'
            'display:block">'
        )
    else:
        st.markdown(f"**{escaped(of_target)}**")


def _tile(row: object, name: str, place: int | None, shared: "pd.Series[int]", of: int) -> Tile:
    rank, train, score = row.rank, int(row.train), row.score  # type: ignore[attr-defined]
    number, count = f"{score:+.3g}".replace("-", "−"), int(shared[train])
    in_all = "" if count < 2 else "in both" if of == 2 else f"in {count} of {of}"
    alt = ", ".join(filter(None, (f"Training image {train}", f"class {name}", f"rank {rank:+d}", number, in_all)))
    return Tile(train, (place,), (name, in_all), alt, float(score), number, (f"#{train}, rank {rank:+d}",), name)


def _chosen(labels: "pd.Series[int]") -> int | None:
    """The training image that the address names."""
    if "example" not in address.said():
        return None
    train = address.whole(address.get("example") or "")
    if train is None or train not in labels.index:
        why = "that is no number" if train is None else f"these results have no training image {train}"
        address.refuse("example", f"{why}, so none is shown.")
        return None
    return train


def _show_train(listed: dict[str, Entry], rankings: list[Ranking], train: int, name: str) -> None:
    """Where each ranking has one training image."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**Training image {train}**, class {escaped(name)}")
            page, link = describing.page_of(next(iter(listed.values())), train=train)
            st.page_link(page, label="Open it", icon=":material/arrow_forward:", query_params=link)
            st.button("Close", icon=":material/close:", on_click=partial(address.go, example=None))
        st.dataframe(
            records.places(rankings, train),
            hide_index=True,
            column_config={
                "method": "Result",
                "rank": st.column_config.NumberColumn("Rank", format="%+d", help="None: not among those that it keeps"),
                "score": st.column_config.NumberColumn("Score", format="%+.3g"),
            },
            alt=f"Rank and score of training image {train} by every result.",
        )
