"""One target, two or three rankings side by side: what each names, and how much they agree."""

import random

import pandas as pd
import streamlit as st

from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.explorer import compare, describing, panel, shelf
from influence.explorer.compare import NEIGHBOURS, NONE, Nearest, Ranking
from influence.explorer.houses.features import FEATURES
from influence.explorer.houses.records import Houses
from influence.explorer.parts.grid import Cell, image_grid
from influence.explorer.parts.pictures import Pictures
from influence.library import Entry
from influence.results import Result

SLOTS = ("first", "second", "third")
PICKED = ("target", "example", "k", *SLOTS)  # what belongs to one data set


def main() -> None:
    check = panel.link_checker("compare")
    panel.frame("Compare", "pages/compare.py")
    shelf.come_back("compare", ("on", *PICKED))
    st.title("Compare")
    st.caption("One test example, and the training examples that different methods or runs say helped and hurt it.")
    found = shelf.every()
    name = shelf.choose_dataset(found, check, *PICKED)
    of_it = {id_: each for id_, each in found.items() if each.dataset == name}
    dataset = shelf.data_of(next(iter(of_it.values())))
    chosen = choose_methods(of_it, dataset is not None, check)
    listed = {id_: of_it[id_] for id_ in chosen if id_ != NEIGHBOURS}
    read = {id_: shelf.read(each) for id_, each in listed.items()}
    compared = list(read.values())
    if not compared:
        st.error("Neighbours are a reference for results: choose at least one result.", icon=":material/error:")
        return
    for other in compared[1:]:
        if why := describing.why_not_together(compared[0], other):
            st.error(why, icon=":material/error:")
            return
    target, k = choose_target(listed[compared[0].name], compared, check)
    whole = data_for(listed[compared[0].name], dataset)
    rankings = [
        nearest(whole, listed[compared[0].name], target, int(compared[0].manifest.k))
        if id_ == NEIGHBOURS and whole is not None
        else compare.ranking(read[id_], target)
        for id_ in chosen
        if id_ != NEIGHBOURS or whole is not None
    ]
    if listed[compared[0].name].has_classes:
        show_images(listed, compared, rankings, target, k, shelf.pictures_of(listed[compared[0].name], whole), check)
    else:
        show_houses(listed, compared, rankings, target, k, whole)
    show_agreement(compared, rankings)
    about(listed, rankings, compared[0])
    shelf.leave_ready("compare", ("on", *PICKED))


# --- what is chosen -------------------------------------------------------------------------------------------------


def choose_methods(of_it: dict[str, Entry], has_data: bool, check: panel.Check) -> list[str]:
    """Two or three different ones: results, and neighbours where the data are here."""
    options = [*of_it, *([NEIGHBOURS] if has_data else [])]
    chosen: list[str] = []
    for place, (slot, column) in enumerate(zip(SLOTS, st.columns(3), strict=True)):
        offered = [NONE, *options] if place else options
        default = (options[0], compare.other_method(of_it, options), NONE)[place]
        panel.keep_within(slot, offered.__contains__)
        said: str = column.selectbox(
            slot.capitalize(),
            offered,
            offered.index(default),
            key=slot,
            bind="query-params",
        )
        why = "neighbours need the data set." if not has_data else f"there is no such result, so “{said}” is shown."
        check(slot, said, why)
        if said in chosen:
            column.warning(f"“{said}” is chosen twice, and shown once.")
        elif said != NONE:
            chosen.append(said)
    return chosen


