"""Below the inspector: how all scores are spread, what is predicted of removals, and how far to trust any of it."""

from functools import partial

import streamlit as st

from influence.explorer import address, evaluating, glossary
from influence.explorer.images import charts, chosen, words
from influence.explorer.images.picks import Removal
from influence.explorer.images.records import Images
from influence.explorer.parts.drawing import drawing
from influence.explorer.parts.tiles import Tile, tiles
from influence.explorer.text import sentence
from influence.library import Entry

BAR_LABEL = "Training images of this bar"


def show(images: Images, target: int) -> None:
    """Draw what there is to know of a test image beyond its strongest."""
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True, height="stretch"):
        _show_spread(images, target)
    with right, st.container(border=True, height="stretch"):
        if images.predicts_removal:
            _show_removal(images, target)
        else:
            st.subheader("Without some training images", anchor=False)
            st.markdown("This result keeps no prediction of removals.")


def _show_spread(images: Images, target: int) -> None:
    st.subheader(f"All {len(images.train):,} scores", anchor=False)
    spread = images.spread(target)
    bar = _bar(len(spread.bars))

    def pick(place: int) -> None:
        address.go(bar=None if place == bar else place)

    drawing(charts.histogram(spread, target, len(images.train)), key="weights", on_pick=pick, selected=bar)
    if bar is None:
        grey = (
            "Grey bars have none to show."
            if spread.is_whole
            else f"Of the {spread.between:,} between them only the range is known: the grey block is no histogram."
        )
        st.caption(
            f"Click a coloured bar to see its images: the {images.max_k} strongest either way are kept. {grey} Heights "
            "are logarithmic."
        )
        return
    low, high = (float(spread.bars[name][bar]) for name in ("left", "right"))
    frame = images.between(target, low, high)
    st.markdown(f"Scores from {words.number(low)} to {words.number(high)}:")
    if frame.empty:
        st.caption("No image of this bar is kept.")
        return
    strip = images.picture.strip([("train", int(train)) for train in frame["train"]])
    tiles(
        [
            Tile(
                train,
                (strip.place("train", train),),
                (label,),
                f"Rank {rank:+d}: training image {train}, class {label}",
                score,
                words.number(score),
                (f"Training image {train}", label),
                label,
            )
            for rank, score, train, label in frame[["rank", "score", "train", "class"]].values.tolist()
        ],
        strip,
        key="bar images",
        label=BAR_LABEL,
        on_pick=chosen.open_train,
        size=64,
        columns=6,
        narrow="strip",
    )


def _bar(n: int) -> int | None:
    """The bar that the address names."""
    asked = address.whole(address.get("bar") or "")
    if asked is not None and 0 <= asked < n:
        return asked
    if "bar" in st.query_params:
        address.refuse("bar", "there is no such bar, so none is chosen.")
    return None


def _show_removal(images: Images, target: int) -> None:
    st.subheader("Without some training images", anchor=False)
    removal = images.removal(target)
    counts = [int(count) for count in removal.counts]
    count: int = address.choose(
        "remove",
        counts,
        partial(st.select_slider, "Training images left out", format_func="{:,}".format),
        default=20 if 20 in counts else counts[-1],
        why="no prediction was stored for so many, so {} are left out.",
    )
    _show_margins(removal, count)
    drawing(charts.removal_curve(removal, count), key="removal_curve")
    st.caption(
        f"**Predicted, not measured**: {words.support(removal)} The scores are sums from models trained on "
        f"{images.result.manifest.subset_size:,} images each, so the far ends are extrapolated."
    )


def _show_margins(removal: Removal, count: int) -> None:
    without, at_random, spread = removal.at(count)
    first, second, third = st.columns(3)
    first.metric(
        f"{count:,} that helped",
        f"{without:+.2f}".replace("-", "−"),
        help="Predicted margin without those that helped most",
    )
    second.metric(
        f"{count:,} at random",
        f"{at_random:+.2f}".replace("-", "−"),
        help=f"Predicted margin without them, ± {2 * spread:.2f} (two standard deviations over the choice)",
    )
    third.metric(
        "Data support",
        "none found" if removal.support is None else f"{removal.support:,}",
        help=glossary.WORDS["Data support"],
    )


# --- trust ----------------------------------------------------------------------------------------------------------


def trust(entry: Entry, images: Images) -> None:
    """What a score means, and how far to trust it."""
    manifest = images.result.manifest
    with st.expander("What a score means, and how far to trust it", icon=":material/verified:"):
        if meaning := words.meaning(manifest):
            st.markdown(meaning)
        st.markdown(f"**How far to trust it.** {words.trust(images)}")
        st.markdown("\n".join(f"- **{title}**: {text}" for title, text in words.details(manifest).items()))
        if not images.knows_near_copies:
            st.markdown("Nobody has looked for near-copies of test images among the training images yet:")
            for line in evaluating.commands(entry, "near-copies"):
                st.code(line, language="sh")
    for problem in images.evaluated.problems:
        st.warning(sentence(problem))
    st.caption(words.provenance(images))
