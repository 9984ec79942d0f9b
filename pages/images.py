"""Images: which training images helped and hurt a test image, by either method, and the other way round."""

import random
from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from influence import datasets, evidence, library, results
from influence.datamodels.estimators.base import ESTIMATORS
from influence.datasets import sheets
from influence.errors import InfluenceError
from influence.explorer import image_charts, panel, run_form
from influence.explorer.image_records import ALL, Filters, Pick, Walk
from influence.explorer.image_words import WORDS
from influence.explorer.images import HARD, NEAR_COPIES, Images
from influence.explorer.parts.drawing import drawing
from influence.explorer.parts.grid import Cell, image_grid
from influence.library import Entry
from influence.methods.datamodels.config import DatamodelsConfig
from influence.settings import arguments

DATASETS = [name for name in datasets.NAMES if datasets.facts(name).classes]
METHODS = tuple(WORDS)
PER_PAGE = 30
STEP = 1000  # models that one click adds


@st.cache_resource(max_entries=4, show_spinner="Reading the result …")
def load(entry: Entry, stamps: tuple[int, ...], present: bool) -> Images:
    """A result with its pictures where ``present``; the first time with CIFAR-10's, that takes some seconds."""
    result = results.read(entry.path, entry.name)
    dataset = datasets.mapped(entry.dataset, *result.manifest.part) if present else None
    return Images(result, dataset, evidence.read(result))


def is_there(name: str) -> bool:
    """Whether a data set is on this machine, and not only half of it because it is being unpacked."""
    run = panel.runner().current
    return datasets.is_present(name) and (run is None or run.arguments[0] != "data")


def open_images(entry: Entry, name: str) -> Images:
    """A result with its pictures if they can be had; if not, an error says why, and the rest is shown without."""
    folders = (entry.path, *(evidence.place(entry.path, kind) for kind in evidence.KINDS))
    stamps = tuple(panel.stamp(folder / "manifest.json") for folder in folders)
    try:
        return load(entry, stamps, is_there(name))
    except InfluenceError as error:
        bare = load(entry, stamps, False)
        st.error(str(error), icon=":material/error:")
        return bare


def main() -> None:
    check = panel.link_checker("images")
    panel.frame("Images", "pages/images.py")
    st.title("Images")
    with st.sidebar:
        name = choose_dataset(check)
        method = choose_method(name, check)
        entry = panel.choose_result(name, method, check)
        if method == "datamodels":
            recompute(DatamodelsConfig.parse(entry.manifest.settings))
        else:
            st.caption(
                f"Another is made on the command line: `python -m influence {method} {name}`; `--help` lists its "
                "settings."
            )
    images = open_images(entry, name)
    if not is_there(name):
        offer_download(name, images.picture.what_is_shown)
    explore(images, check)
    st.divider()
    about(images)


@st.fragment
def explore(images: Images, check: panel.Check) -> None:
    """What a click may change: a fragment, so that the sidebar is not drawn again with it."""
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
        if images.predicts_removal:
            with right:
                show_removal(images, pick, check)


def offer_download(name: str, shown: str) -> None:
    text, button = st.columns([4, 1], vertical_alignment="center")
    text.info(
        f"The pixels of {name} are not on this machine, so {shown}. "
        f"`python -m influence data {name}` brings them all, and so does the button (170 MB).",
        icon=":material/download:",
    )
    busy = panel.runner().current is not None
    button.button(
        f"Download {name}",
        icon=":material/download:",
        disabled=busy,
        help="A run is going on" if busy else None,
        on_click=panel.start,
        args=(["data", name], None),
        width="stretch",
    )


# --- sidebar --------------------------------------------------------------------------------------------------------


def choose_dataset(check: panel.Check) -> str:
    """The data sets with classes that have a result, those with pictures first; shown where there is a choice."""
    names = [name for name in DATASETS if methods_on(name)] or ["digits"]
    names.sort(key=lambda name: not (datasets.is_present(name) or sheets.path_of(name).exists()))
    if len(names) == 1:
        check("data", names[0], f"there is no result on it, so {names[0]} is shown.")
        return names[0]
    name: str = st.segmented_control(
        "Data set",
        names,
        default=names[0],
        required=True,
        key="data",
        bind="query-params",
    )
    check("data", name, f"there is no result on it, so {name} is shown.")
    if st.session_state.setdefault("data shown", name) != name:
        st.session_state["data shown"] = name
        leave_everything()
    return name


def methods_on(name: str) -> list[str]:
    """The methods that have results on a data set."""
    return [method for method in METHODS if library.of_method(name, method)[0]]


