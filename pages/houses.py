"""TracIn on California housing: which training houses shaped a prediction, and which the model learned by heart."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from influence import datasets, evidence, results
from influence.datasets import california_housing
from influence.errors import InfluenceError
from influence.explorer import panel, run_form
from influence.explorer.houses import charts
from influence.explorer.houses.features import FEATURES
from influence.explorer.houses.picks import Pick
from influence.explorer.houses.records import Houses
from influence.explorer.houses.words import provenance
from influence.explorer.parts import maps
from influence.explorer.quality import words as quality
from influence.learners.regression import RegressionNetwork
from influence.library import Entry
from influence.methods.tracin.config import TracInConfig
from influence.settings import arguments

INFLUENCE, SELF_INFLUENCE = "Influence on a house", "Self-influence"
PALO_ALTO, ALL = "Palo Alto’s eleven", "All test houses"
FIT = "All shown"


@st.cache_resource(max_entries=4, show_spinner="Reading the result …")
def load(entry: Entry, result_stamp: int, data_stamp: int) -> Houses:
    dataset = datasets.load(california_housing.NAME) if data_stamp else None
    return Houses(results.read(entry.path, entry.name), dataset)


def main() -> None:
    check = panel.link_checker("houses")
    panel.frame("Houses", "pages/houses.py")
    st.title("Houses")
    st.caption(
        r"A “house” is a census block group of 1990; its price is the median value of its houses, cut off at \$500,001."
    )
    with st.sidebar:
        entry = panel.choose_result(california_housing.NAME, "tracin", check)
        recompute()
    data_stamp = panel.stamp(california_housing.file())
    houses = load(entry, panel.stamp(entry.path / "manifest.json"), data_stamp)
    if not houses.has_data:
        st.info(
            "The data set is not on this machine, so only the houses that the result names are shown. "
            f"`python -m influence data {california_housing.NAME}` brings the others and all features.",
            icon=":material/download:",
        )
    view = st.segmented_control(
        "Show",
        [INFLUENCE, SELF_INFLUENCE],
        default=INFLUENCE,
        required=True,
        key="show",
        bind="query-params",
        label_visibility="collapsed",
    )
    check("show", view, f"that is no part of this page, so “{view}” is shown.")
    if view == SELF_INFLUENCE:
        show_self_influence(houses, check)
    else:
        show_influence(houses, check)
    st.divider()
    about(houses)


def recompute() -> None:
    start = TracInConfig(dataset=california_housing.NAME, learner=RegressionNetwork(), seed=1, checkpoint_every=20)
    with st.form("recompute", border=True):
        st.markdown("**Train and score again**")
        held = run_form.widgets(start)
        busy, present = panel.runner().current is not None, california_housing.is_present()
        if st.form_submit_button(
            "Start run",
            type="primary",
            disabled=busy or not present,
            help="A run is going on." if busy else None if present else "This needs the data set.",
            width="stretch",
        ):
            panel.start(["tracin", *arguments(start, held)], panel.new_name("tracin"))
            st.rerun()


# --- influence on a house -------------------------------------------------------------------------------------------


def show_influence(houses: Houses, check: panel.Check) -> None:
    """Pick a house, then see what pulled and pushed the prediction for it."""
    target = choose_target(houses, check)
    st.divider()
    first, second, third = st.columns([3, 1, 2], vertical_alignment="bottom")
    panel.keep_within("k", lambda value: 1 <= value <= houses.max_k)
    k = second.number_input("How many either way", 1, houses.max_k, min(10, houses.max_k), key="k", bind="query-params")
    zoom = third.segmented_control(
        "Map", [FIT, "California"], default=FIT, required=True, key="zoom", bind="query-params"
    )
    check("zoom", zoom, f"there is no such view, so “{zoom}” is shown.")
    check("k", k, f"this result shows 1 to {houses.max_k} either way, so {k} are shown.")
    pick = houses.pick(target, k)
    with first:
        headline(pick)
    if houses.result.manifest.quality.explained_variance.test <= 0:
        st.warning("This model explains nothing of the test prices (its training may have diverged): don’t trust it.")
    if min(len(pick.proponents), len(pick.opponents)) < k:
        st.info(f"Fewer than {k} of the scores kept are positive, or negative: {len(pick.table)} houses are shown.")
    show_pick(pick, zoom)
    st.markdown(score_sentence(houses, pick))
    st.plotly_chart(
        charts.score_distribution(pick, len(houses.train)), key="distribution", config={"displayModeBar": False}
    )
    st.caption(
        f"All training houses’ scores. The {houses.result.manifest.k} strongest either way are counted; "
        "the bars between them are read off stored percentiles, so their heights are approximate. The marks are the "
        "houses shown above."
    )


def choose_target(houses: Houses, check: panel.Check) -> int:
    """A test house, by number, in a table or on a map; or a group of them."""
    left, right = st.columns([3, 2], gap="medium")
    with right:
        st.subheader("Pick a house")
        scope = st.segmented_control(
            "Houses to pick from",
            [PALO_ALTO, ALL] if houses.has_data else [PALO_ALTO],
            default=PALO_ALTO,
            required=True,
            key="from",
            bind="query-params",
            label_visibility="collapsed",
        )
        check(
            "from",
            scope,
            f"there are no such, so {scope} are shown." if houses.has_data else "that needs the data set.",
        )
        target, together = choose_house(houses, check)
        candidates = houses.test.loc[houses.members if scope == PALO_ALTO else houses.pickable]
        if not together and target not in candidates.index:
            st.caption(f"House {target} is not among Palo Alto’s eleven, so this map and table don’t show it.")
        pick_table(candidates, target)
    with left:
        targets = houses.members if together else [target]
        view = maps.VIEWS["Palo Alto" if scope == PALO_ALTO else "California"]
        deck = maps.picking_map(panel.style(), candidates, targets, view)
        map_key = panel.selection_key(f"map of {scope}", maps.clicked, target)
        st.pydeck_chart(
            deck,
            on_select=lambda: picked(maps.clicked(st.session_state[map_key])),
            selection_mode="single-object",
            key=map_key,
            height=440,
            alt="Map of the test houses; the table beside it picks the same houses by keyboard.",
        )
    return target


def choose_house(houses: Houses, check: panel.Check) -> tuple[int, bool]:
    """The number of a test house, or of the group of all of Palo Alto's; and whether it is the latter."""
    number = st.number_input(
        "House number",
        value=None,
        step=1,
        key="house",
        bind="query-params",
        placeholder=str(houses.default()),
        help="scikit-learn’s row number of a test house",
        on_change=lambda: st.session_state.update(together=False),
    )
    together = st.toggle("All of Palo Alto’s eleven together", key="together", bind="query-params")
    check("together", together, "that is neither true nor false, so it is left off.")
    check("house", number, f"that is no house’s number, so house {houses.default()} is shown.")
    target = houses.group.id if together else houses.default() if number is None else number
    if not together and (problem := houses.why_not(target)):
        st.warning(f"{problem[0].upper()}{problem[1:]} House {houses.default()} is shown.")
        target = houses.default()
    return target, together


