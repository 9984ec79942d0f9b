"""Datamodels on images: which training images helped and hurt a test image, and the other way round."""

import random
from typing import Any

import pandas as pd
import streamlit as st

from influence import datasets, results
from influence.errors import InfluenceError
from influence.explorer import image_charts, panel
from influence.explorer.grid import Cell, image_grid
from influence.explorer.images import (
    ALL,
    ESTIMATOR_SETTINGS,
    ESTIMATORS,
    PENALTY_CHOICES,
    QUALITIES,
    SEEDS,
    SORTS,
    Filters,
    Images,
    Pick,
    Walk,
    meaning,
    provenance,
    run_arguments,
    trust,
)
from influence.results import Entry

METHOD = "datamodels"
PER_PAGE = 30
STEP = 1000  # models that one click adds


@st.cache_resource(max_entries=4, show_spinner="Reading the result …")
def load(entry: Entry, stamp: int, present: bool) -> Images:
    result = results.read(entry.path, entry.name)
    part = result.manifest["config"]["outcomes"]
    dataset = datasets.load(part["dataset"], tuple(part["classes"]), part["train_size"]) if present else None
    return Images(result, dataset)


def main() -> None:
    check = panel.link_checker("images")
    panel.frame("Images", "pages/images.py")
    st.title("Images")
    with st.sidebar:
        name = choose_dataset(check)
        entry = panel.choose_result(name, METHOD, check)
        recompute(results.read_manifest(entry.path)["config"])
    images = load(entry, panel.stamp(entry.path / "manifest.json"), datasets.is_present(name))
    if not images.has_pictures:
        st.info(
            f"The pixels of {name} are not on this machine, so images are shown by class and index. "
            f"`python -m influence data {name}` brings them.",
            icon=":material/download:",
        )
    left, right = st.columns([2, 3], gap="large")
    with right:
        target, train, k = choose(images, check)
        if train is None:
            pick = images.pick(target, k)
            describe_target(images, pick)
            show_influences(images, pick)
        else:
            walk = images.walk(train, k)
            describe_train(images, walk, target)
            show_walk(images, walk)
    with left:  # after what a click changes, which is to be seen at once
        show_gallery(images, target, check)
    if train is None:
        st.divider()
        left, right = st.columns(2, gap="large")
        with left:
            show_histogram(images, pick)
        with right:
            show_removal(images, pick, check)
    st.divider()
    about(images)


# --- sidebar --------------------------------------------------------------------------------------------------------


def choose_dataset(check: panel.Check) -> str:
    """The data sets with classes that have a result; the choice is shown where there is one."""
    names = [name for name in datasets.NAMES if datasets.classes(name) and results.catalogue(name, METHOD)[0]]
    names = names or ["digits"]
    default = "digits" if "digits" in names else names[0]
    if len(names) == 1:
        check("data", default, f"there is no result on it, so {default} is shown.")
        return default
    name: str = st.segmented_control("Data set", names, default=default, required=True, key="data", bind="query-params")
    check("data", name, f"there is no result on it, so {name} is shown.")
    return name


def recompute(config: dict[str, Any]) -> None:
    busy = panel.runner().current is not None
    waiting = "A run is going on" if busy else None
    with st.container(border=True):
        st.markdown("**Train and fit again**")
        # Outside the form, whose widgets don't change before it is sent: each estimator has settings of its own.
        estimator = st.selectbox("Estimator", ESTIMATORS, ESTIMATORS.index(config["estimator"]))
        recipe(config, estimator, busy, waiting)
    st.button(
        f"Add {STEP:,} more to this result",
        key="add_more",
        icon=":material/add:",
        disabled=busy,
        help=waiting or f"{config['models'] + STEP:,} models of the same recipe, in the same store",
        on_click=begin,
        args=(run_arguments(config, models=config["models"] + STEP),),
        width="stretch",
    )