def choose_method(name: str, check: panel.Check) -> str:
    """The method whose results are listed; the choice is shown where there is one."""
    methods = methods_on(name) or [METHODS[0]]
    if len(methods) == 1:
        check("method", methods[0], f"there is no result of it on {name}, so {methods[0]} is shown.")
        return methods[0]
    panel.keep_within("method", methods.__contains__)
    method: str = st.segmented_control(
        "Method", methods, default=methods[0], required=True, key="method", bind="query-params"
    )
    check("method", method, f"there is no such method here, so {method} is shown.")
    return method


def leave_everything() -> None:
    """What was picked and filtered belongs to the data set that was shown."""
    st.session_state.pop("margin", None)
    # Given a value, not forgotten: of what is forgotten here, the browser would keep showing the old one.
    st.session_state.update(image=None, train=None, page=1)
    panel.drop("image", "train", "page", "margin", "class", "predicted", "mistakes", "lds", "show")


def recompute(config: DatamodelsConfig) -> None:
    busy = panel.runner().current is not None
    waiting = "A run is going on" if busy else None
    with st.container(border=True):
        st.markdown("**Train and fit again**")
        # Outside the form, whose widgets don't change before it is sent: each estimator has settings of its own.
        estimator = st.selectbox("Estimator", list(ESTIMATORS), list(ESTIMATORS).index(config.estimator))
        recipe(config, estimator, busy, waiting)
    more = config.models + STEP
    st.button(
        f"Add {STEP:,} more to this result",
        key="add_more",
        icon=":material/add:",
        disabled=busy,
        help=waiting or f"{more:,} models of the same recipe, in the same store",
        on_click=begin,
        args=(arguments(config.replace(models=more)),),
        width="stretch",
    )


def recipe(config: DatamodelsConfig, estimator: str, busy: bool, waiting: str | None) -> None:
    """The form that starts a run. It begins with the result's own settings, for another estimator with its defaults."""
    start = config.replace(models=min(config.models, STEP))
    given = config.settings if estimator == config.estimator else {}
    fitting = ESTIMATORS[estimator](**given)
    with st.form("recompute", border=False):
        held = run_form.widgets(start, () if fitting.needs_prior else ("prior_models",))
        own = run_form.widgets(fitting)
        if st.form_submit_button("Start run", type="primary", disabled=busy, help=waiting, width="stretch"):
            settings = given | run_form.changed(fitting, own)
            begin(arguments(start, held | {("estimator",): estimator, ("settings",): settings}))
            st.rerun()
        st.caption(
            "Models are kept: a run trains only those that are not there yet, and another estimator, or other settings "
            "of it, are fitted without training."
            + (
                " The first model is timed: then you are told how long the others take here, before they are trained."
                if not datasets.facts(config.outcomes.dataset).is_quick
                else ""
            )
        )


def begin(settings: list[str]) -> None:
    """Start a run; where models take long, one that trains the first and says how long the others will take here."""
    run = ["datamodels", "run", *settings]
    if not datasets.facts(settings[0]).is_quick:
        panel.start([*run, panel.MEASURE], None)
    else:
        panel.start(run, panel.new_name("datamodels"))


# --- the gallery ----------------------------------------------------------------------------------------------------


