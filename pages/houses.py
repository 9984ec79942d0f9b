"""TracIn on California housing: which training houses shaped a prediction, and which the model learned by heart."""

import pandas as pd
import streamlit as st

from influence import datasets, results
from influence.datasets import california_housing
from influence.errors import InfluenceError
from influence.explorer import charts, maps, panel
from influence.explorer.houses import FEATURES, Houses, Pick, provenance
from influence.results import Entry

INFLUENCE, SELF_INFLUENCE = "Influence on a house", "Self-influence"
PALO_ALTO, ALL = "Palo Alto’s eleven", "All test houses"
FIT = "All shown"


@st.cache_resource(max_entries=4, show_spinner="Reading the result …")
def load(entry: Entry, result_stamp: int, data_stamp: int) -> Houses:
    dataset = datasets.load(california_housing.NAME) if data_stamp else None
    return Houses(results.read(entry.path, entry.name), dataset)


def main() -> None:
    check = panel.link_checker()
    panel.frame("Houses")
    st.title("Houses")
    with st.sidebar:
        entry = panel.choose_result(california_housing.NAME, "tracin", check)
        recompute()
    data_file = california_housing.home() / "cal_housing_py3.pkz"
    houses = load(entry, panel.stamp(entry.path / "manifest.json"), panel.stamp(data_file))
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
    with st.form("recompute", border=True):
        st.markdown("**Train and score again**")
        left, right = st.columns(2)
        seed = left.number_input("Seed", 0, 2**31 - 1, 1)
        epochs = right.number_input("Epochs", 1, 10_000, 200)
        every = left.number_input("Checkpoint every", 1, 10_000, 20, help="Epochs from one checkpoint to the next")
        rate = right.number_input("Learning rate", 1e-6, 10.0, 1e-3, format="%g", help="Adam’s, constant")
        batch = left.number_input("Batch size", 1, 16_512, 512)
        k = right.number_input("k", 1, 16_512, 50, help="Proponents and opponents kept for each house")
        busy = panel.runner().current is not None
        if st.form_submit_button(
            "Start run",
            type="primary",
            disabled=busy or not california_housing.is_present(),
            help="A run is going on" if busy else None,
            width="stretch",
        ):
            options = {
                "seed": seed,
                "epochs": epochs,
                "checkpoint-every": every,
                "learning-rate": rate,
                "batch-size": batch,
                "k": k,
            }
            arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
            panel.start(["tracin", california_housing.NAME, *arguments], panel.new_name("tracin"))
            st.rerun()


# --- influence on a house -------------------------------------------------------------------------------------------