def choose_target(first: Entry, compared: list[Result], check: panel.Check) -> tuple[int, int]:
    noun = describing.noun(first)
    default = compare.default_target(compared[0])
    if compare.why_not_target(compared, default, noun):
        common = set.intersection(*(set(result.targets.index) for result in compared))
        default = min((target for target in common if target >= 0), default=default)
    most = min(int(result.manifest.k) for result in compared)

    def at_random() -> None:
        st.session_state["target"] = int(random.choice([one for one in compared[0].targets.index if one >= 0]))

    one, two, three, _ = st.columns([3, 2, 3, 4], vertical_alignment="bottom")
    number = one.number_input(
        f"Test {noun}", value=None, step=1, key="target", bind="query-params", placeholder=str(default)
    )
    two.button("Random", on_click=at_random, width="stretch", help=f"A test {noun} of the first result")
    panel.keep_within("k", lambda value: 1 <= value <= most)
    k = three.number_input("How many either way", 1, most, min(10, most), key="k", bind="query-params")
    check("k", k, f"these results show 1 to {most} either way, so {k} are shown.")
    check("target", number, f"there is no such test {noun}, so {noun} {default} is shown.")
    target = default if number is None else int(number)
    if problem := compare.why_not_target(compared, target, noun):
        st.warning(f"{problem} {noun.capitalize()} {default} is shown.")
        target = default
    if problem := compare.why_not_target(compared, target, noun):
        raise InfluenceError(f"These results explain no {noun} in common: choose others.")
    return target, k


def data_for(listed: Entry, dataset: Dataset | None) -> Dataset | None:
    """The very data of the results that are compared, which may be a part of the data set."""
    return None if dataset is None else shelf.data_of(listed)


def nearest(dataset: Dataset, listed: Entry, target: int, k: int) -> Ranking:
    return _nearest(dataset, dataset.content_hash, listed.has_classes, *listed.manifest.part).ranking(target, k)


@st.cache_resource(max_entries=2, show_spinner="Measuring the training part …")
def _nearest(
    _dataset: Dataset, content_hash: str, has_classes: bool, classes: tuple[str, ...], train_size: int | None
) -> Nearest:
    return Nearest(_dataset, has_classes)


# --- images ---------------------------------------------------------------------------------------------------------


def show_images(
    listed: dict[str, Entry],
    compared: list[Result],
    rankings: list[Ranking],
    target: int,
    k: int,
    pictures: Pictures,
    check: panel.Check,
) -> None:
    classes, labels = compared[0].manifest.classes, compared[0].train["label"]
    of_target = classes[int(compared[0].targets.loc[target, "label"])]
    st.subheader(f"Test image {target}, class {of_target}")
    left, right = st.columns([1, 5], gap="medium")
    with left:
        panel_picture(pictures, target, of_target)
    with right:
        said = [
            f"- {result.name}: the model{'s say' if result.manifest.method == 'datamodels' else ' says'} "
            f"**{classes[int(result.targets.loc[target, 'prediction'])]}**, margin "
            f"{result.targets.loc[target, 'margin']:+.2f}"
            for result in compared
            if {"prediction", "margin"} <= set(result.targets)
        ]
        st.markdown("\n".join(said))
    shared = {sign: compare.in_how_many(rankings, sign, k) for sign in (1, -1)}
    for ranking, column in zip(rankings, st.columns(len(rankings), gap="medium"), strict=True):
        with column:
            head(ranking, listed, target)
            for sign, title, side in (
                (1, ":blue[**+ Most positive**]", "positive"),
                (-1, ":orange[**− Most negative**]", "negative"),
            ):
                table = ranking.table(sign, k)
                named = [classes[int(each)] for each in labels.loc[table["train"]]]
                same = sum(name == of_target for name in named)
                st.markdown(f"{title}  \n{same} of {len(table)} are of its class, {of_target}")
                image_grid(
                    [
                        train_cell(pictures, row, name, sign, int(shared[sign][row.train]), len(rankings))
                        for row, name in zip(table.itertuples(), named, strict=True)
                    ],
                    label=f"Most {side} by {ranking.name}",
                    key=f"grid {side} {ranking.name}",
                    on_pick=pick_train,
                    selected=st.session_state.get("example"),
                    size=58,
                )
    show_train(listed, compared, rankings, labels, check)


def panel_picture(pictures: Pictures, target: int, of_target: str) -> None:
    alt = f"Test image {target}, class {of_target}"
    if (source := pictures("test", target)) is None:
        st.markdown(f"**{alt}**")
        return
    st.html(
        f'<img src="{source}" alt="{alt}" style="width: 100%; max-width: 120px; image-rendering: pixelated; '
        'border-radius: 8px; border: 1px solid rgba(128, 128, 128, 0.4); display: block">'
    )