def show_pick(pick: Pick, zoom: str) -> None:
    """The strongest proponents and opponents, on a map and in two tables."""
    left, right = st.columns(2, gap="medium")
    places = pd.concat([pick.proponents, pick.opponents, pick.houses])
    view = maps.view_around(places) if zoom == FIT else maps.VIEWS[zoom]
    with left:
        st.pydeck_chart(
            maps.influence_map(panel.style(), pick.proponents, pick.opponents, pick.houses, view),
            key="influence",
            height=560,
            alt="Map of the strongest proponents and opponents, which the tables beside it list.",
        )
    with right:
        st.markdown(f":blue[**+ Proponents**]: pulled the prediction for {pick.title} the right way")
        influence_table(pick.proponents[pick.columns])
        st.markdown(":orange[**− Opponents**]: pushed it the wrong way")
        influence_table(pick.opponents[pick.columns])
        st.download_button(
            "Download these as CSV",
            lambda: pick.table.to_csv(index=False, float_format="%.6g"),
            file_name=f"influence-on-{pick.title.replace(' ', '-')}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )


def score_sentence(houses: Houses, pick: Pick) -> str:
    whose, them = ("those houses’", "their prices") if pick.is_group else ("this house’s", "its price")
    checkpoints = len(houses.result.manifest.checkpoint_epochs)
    sentence = (
        "**What a score says.** Positive: learning from that training house pulled the model’s prediction towards "
        f"{them}; negative: pushed it away. It is the inner product of the training house’s gradient and {whose}, "
        f"times the learning rate, summed over {checkpoints} checkpoints. **Compare sizes within one pick only**: they "
        "are no dollars and no share of the error, since real steps averaged over a batch, a checkpoint stands for "
        "many steps, and Adam rescales each."
    )
    return sentence + (" A group’s score is the sum of its houses’." if pick.is_group else "")


def picked(house: int | None) -> None:
    if house is not None:
        st.session_state["house"] = house
        st.session_state["together"] = False


def pick_table(candidates: pd.DataFrame, target: int) -> None:
    row = chosen_row(candidates)
    key = panel.selection_key(f"table of {len(candidates)}", row, target)
    st.dataframe(
        candidates[["price", "prediction", "residual"]].reset_index(names="house"),
        on_select=lambda: picked(row(st.session_state[key])),
        selection_mode="single-cell",
        key=key,
        height=260,
        hide_index=True,
        column_config={
            "house": st.column_config.NumberColumn("House", format="%d"),
            "price": st.column_config.NumberColumn("Price", format="dollar", step=1),
            "prediction": st.column_config.NumberColumn("Model", format="dollar", step=1),
            "residual": st.column_config.NumberColumn("Error", format="dollar", step=1),
        },
        alt="Test houses; picking a cell picks its house.",
    )


def chosen_row(frame: pd.DataFrame) -> Callable[[Any], int | None]:
    """From a table's state to the example of its selected cell."""

    def read(state: Any) -> int | None:
        cells = state["selection"]["cells"]
        return int(frame.index[cells[0][0]]) if cells else None

    return read


def headline(pick: Pick) -> None:
    mean = pick.houses[["price", "prediction", "residual"]].mean()
    st.subheader(pick.title[0].upper() + pick.title[1:])
    many = "on average " if pick.is_group else ""
    st.markdown(
        f"{many}worth **{maps.dollars(mean['price'])}**, the model says **{maps.dollars(mean['prediction'])}**, "
        f"**{maps.dollars(abs(mean['residual']))}** too {'much' if mean['residual'] > 0 else 'little'}".replace(
            "$", r"\$"
        )
    )


def influence_table(frame: pd.DataFrame) -> None:
    large = bool((frame["score"].abs() >= 1e5).any())
    st.dataframe(
        frame,
        hide_index=True,
        height=210,
        column_config={
            "rank": st.column_config.NumberColumn("Rank", format="%+d"),
            "score": st.column_config.NumberColumn("Score", format="%+.2e" if large else "%+.3g"),
            "train": st.column_config.NumberColumn("House", format="%d"),
            "price": st.column_config.NumberColumn("Price", format="dollar", step=1),
            "prediction": st.column_config.NumberColumn("Model", format="dollar", step=1),
            "km": st.column_config.NumberColumn("km away", format="%.1f"),
            **{name: st.column_config.NumberColumn(each.label, format="%.4g") for name, each in FEATURES.items()},
        },
    )


# --- self-influence -------------------------------------------------------------------------------------------------


def show_self_influence(houses: Houses, check: panel.Check) -> None:
    highest, lowest = houses.extremes
    st.markdown(
        "**Self-influence** is a training house’s score on itself: the squared length of its gradient, times the "
        "learning rate, summed over the checkpoints. High: its error stayed large, or its features are unusual; houses "
        "that the model could only memorise, and wrong data, are among these. Low: what the model learned elsewhere "
        "holds here."
    )
    table = pd.concat([highest, lowest.iloc[::-1]]).assign(side=["highest"] * len(highest) + ["lowest"] * len(lowest))
    ring = st.number_input(
        "Training house to find",
        0,
        20_639,
        None,
        key="ring",
        bind="query-params",
        placeholder="pick a cell in the table, or type a number",
        width=420,
    )
    known = houses.train.index[houses.train["latitude"].notna()]
    if ring is not None and ring not in known:
        st.warning(f"House {ring} is not a training house whose place is known here, so none is ringed.")
    check("ring", ring, "there is no such house, so none is ringed.")
    ringed = houses.train.loc[known.intersection([ring])]
    view = maps.VIEWS["California"] if ringed.empty else maps.view_around(ringed)
    for column, frame, title, color in zip(
        st.columns(2), (highest, lowest), ("100 highest", "100 lowest"), (maps.PINK, maps.GREEN), strict=True
    ):
        with column:
            st.subheader(title)
            st.pydeck_chart(
                maps.extremes_map(panel.style(), frame, color, ringed, view),
                key=f"map_{title}",
                height=440,
                alt=f"Map of the {title} self-influences, which the table below lists.",
            )
    st.caption(
        "Pick a cell in the table to move both maps to its house and ring it. Clear the number above to go back."
    )
    columns = ["house", "side", "self_influence", "price", "prediction", "residual"]
    shown = table.reset_index(names="house")[columns + (list(FEATURES) if houses.has_data else [])]
    self_influence_table(shown, table, ring)
    st.download_button(
        "Download these as CSV",
        lambda: shown.to_csv(index=False, float_format="%.6g"),
        file_name="self-influence.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    st.subheader("All training houses")
    st.plotly_chart(charts.self_influence_histogram(houses), key="histogram", config={"displayModeBar": False})
    if not houses.has_data:
        st.caption("Against price and error, for the houses that the result names alone: the data set is not here.")
    for column, (against, title) in zip(
        st.columns(2), {"residual": "error (model − price)", "price": "price"}.items(), strict=True
    ):
        figure = charts.self_influence_scatter(houses, against, title)
        column.plotly_chart(figure, key=f"scatter_{against}", config={"displayModeBar": False})


def self_influence_table(shown: pd.DataFrame, table: pd.DataFrame, ring: int | None) -> None:
    def chosen() -> None:
        if (house := row(st.session_state[key])) is not None:
            st.session_state["ring"] = house

    row = chosen_row(table)
    key = panel.selection_key("extremes", row, ring)
    st.dataframe(
        shown,
        on_select=chosen,
        selection_mode="single-cell",
        key=key,
        hide_index=True,
        height=260,
        column_config={
            "house": st.column_config.NumberColumn("House", format="%d"),
            "side": "Side",
            "self_influence": st.column_config.NumberColumn("Self-influence", format="%.4g"),
            "price": st.column_config.NumberColumn("Price", format="dollar", step=1),
            "prediction": st.column_config.NumberColumn("Model", format="dollar", step=1),
            "residual": st.column_config.NumberColumn("Error", format="dollar", step=1),
            **{name: st.column_config.NumberColumn(each.label, format="%.4g") for name, each in FEATURES.items()},
        },
    )


# --- where it comes from --------------------------------------------------------------------------------------------


def about(houses: Houses) -> None:
    manifest = houses.result.manifest
    st.caption(provenance(houses.result))
    with st.expander("How far to trust this"):
        st.markdown(
            f"- **Method**: {manifest.title} (Pruthi et al. 2020).\n"
            f"- **Caveat**: {manifest.caveat}\n"
            "- **The model**: explained variance "
            f"{manifest.quality.explained_variance.test:.3f} on test houses, "
            f"{manifest.quality.explained_variance.train:.3f} on training houses.\n"
            f"- **The ranking**: {trust(houses)}\n"
            "- **The eleven**: the test houses strictly inside longitude −122.17 to −122.10, latitude 37.40 to 37.46."
        )
        st.plotly_chart(charts.loss_curve(manifest.loss_curve), key="loss", config={"displayModeBar": False})


def trust(houses: Houses) -> str:
    """What retraining without some training houses said of the ranking."""
    removal = evidence.read(houses.result).removal
    if removal is None:
        return (
            "not evaluated. How well it predicts what retraining without these houses would change has not been "
            "measured for this result."
        )
    return " ".join(quality.removal_verdicts(removal, r"price, in \$100,000")) + " See [Quality](/quality)."


try:
    main()
except InfluenceError as error:
    st.error(str(error), icon=":material/error:")