def show_gallery(images: Images, picked: int, check: panel.Check) -> None:
    """Filters and a page of the test images that pass."""
    st.subheader("Test images")
    filters, sort = choose_filters(images, check)
    targets = images.gallery(filters, sort)
    st.session_state["passing"] = targets
    wrong = int(images.test.loc[targets, "wrong"].sum())
    st.caption(
        f"**{len(targets):,} of {len(images.test):,} test images**, {len(targets) - wrong:,} right and {wrong:,} wrong "
        f"by {images.words.judge}. {about_view(images, filters.view)}"
    )
    if not targets:
        st.info("No test image passes these filters.")
        return
    show_page(images, targets, filters.view == NEAR_COPIES, picked, check)
    st.download_button(
        f"Download these {len(targets):,} as CSV",
        lambda: images.shown(targets).to_csv(index=False),
        file_name="test-images.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def choose_filters(images: Images, check: panel.Check) -> tuple[Filters, str]:
    """What the gallery is narrowed down to, and how it is sorted."""
    view_row = st.container()
    first, second, third = st.columns(3)
    fourth, fifth = st.columns(2, vertical_alignment="center")
    sixth, seventh = st.columns(2, vertical_alignment="center")
    low, high = images.margin_range
    panel.keep_within("margin", lambda ends: low <= ends[0] <= ends[1] <= high)
    margin = fifth.slider(
        "Margin", low, high, (low, high), 0.5, key="margin", bind="query-params", on_change=first_page
    )
    names = {name: name for name in (ALL, *images.classes)}
    options: dict[str, dict[str, Any]] = {
        "class": names,
        "predicted": names,
        "mistakes": {"false": False, "true": True},
        "lds": {name: name for name in images.qualities},
        "show": {view: view for view in images.views},
    }
    changed = {key: panel.follow_address(key, options[key]) for key in options}
    label, prediction, mistakes, quality, view = (st.session_state[key] for key in options)
    filters = Filters(label, prediction, mistakes, quality, margin, view)
    counts = images.counts(filters)

    def choice(place: Any, title: str, key: str, count: dict[Any, int]) -> None:
        place.selectbox(
            title,
            list(options[key]),
            format_func=lambda option: f"{option} ({count[option]:,})",
            key=key,
            on_change=filtered,
            args=(changed[key],),
        )
        check(key, st.session_state[key], f"there is no such choice, so “{st.session_state[key]}” is shown.")

    choice(view_row, "Show", "show", counts["view"])
    choice(first, "Class", "class", counts["label"])
    choice(second, "Predicted", "predicted", counts["prediction"])
    if images.knows_lds:
        choice(third, "Held-out LDS", "lds", counts["quality"])
    sort = choose_order(fourth, images, check)
    sixth.toggle(
        f"Mistakes only ({counts['mistakes'][True]:,})",
        key="mistakes",
        on_change=filtered,
        args=(changed["mistakes"],),
    )
    with seventh.popover("By class", width="stretch"):
        st.dataframe(
            images.by_class,
            column_config={"LDS": st.column_config.NumberColumn(format="%.2f")},
            alt="How many test images every class has, are predicted so, and are wrong.",
        )
    return filters, sort


def choose_order(place: Any, images: Images, check: panel.Check) -> str:
    """How the gallery is sorted."""
    panel.keep_within("sort", images.sorts.__contains__)
    place.selectbox("Sort by", images.sorts, key="sort", bind="query-params", on_change=first_page)
    sort: str = st.session_state["sort"]
    check("sort", sort, f"there is no such choice, so “{sort}” is shown.")
    return sort


def show_page(images: Images, targets: list[int], as_pairs: bool, picked: int, check: panel.Check) -> None:
    """One page of test images, each beside its near-copy where they are shown as pairs."""
    pages = -(-len(targets) // PER_PAGE)
    if not 1 <= st.session_state.get("page", 1) <= pages:
        st.session_state["page"] = 1
    slot = st.container()
    page = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    check("page", page, f"there are {pages} pages, so page {page} is shown.")
    shown = targets[(page - 1) * PER_PAGE : page * PER_PAGE]
    with slot:
        image_grid(
            [pair_cell(images, target) if as_pairs else target_cell(images, target) for target in shown],
            label="Gallery of test images",
            key="gallery",
            size=96 if as_pairs else 52,
            selected=picked,
            on_pick=pick_target,
        )


def first_page() -> None:
    st.session_state["page"] = 1


def filtered(changed: Callable[[], None]) -> None:
    """A filter has another value: one step in the browser's history, from whatever page."""
    first_page()
    panel.leave_out("page")
    changed()


def about_view(images: Images, view: str) -> str:
    if view == NEAR_COPIES:
        return (
            "Each is beside the one of its most positive training images that looks most like it; their pixels "
            f"correlate at {images.alike:g} or more, mirrored or not. Being right on such a test image says little."
        )
    if view == HARD:
        return (
            f"Their held-out LDS is below {images.hard:.2f}, three quarters of the mean: what their "
            f"{images.words.scores} say is to be trusted least."
        )
    return ""


def pair_cell(images: Images, target: int) -> Cell:
    row = images.test.loc[target]
    train = int(row["nearest"])
    classes = f"{row['class']} · {images.train.loc[train, 'class']}"
    return Cell(
        target,
        images.picture("test", target),
        (f"{row['nearest_similarity']:.3f} alike", classes, f"#{target} · #{train}"),
        f"Test image {target}, class {row['class']}, and training image {train}, class "
        f"{images.train.loc[train, 'class']}: their pixels correlate at {row['nearest_similarity']:.3f}",
        "wrong" if row["wrong"] else "",
        classes,
        images.picture("train", train),
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
        (images.words.number(score), f"{rank:+d} · {named}", f"#{target}"),
        f"Rank {rank:+d}, {images.words.score} {images.words.number(score)}: {alt}",
        "positive" if score > 0 else "negative",
        row["class"],
    )


def train_cells(images: Images, frame: pd.DataFrame) -> list[Cell]:
    return [
        Cell(
            int(row.train),
            images.picture("train", int(row.train)),
            (images.words.number(row.score), f"{row.rank:+d} · {row.label}", f"#{row.train}"),
            f"Rank {row.rank:+d}, {images.words.score} {images.words.number(row.score)}: training image {row.train}, "
            f"class {row.label}",
            "positive" if row.score > 0 else "negative",
            row.label,
        )
        for row in frame.rename(columns={"class": "label"}).itertuples()
    ]


# --- what is picked -------------------------------------------------------------------------------------------------


def pick_target(target: int) -> None:
    if st.query_params.get("image") != str(target):
        panel.leave_out("train")  # one step back
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
        st.markdown(images.words.of_target(row))
        if note := images.note_on_class(pick.target):
            st.caption(note)
        if near := images.near_copy(pick.target):
            train, similarity = near
            st.caption(
                f"Training image {train} is almost the same picture (their pixels correlate at {similarity:.3f}): a "
                "near-copy, so being right here says little."
            )
            st.button(f"Show training image {train}", on_click=pick_train, args=(train,))


def describe_train(images: Images, walk: Walk, target: int) -> None:
    left, right = st.columns([1, 2], gap="medium")
    with left:
        enlarged(images, "train", walk.train, f"Training image {walk.train}, class {walk.row['class']}")
    with right:
        st.markdown(f"#### Training image {walk.train}")
        st.markdown(images.words.of_train(images.train, walk.train))
        st.button(f"Back to test image {target}", icon=":material/arrow_back:", on_click=pick_target, args=(target,))


# --- test image -> training images ----------------------------------------------------------------------------------


def show_influences(images: Images, pick: Pick) -> None:
    both_sides(
        images.words.sides,
        (pick.positive, pick.negative),
        ("Most positive training images", "Most negative training images"),
        pick.row["class"],
        lambda frame: train_cells(images, frame),
        pick_train,
    )
    st.caption("Click a training image to see the test images that it helps and hurts most.")
    download(pick.table, f"influence-on-{pick.target}.csv")


def both_sides(
    titles: tuple[str, str],
    frames: tuple[pd.DataFrame, pd.DataFrame],
    labels: tuple[str, str],
    own: str,
    cells: Callable[[pd.DataFrame], list[Cell]],
    on_pick: Callable[[int], None],
) -> None:
    """What helped beside what hurt, with how many of each are of the class ``own``."""
    for column, title, frame, label in zip(st.columns(2, gap="medium"), titles, frames, labels, strict=True):
        with column:
            same = int(frame["same_class"].sum())
            st.markdown(f"{title}  \n{same} of {len(frame)} are of its class, {own}")
            image_grid(cells(frame), label=label, key=label, on_pick=on_pick, size=58)


def show_histogram(images: Images, pick: Pick) -> None:
    words = images.words
    st.subheader(f"All its {words.scores}")
    of, bar = st.session_state.get("bar", (None, None))
    chosen = bar if of == pick.target else None

    def pick_bar(place: int) -> None:
        st.session_state["bar"] = pick.target, None if place == chosen else place

    drawing(image_charts.weight_histogram(images, pick), key="weights", on_pick=pick_bar, selected=chosen)
    if chosen is None:
        st.caption(
            f"Click a coloured bar to see its images. Grey bars have none to show: only the {images.max_k} strongest "
            "either way are kept, and heights between them are approximate."
        )
        return
    low, high = images.bins(pick.target).loc[chosen, ["left", "right"]]
    span = f"{words.scores.capitalize()} from {words.number(low)} to {words.number(high)}"
    frame = images.between(pick.target, low, high)
    if frame.empty:
        st.caption(
            f"{span}: this bar has no image to show. Only the {images.max_k} strongest either way are kept, and none "
            "of them lies here; its height is approximate."
        )
        return
    st.markdown(f"{span}:")
    image_grid(train_cells(images, frame), label="Training images of this bar", key="grid_bar", on_pick=pick_train)


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
    drawing(image_charts.removal_curve(removal, count), key="removal_curve")
    support = (
        "Even without all images of positive weight it would stay positive."
        if removal.support is None
        else "It is negative already with all of them."
        if removal.support == 0
        else f"It crosses zero when the {removal.support:,} most positive are gone."
    )
    st.caption(
        f"Predicted, not measured: the sum of the weights, from a model of the whole training set. {support} "
        f"The models were trained on {images.result.manifest.subset_size:,} images each, so the far ends are "
        "extrapolated."
    )


# --- training image -> test images ----------------------------------------------------------------------------------


def show_walk(images: Images, walk: Walk) -> None:
    both_sides(
        images.words.walked,
        (walk.helped, walk.hurt),
        ("Test images helped most", "Test images hurt most"),
        walk.row["class"],
        lambda frame: [target_cell(images, int(row.target), row.score, row.rank) for row in frame.itertuples()],
        pick_target,
    )
    kept = int(images.result.manifest.reverse_k)
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
    st.markdown(images.words.meaning(manifest))
    st.markdown(f"**How far to trust it.** {images.trust}")
    for problem in images.evaluated.problems:
        st.warning(problem)
    st.caption(images.provenance)
    with st.expander("How far to trust this"):
        st.markdown("\n".join(f"- **{title}**: {text}" for title, text in images.words.details(manifest).items()))


try:
    main()
except InfluenceError as error:
    st.error(str(error), icon=":material/error:")