def head(ranking: Ranking, listed: dict[str, Entry], target: int) -> None:
    """A method's name and how far it can be trusted."""
    st.markdown(f"#### {ranking.name}")
    if ranking.name == NEIGHBOURS:
        known = compare.neighbours_lds([shelf.evaluated(each) for each in listed.values()])
        st.caption(f"Alike in their inputs; no model is asked. {known}")
        return
    one = listed[ranking.name]
    st.caption(
        f"{describing.method(one.manifest)} · {compare.lds_of(one, shelf.evaluated(one), shelf.read(one), target)}"
    )


def train_cell(pictures: Pictures, row: object, name: str, sign: int, shared: int, of: int) -> Cell:
    rank, train, score = row.rank, int(row.train), row.score  # type: ignore[attr-defined]
    in_all = f"in {shared} of {of}" if shared > 1 else ""
    return Cell(
        train,
        pictures("train", train),
        (f"{score:+.3g}", f"{rank:+d} · {name}", f"#{train}", in_all),
        f"Rank {rank:+d}, score {score:+.3g}: training image {train}, class {name}" + (f"; {in_all}" if in_all else ""),
        "positive" if sign > 0 else "negative",
        name,
    )


def pick_train(train: int) -> None:
    st.session_state["example"] = train


def show_train(
    listed: dict[str, Entry],
    compared: list[Result],
    rankings: list[Ranking],
    labels: "pd.Series[int]",
    check: panel.Check,
) -> None:
    """Where each method has one training image."""
    left, right = st.columns([1, 3], gap="medium")
    train = left.number_input(
        "Training image", value=None, step=1, key="example", bind="query-params", placeholder="click one above"
    )
    check("example", train, "there is no such training image, so none is shown.")
    if train is None:
        return
    if train not in labels.index:
        left.warning(f"These results have no training image {train}.")
        return
    name = compared[0].manifest.classes[int(labels[train])]
    left.markdown(f"Class **{name}**")
    with right:
        st.dataframe(
            compare.places(rankings, int(train)),
            hide_index=True,
            column_config={
                "method": "Method",
                "rank": st.column_config.NumberColumn("Rank", format="%+d", help="None: not among those that it keeps"),
                "score": st.column_config.NumberColumn("Score", format="%+.3g"),
            },
            alt=f"Rank and score of training image {train} by every method.",
        )
    with left:
        page, link = describing.page_of(next(iter(listed.values())), train=int(train))
        st.page_link(page, label="Open it", icon=":material/arrow_forward:", query_params=link)


# --- houses ---------------------------------------------------------------------------------------------------------


def show_houses(
    listed: dict[str, Entry],
    compared: list[Result],
    rankings: list[Ranking],
    target: int,
    k: int,
    dataset: Dataset | None,
) -> None:
    houses = {result.name: houses_of(result, dataset) for result in compared}
    first = houses[compared[0].name]
    row = first.test.loc[target]
    st.subheader(f"House {target}")
    said = [f"worth **{dollars(row['price'])}**"] if pd.notna(row["price"]) else []
    said += [
        f"{name} says **{dollars(each.test.loc[target, 'prediction'])}**"  # type: ignore[arg-type]
        for name, each in houses.items()
        if pd.notna(each.test.loc[target, "prediction"])
    ]
    st.markdown("; ".join(said) if said else "Its price is in the data set, which is not on this machine.")
    for ranking, column in zip(rankings, st.columns(len(rankings), gap="medium"), strict=True):
        with column:
            head(ranking, listed, target)
            own = houses.get(ranking.name, first)
            for sign, title in ((1, ":blue[**+ Most positive**]"), (-1, ":orange[**− Most negative**]")):
                st.markdown(title)
                table = compare.facts(own, ranking.table(sign, k), target)
                st.dataframe(
                    table,
                    hide_index=True,
                    height=min(35 * (len(table) + 1) + 3, 400),
                    column_config=house_columns(),
                    alt=f"The houses that {ranking.name} ranks {'highest' if sign > 0 else 'lowest'}.",
                )
    page, link = describing.page_of(listed[compared[0].name], target=target)
    st.page_link(page, label="See them on the map", icon=":material/map:", query_params=link)


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs={Result: lambda one: (one.path, one.manifest.created)})
def houses_of(result: Result, _dataset: Dataset | None) -> Houses:
    return Houses(result, _dataset)