def recipe(config: dict[str, Any], estimator: str, busy: bool, waiting: str | None) -> None:
    """The form that starts a run."""
    subsets = config["outcomes"]["subsets"]
    with st.form("recompute", border=False):
        left, right = st.columns(2)
        models = left.number_input("Models", 2, 1_000_000, min(config["models"], STEP), help="Models that are fitted")
        held_out = right.number_input("Held out", 10, 100_000, config["held_out"], help="Models that only judge")
        alpha = left.number_input(
            "Alpha", 0.01, 0.99, subsets["alpha"], 0.05, help="Share of the training images that each model sees"
        )
        seed = right.number_input("Seed", 0, 2**31 - 1, subsets["seed"])
        seeds = st.selectbox(
            "Seeds",
            SEEDS,
            SEEDS.index(subsets["seeds"]),
            help="fresh: every model has its own initial weights and order of images, so the result is about the "
            "recipe. common: only the subset differs, so there is less noise, and the result is about this one "
            "initialisation.",
        )
        own = estimator_settings(config, estimator)
        if st.form_submit_button("Start run", type="primary", disabled=busy, help=waiting, width="stretch"):
            begin(
                run_arguments(
                    config,
                    models=models,
                    held_out=held_out,
                    alpha=alpha,
                    seed=seed,
                    seeds=seeds,
                    estimator=estimator,
                    **own,
                )
            )
            st.rerun()
        st.caption(
            "Models are kept: a run trains only those that are not there yet, and another estimator, or other settings "
            "of it, are fitted without training."
        )


def estimator_settings(config: dict[str, Any], estimator: str) -> dict[str, Any]:
    """Widgets for the settings of an estimator; what they change in the config.

    They start from the config's own values where it is of this estimator, and from the defaults where it is not.
    """
    own = dict(config.get("settings", {})) if estimator == config["estimator"] else {}
    now = ESTIMATOR_SETTINGS[estimator] | own
    left, right = st.columns(2)
    if "lambdas" in now:
        own["lambdas"] = left.number_input(
            "Lambdas", 2, 1000, now["lambdas"], help="How many penalties are tried, from the one that leaves no weight"
        )
        own["ratio"] = right.number_input(
            "Ratio", 0.0001, 0.9, now["ratio"], 0.001, "%.4f", help="The last penalty over the first"
        )
    if "choose" in now:
        own["choose"] = left.selectbox(
            "Penalty",
            list(PENALTY_CHOICES),
            list(PENALTY_CHOICES).index(now["choose"]),
            format_func=PENALTY_CHOICES.__getitem__,
            help="Whether the penalty of the least leave-one-out error is chosen for all test images together or for "
            "each by itself",
        )
    if "penalties" in now:
        given = now["penalties"] or []
        fixed = given[0] if len(given) == 1 else 0.0
        penalty = right.number_input(
            "Fixed penalty",
            0.0,
            10_000.0,
            fixed,
            format="%.4f",
            help="Relative to the mean diagonal of the Gram matrix; 0 has it chosen",
        )
        if penalty != fixed:
            own["penalties"] = [penalty] if penalty else None
    if estimator != "prior-informed":
        return {"settings": own}
    prior_models = right.number_input(
        "Prior models", 1, 1000, config["prior_models"], help="Models whose gradients make the prior"
    )
    return {"settings": own, "prior_models": prior_models}


def begin(arguments: list[str]) -> None:
    panel.start(arguments, panel.new_name(METHOD))


# --- the gallery ----------------------------------------------------------------------------------------------------