def show_influence(houses: Houses, check: panel.Check) -> None:
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
        check("from", scope, f"so “{scope}” are shown." if houses.has_data else "that needs the data set.")
        number = st.number_input(
            "House number",
            0,
            20_639,
            None,
            key="house",
            bind="query-params",
            placeholder=str(houses.default()),
            help="scikit-learn’s row number of a test house",
            on_change=lambda: st.session_state.update(together=False),
        )
        together = st.toggle("All of Palo Alto’s eleven together", key="together", bind="query-params")
        check("house", number, f"there is no such house, so house {houses.default()} is shown.")
        target = houses.group_id if together else houses.default() if number is None else number
        if not together and (problem := houses.why_not(target)):
            st.warning(f"{problem} House {houses.default()} is shown.")
            target = houses.default()
        candidates = houses.test.loc[houses.palo_alto if scope == PALO_ALTO else houses.pickable]
        if not together and target not in candidates.index:
            st.caption(f"House {target} is not among Palo Alto’s eleven, so this map and table don’t show it.")
        pick_table(candidates)
    with left:
        targets = houses.palo_alto if together else [target]
        view = maps.VIEWS["Palo Alto" if scope == PALO_ALTO else "California"]
        deck = maps.picking_map(panel.style(), candidates, targets, view)
        st.pydeck_chart(
            deck,
            on_select=lambda: picked(maps.clicked(st.session_state[f"map_{scope}"])),
            selection_mode="single-object",
            key=f"map_{scope}",
            height=440,
            alt="Map of the test houses; the table beside it picks the same houses by keyboard.",
        )

    st.divider()
    first, second, third = st.columns([3, 1, 2], vertical_alignment="bottom")
    k = second.number_input("How many either way", 1, houses.max_k, min(10, houses.max_k), key="k", bind="query-params")
    zoom = third.segmented_control(
        "Map", [FIT, "California"], default=FIT, required=True, key="zoom", bind="query-params"
    )
    check("zoom", zoom, f"so {zoom} is shown.")
    check("k", k, f"this result shows 1 to {houses.max_k} either way, so {k} are shown.")
    pick = houses.pick(target, k)
    with first:
        headline(pick)
    left, right = st.columns([3, 2], gap="medium")
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
        st.markdown(f":blue[**+ Proponents**]: training on them lowered the error on {pick.title}")
        influence_table(pick.proponents[pick.columns])
        st.markdown(":orange[**− Opponents**]: training on them raised it")
        influence_table(pick.opponents[pick.columns])
        st.download_button(
            "Download these as CSV",
            lambda: pick.table.to_csv(index=False),
            file_name=f"influence-on-{pick.title.replace(' ', '-')}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
    st.markdown(
        f"**What a score says.** Positive: each step on that training house pulled the prediction for {pick.title} "
        "towards its price; negative: pushed it away. The size is that pull, to first order, summed over the "
        f"{len(houses.result.manifest['checkpoint_epochs'])} checkpoints: learning rate × inner product of the two "
        "houses’ gradients, in ($100,000)² of squared error."
        + (" A group’s score is the sum of its houses’." if pick.is_group else "")
    )
    st.plotly_chart(
        charts.score_distribution(pick, len(houses.train)), key="distribution", config={"displayModeBar": False}
    )
    st.caption(
        "All training houses’ scores on this pick; the bars are read off stored percentiles, so their heights between "
        "the tails are approximate. The marks are the houses shown above."
    )


def picked(house: int | None) -> None:
    if house is not None:
        st.session_state["house"] = house
        st.session_state["together"] = False


def pick_table(candidates: pd.DataFrame) -> None:
    def chosen() -> None:
        cells = st.session_state[key]["selection"]["cells"]
        picked(int(candidates.index[cells[0][0]]) if cells else None)

    key = f"table_{len(candidates)}"
    st.dataframe(
        candidates[["price", "prediction", "residual"]].reset_index(names="house"),
        on_select=chosen,
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
    st.dataframe(
        frame,
        hide_index=True,
        height=210,
        column_config={
            "rank": st.column_config.NumberColumn("Rank", format="%+d"),
            "score": st.column_config.NumberColumn("Score", format="%+.3g"),
            "train": st.column_config.NumberColumn("House", format="%d"),
            "price": st.column_config.NumberColumn("Price", format="dollar", step=1),
            "prediction": st.column_config.NumberColumn("Model", format="dollar", step=1),
            "km": st.column_config.NumberColumn("km away", format="%.1f"),
            **{name: st.column_config.NumberColumn(label, format="%.4g") for name, label in FEATURES.items()},
        },
    )


# --- self-influence -------------------------------------------------------------------------------------------------


def show_self_influence(houses: Houses, check: panel.Check) -> None:
    highest, lowest = houses.extremes
    st.markdown(
        "**Self-influence** is a training house’s score on itself: how much training on it lowered the error on it. "
        "High: the model had to learn this house by heart, because its neighbours don’t explain its price. "
        "Low: what holds elsewhere holds here too."
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
        st.columns(2), (highest, lowest), ("100 highest", "100 lowest"), (maps.ORANGE, maps.BLUE), strict=True
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
    self_influence_table(table, houses.has_data)
    st.download_button(
        "Download these as CSV",
        lambda: table.reset_index().to_csv(index=False),
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


def self_influence_table(table: pd.DataFrame, has_data: bool) -> None:
    def chosen() -> None:
        if cells := st.session_state["extremes"]["selection"]["cells"]:
            st.session_state["ring"] = int(table.index[cells[0][0]])

    columns = ["side", "self_influence", "price", "prediction", "residual"]
    st.dataframe(
        table[columns + (list(FEATURES) if has_data else [])].reset_index(names="house"),
        on_select=chosen,
        selection_mode="single-cell",
        key="extremes",
        hide_index=True,
        height=260,
        column_config={
            "house": st.column_config.NumberColumn("House", format="%d"),
            "side": "Side",
            "self_influence": st.column_config.NumberColumn("Self-influence", format="%.4g"),
            "price": st.column_config.NumberColumn("Price", format="dollar", step=1),
            "prediction": st.column_config.NumberColumn("Model", format="dollar", step=1),
            "residual": st.column_config.NumberColumn("Error", format="dollar", step=1),
            **{name: st.column_config.NumberColumn(label, format="%.4g") for name, label in FEATURES.items()},
        },
    )


# --- where it comes from --------------------------------------------------------------------------------------------


def about(houses: Houses) -> None:
    manifest = houses.result.manifest
    st.caption(provenance(houses.result))
    with st.expander("How far to trust this"):
        st.markdown(
            f"- **Method**: {manifest['title']} (Pruthi et al. 2020).\n"
            f"- **Caveat**: {manifest['caveat']}\n"
            "- **The model**: explained variance "
            f"{manifest['quality']['explained_variance']['test']:.3f} on test houses, "
            f"{manifest['quality']['explained_variance']['train']:.3f} on training houses.\n"
            "- **The ranking**: not evaluated. How well it predicts what retraining without these houses would change "
            "has not been measured for this result.\n"
            "- **The data**: prices are medians of census block groups in 1990, cut off at $500,001.".replace(
                "$", r"\$"
            )
        )
        st.plotly_chart(charts.loss_curve(manifest["loss_curve"]), key="loss", config={"displayModeBar": False})


try:
    main()
except InfluenceError as error:
    st.error(str(error), icon=":material/error:")