def dollars(value: float) -> str:
    return rf"\${value:,.0f}"


def house_columns() -> dict[str, object]:
    return {
        "rank": st.column_config.NumberColumn("Rank", format="%+d"),
        "score": st.column_config.NumberColumn("Score", format="%+.3g"),
        "train": st.column_config.NumberColumn("House", format="%d"),
        "price": st.column_config.NumberColumn("Price", format="dollar", step=1),
        "km": st.column_config.NumberColumn("km away", format="%.1f"),
        **{name: st.column_config.NumberColumn(each.label, format="%.4g", width=85) for name, each in FEATURES.items()},
    }


# --- how much they agree --------------------------------------------------------------------------------------------


def show_agreement(compared: list[Result], rankings: list[Ranking]) -> None:
    st.divider()
    st.subheader("How much they agree")
    if len(rankings) < 2:
        st.info("Choose a second method above to compare with.")
        return
    ks = compare.ks_of(rankings)
    shares = {f"@{k}": st.column_config.NumberColumn(f"Overlap@{k}", format="percent") for k in ks}
    names = {"pair": "Pair", "side": "Side"}
    st.dataframe(
        compare.agreement(rankings, len(compared[0].train)),
        hide_index=True,
        column_config={
            **names,
            **shares,
            "rank correlation": st.column_config.TextColumn(
                "Rank correlation", help="Spearman’s, on so many training examples whose scores both keep"
            ),
        },
        alt="Overlap and rank correlation of every pair, for this target.",
    )
    st.caption(
        "Overlap@k: the share of the k strongest that two have in common, for this target. Rank correlation "
        "(Spearman): over the training examples whose scores both keep; these are extremes of either sign, so it tells "
        f"agreement in sign from none rather than fine order. Below {compare.LEAST_COMMON} examples it is not given."
    )
    if len(compared) > 1:
        st.markdown("**Over all targets**")
        st.dataframe(
            overall(tuple(result.name for result in compared), stamps(compared), compared, ks),
            hide_index=True,
            column_config={**names, **shares, "targets": st.column_config.NumberColumn("Targets", format="%d")},
            alt="Mean overlap of every pair of results over all targets.",
        )


def stamps(compared: list[Result]) -> tuple[int, ...]:
    return tuple(panel.stamp(result.path / "manifest.json") for result in compared)


@st.cache_data(max_entries=16, show_spinner="Comparing all targets …")
def overall(names: tuple[str, ...], stamps: tuple[int, ...], _compared: list[Result], ks: list[int]) -> pd.DataFrame:
    return compare.over_targets(_compared, ks)


def about(listed: dict[str, Entry], rankings: list[Ranking], first: Result) -> None:
    with st.expander("How far to trust this"):
        lines = [f"- **{id_}**: {each.manifest.title}. {each.manifest.caveat}" for id_, each in listed.items()]
        if any(ranking.name == NEIGHBOURS for ranking in rankings):
            what = "pixels" if first.manifest.classes else "standardised features"
            sign = "; an example of another class counts against" if first.manifest.classes else ""
            lines.append(
                f"- **{NEIGHBOURS}**: the cosine of {what}, less the mean of the training part{sign}. No "
                "model is asked."
            )
        lines.append(
            "- **Agreement is no proof**: two methods can be wrong together. What each predicts of models that it has "
            "not seen is its LDS; the quality page has it with intervals and controls."
        )
        lines.append("- **Scores of different methods have different units**: compare ranks, not sizes.")
        st.markdown("\n".join(lines))


try:
    main()
except InfluenceError as error:
    st.error(str(error), icon=":material/error:")