def show_gallery(images: Images, picked: int, check: panel.Check) -> None:
    """Filters and a page of the test images that pass."""
    st.subheader("Test images")
    classes = [ALL, *images.classes]

    def first_page() -> None:
        st.session_state["page"] = 1

    def choice(place: object, label: str, options: list[str], key: str) -> str:
        panel.keep_within(key, options.__contains__)
        value: str = place.selectbox(label, options, key=key, bind="query-params", on_change=first_page)  # type: ignore[attr-defined]
        check(key, value, f"there is no such choice, so “{value}” is shown.")
        return value

    first, second, third = st.columns(3)
    label = choice(first, "Class", classes, "class")
    prediction = choice(second, "Predicted", classes, "predicted")
    quality = choice(third, "Held-out LDS", list(QUALITIES), "lds")
    first, second = st.columns(2, vertical_alignment="center")
    sort = choice(first, "Sort by", list(SORTS), "sort")
    low, high = images.margin_range
    panel.keep_within("margin", lambda ends: low <= ends[0] <= ends[1] <= high)
    margin = second.slider(
        "Margin", low, high, (low, high), 0.5, key="margin", bind="query-params", on_change=first_page
    )
    first, second = st.columns(2, vertical_alignment="center")
    mistakes = first.toggle("Mistakes only", key="mistakes", bind="query-params", on_change=first_page)
    targets = images.gallery(Filters(label, prediction, mistakes, quality, margin), sort)
    st.session_state["passing"] = targets
    with second.popover("Counts by class", width="stretch"):
        st.dataframe(
            images.by_class,
            column_config={"LDS": st.column_config.NumberColumn(format="%.2f")},
            alt="How many test images every class has, are named so, and are wrong.",
        )
    wrong = int(images.test.loc[targets, "wrong"].sum())
    st.caption(
        f"**{len(targets):,} of {len(images.test):,} test images**, {len(targets) - wrong:,} right and {wrong:,} wrong "
        "by majority vote of the models."
    )
    if not targets:
        st.info("No test image passes these filters.")
        return
    pages = -(-len(targets) // PER_PAGE)
    if not 1 <= st.session_state.get("page", 1) <= pages:
        st.session_state["page"] = 1
    slot = st.container()
    page = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    check("page", page, f"there are {pages} pages, so page {page} is shown.")
    shown = targets[(page - 1) * PER_PAGE : page * PER_PAGE]
    with slot:
        image_grid(
            [target_cell(images, target) for target in shown],
            label="Gallery of test images",
            key="gallery",
            size=52,
            selected=picked,
            on_pick=pick_target,
        )
    st.download_button(
        f"Download these {len(targets):,} as CSV",
        lambda: images.shown(targets).to_csv(index=False),
        file_name="test-images.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def target_cell(images: Images, target: int, score: float | None = None, rank: int | None = None) -> Cell:
    row = images.test.loc[target]
    named = f"{row['class']} → {row['named']} ✗" if row["wrong"] else str(row["class"])
    said = f"called {row['named']}, wrong" if row["wrong"] else "called right"
    alt = f"Test image {target}, class {row['class']}, {said}, margin {row['margin']:.1f}"
    if score is None:
        return Cell(
            target,
            images.picture("test", target),
            (named, f"#{target}"),
            alt,
            "wrong" if row["wrong"] else "",
            row["class"],
        )
    return Cell(
        target,
        images.picture("test", target),
        (f"{score:+.3f}", f"{rank:+d} · {named}", f"#{target}"),
        f"Rank {rank:+d}, weight {score:+.3f}: {alt}",
        "positive" if score > 0 else "negative",
        row["class"],
    )


def train_cells(images: Images, frame: pd.DataFrame) -> list[Cell]:
    return [
        Cell(
            int(row.train),
            images.picture("train", int(row.train)),
            (f"{row.score:+.3f}", f"{row.rank:+d} · {row.label}", f"#{row.train}"),
            f"Rank {row.rank:+d}, weight {row.score:+.3f}: training image {row.train}, class {row.label}",
            "positive" if row.score > 0 else "negative",
            row.label,
        )
        for row in frame.rename(columns={"class": "label"}).itertuples()
    ]


# --- what is picked -------------------------------------------------------------------------------------------------


def pick_target(target: int) -> None:
    st.session_state["image"] = target
    st.session_state["train"] = None


def pick_train(train: int) -> None:
    st.session_state["train"] = train


def choose(images: Images, check: panel.Check) -> tuple[int, int | None, int]:
    """The picked test image, the training image that was walked to, if any, and how many to show either way."""

    def at_random() -> None:
        if targets := st.session_state.get("passing"):
            pick_target(random.choice(targets))

    st.subheader("The pick")
    last = int(max(images.test.index.max(), images.train.index.max()))
    for key, most in (("image", last), ("train", last), ("k", images.max_k)):
        panel.keep_within(key, most.__ge__)
    first, second, third, fourth = st.columns([3, 3, 3, 2.4], vertical_alignment="bottom")
    default = images.default()
    number = first.number_input(
        "Test image",
        0,
        last,
        None,
        key="image",
        bind="query-params",
        placeholder=str(default),
        on_change=lambda: st.session_state.update(train=None),
    )
    train = second.number_input("Training image", 0, last, None, key="train", bind="query-params", placeholder="none")
    fourth.button(
        "Random",
        help="A test image among those that pass the filters",
        on_click=at_random,
        width="stretch",
    )
    k = third.number_input("How many either way", 1, images.max_k, min(10, images.max_k), key="k", bind="query-params")
    check("k", k, f"this result shows 1 to {images.max_k} either way, so {k} are shown.")
    check("image", number, f"there is no such test image, so image {default} is shown.")
    check("train", train, "there is no such training image, so none is shown.")
    target = default if number is None else number
    if problem := images.why_not(target):
        st.warning(f"{problem} Image {default} is shown.")
        target = default
    if train is not None and (problem := images.why_not_train(train)):
        st.warning(f"{problem} Test image {target} is shown.")
        train = None
    return target, train, k


def enlarged(images: Images, part: str, index: int, alt: str) -> None:
    picture = images.picture(part, index)
    if picture is None:
        st.markdown(f"**{alt}**")
        return
    st.html(
        f'<img src="{picture}" alt="{alt}" style="width: 100%; max-width: 220px; image-rendering: pixelated; '
        'border-radius: 8px; border: 1px solid rgba(128, 128, 128, 0.4); display: block">'
    )


def describe_target(images: Images, pick: Pick) -> None:
    row = pick.row
    left, right = st.columns([1, 2], gap="medium")
    with left:
        enlarged(images, "test", pick.target, f"Test image {pick.target}, class {row['class']}")
    with right:
        st.markdown(f"#### Test image {pick.target}")
        verdict = f":orange[**{row['named']}**, wrong ✗]" if row["wrong"] else f"**{row['named']}**, right ✓"
        st.markdown(
            f"Class **{row['class']}**; the models say {verdict}  \n"
            f"{row['agreement']:.0%} of the models agree on that, {row['correct']:.0%} are right  \n"
            f"Margin **{row['margin']:+.2f}** ± {row['margin_sd']:.2f} from model to model  \n"
            f"Held-out LDS of this image **{row['lds']:.2f}**, error {row['error']:.2f} of the margin’s variance"
        )


def describe_train(images: Images, walk: Walk, target: int) -> None:
    left, right = st.columns([1, 2], gap="medium")
    with left:
        enlarged(images, "train", walk.train, f"Training image {walk.train}, class {walk.row['class']}")
    with right:
        st.markdown(f"#### Training image {walk.train}")
        st.markdown(
            f"Class **{walk.row['class']}**  \n"
            f"Mean weight on test images of its class **{walk.row['own_class']:+.4f}**, "
            f"of other classes **{walk.row['other_classes']:+.4f}**"
        )
        st.button(f"Back to test image {target}", icon=":material/arrow_back:", on_click=pick_target, args=(target,))


# --- test image -> training images ----------------------------------------------------------------------------------


def side(title: str, frame: pd.DataFrame, of_its_class: str) -> None:
    same = int(frame["same_class"].sum())
    st.markdown(f"{title}  \n{same} of {len(frame)} are {of_its_class}")


def show_influences(images: Images, pick: Pick) -> None:
    own = f"of its class, {pick.row['class']}"
    for column, frame, title, key in zip(
        st.columns(2, gap="medium"),
        (pick.positive, pick.negative),
        (
            ":blue[**+ Most positive**]: training on them raised its margin",
            ":orange[**− Most negative**]: training on them lowered it",
        ),
        ("positive", "negative"),
        strict=True,
    ):
        with column:
            side(title, frame, own)
            image_grid(
                train_cells(images, frame),
                label=f"Most {key} training images",
                key=f"grid_{key}",
                on_pick=pick_train,
                size=58,
            )
    st.caption("Click a training image to see the test images that it helps and hurts most.")
    download(pick.table, f"influence-on-{pick.target}.csv")


def show_histogram(images: Images, pick: Pick) -> None:
    st.subheader("All its weights")
    chosen = st.plotly_chart(
        image_charts.weight_histogram(images, pick),
        key=f"weights_{pick.target}",
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False},
    )
    points = chosen["selection"]["points"]
    if points:
        low, high = images.bins(pick.target).loc[points[0]["point_index"], ["left", "right"]]
        frame = images.between(pick.target, low, high)
        st.markdown(f"Weights from {low:+.3f} to {high:+.3f}:")
        if frame.empty:
            st.caption(f"Only the {images.max_k} strongest either way are kept, and none of them lies here.")
        else:
            image_grid(
                train_cells(images, frame), label="Training images of this bar", key="grid_bar", on_pick=pick_train
            )
    else:
        st.caption(
            f"Click a coloured bar to see its images. Grey: only the {images.max_k} strongest either way are kept, so "
            "heights between them are approximate."
        )


def show_removal(images: Images, pick: Pick, check: panel.Check) -> None:
    st.subheader("If training images were removed")
    removal = images.removal(pick.target)
    counts = [int(count) for count in removal.counts]
    panel.keep_within("remove", counts.__contains__)
    count = st.select_slider("Removed training images", counts, min(20, counts[-1]), key="remove", bind="query-params")
    check("remove", count, f"so {count} are removed.")
    without, at_random, spread = removal.at(count)
    first, second, third = st.columns(3)
    first.metric(f"{count:,} most positive", f"{without:+.2f}", help="Predicted margin without them")
    second.metric(
        f"{count:,} at random",
        f"{at_random:+.2f}",
        help=f"Predicted margin without them, ± {2 * spread:.2f} (two s.d.)",
    )
    third.metric(
        "Data support",
        "none found" if removal.support is None else f"{removal.support:,}",
        help="How many of the most positive images must go until the predicted margin is negative",
    )
    st.plotly_chart(image_charts.removal_curve(removal, count), key="removal_curve", config={"displayModeBar": False})
    support = (
        "Even without all images of positive weight it would stay positive."
        if removal.support is None
        else "It is negative already with all of them."
        if removal.support == 0
        else f"It crosses zero when the {removal.support:,} most positive are gone."
    )
    st.caption(
        f"Predicted, not measured: the sum of the weights, from a model of the whole training set. {support} "
        f"The models were trained on {images.result.manifest['subset_size']:,} images each, so the far ends are "
        "extrapolated."
    )


# --- training image -> test images ----------------------------------------------------------------------------------


def show_walk(images: Images, walk: Walk) -> None:
    own = f"of its class, {walk.row['class']}"
    for column, frame, title, key in zip(
        st.columns(2, gap="medium"),
        (walk.helped, walk.hurt),
        (
            ":blue[**+ Helps most**]: it raised their margins",
            ":orange[**− Hurts most**]: it lowered them",
        ),
        ("helped", "hurt"),
        strict=True,
    ):
        with column:
            side(title, frame, own)
            image_grid(
                [target_cell(images, int(row.target), row.score, row.rank) for row in frame.itertuples()],
                label=f"Test images {key} most",
                key=f"grid_{key}",
                on_pick=pick_target,
                size=58,
            )
    kept = int(images.result.manifest["reverse_k"])
    st.caption(
        f"Click a test image to walk back. The result keeps {kept} test images either way for each training image."
    )
    download(walk.table, f"influence-of-{walk.train}.csv")


def download(table: pd.DataFrame, name: str) -> None:
    st.download_button(
        "Download these as CSV",
        lambda: table.to_csv(index=False),
        file_name=name,
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="download_influences",
    )


# --- where it comes from --------------------------------------------------------------------------------------------


def about(images: Images) -> None:
    manifest = images.result.manifest
    quality = manifest["quality"]
    st.markdown(meaning(manifest))
    st.markdown(f"**How far to trust it.** {trust(manifest)}")
    st.caption(provenance(images.result))
    with st.expander("How far to trust this"):
        st.markdown(
            f"- **Method**: {manifest['title']}.\n"
            f"- **Protocol**: {manifest['protocol']}\n"
            f"- **The models**: {quality['accuracy']:.1%} of the test images right on average; "
            f"{quality['fitted']:,} were fitted, {quality['held_out']:,} judged, {quality['diverged']:,} diverged and "
            "were left out.\n"
            f"- **Error**: predictions for held-out models miss by {quality['error']:.0%} of the margins’ variance on "
            "average; their mean correlation (Pearson) is "
            f"{quality['correlation']:.3f}.\n"
            f"- **Caveat**: {manifest['caveat']}"
        )


try:
    main()
except InfluenceError as error:
    st.error(str(error), icon=":material/error:")
