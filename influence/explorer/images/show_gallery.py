"""The gallery of test images: chips and filters with their counts, a page of tiles, and a table to download."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from influence.explorer import address
from influence.explorer.images import chosen, words
from influence.explorer.images.chosen import Chosen
from influence.explorer.images.filters import ALL, MISTAKES, NEAR_COPIES, Filters
from influence.explorer.images.records import Images
from influence.explorer.parts.pages import choose_page
from influence.explorer.parts.pictures import Strip
from influence.explorer.parts.tiles import Tile, tiles
from influence.explorer.text import escaped

PER_PAGE = 25
LABEL = "Gallery of test images"
_BELOW = ("page", "mistakes")  # what a changed filter takes out of the address
_NARROWS = ("class", "predicted", "lds", "margin", "sort", "page")


def controls(images: Images, as_matrix: bool = False) -> tuple[Filters, str]:
    """Draw chips, filters and the order, and return them; a matrix has cells in place of most of them."""
    if as_matrix:
        return Filters(ALL, _named(images, "class"), _named(images, "predicted")), images.first_sort(MISTAKES)
    first_row, second_row = st.container(), st.container(horizontal=True, gap="small")
    asked = _asked(images)
    counts = images.counts(asked)
    with first_row:
        show: str = address.choose(
            "show",
            images.chips,
            partial(
                st.pills,
                "Show",
                required=True,
                label_visibility="collapsed",
                wrap=True,
                format_func=lambda each: f"{words.CHIPS[each]} :gray[{counts['show'][each]:,}]",
            ),
            default=_first_chip(images),
            below=(*_BELOW, "sort"),
            also={},
        )
    with second_row:
        also: dict[str, object] = {"show": show}
        label = _class("class", ("", "Any class"), images, counts["label"], also)
        sort: str = address.choose(
            "sort",
            images.sorts,
            partial(
                st.selectbox, "Sort by", label_visibility="collapsed", format_func=words.sort_name, width="stretch"
            ),
            default=images.first_sort(show),
            below=("page",),
            also=also,
        )
        narrowed = sum(key in st.query_params for key in ("predicted", "lds", "margin"))
        with st.popover(
            f"More{f' :gray[{narrowed}]' if narrowed else ''}", icon=":material/tune:", help="More filters"
        ):
            prediction = _class("predicted", ("The model says", "Any prediction"), images, counts["prediction"], also)
            quality = _quality(images, counts["quality"], also)
            margin = _margin(images, also)
    return Filters(show, label, prediction, quality, margin), sort


def _first_chip(images: Images) -> str:
    """What is shown where the address does not say.

    Links of older versions said ``mistakes=true``, and showed all where they did not.
    """
    if (address.get("mistakes") or "").casefold() == "true":
        return MISTAKES
    return ALL if any(key in st.query_params for key in _NARROWS) else images.first_chip


def _asked(images: Images) -> Filters:
    """What the address asks for, for the counts beside each option; what it can't have is left out."""
    show, quality = address.get("show"), address.get("lds")
    ends = [address.real(value) for value in st.query_params.get_all("margin")]
    known = [end for end in ends if end is not None]
    return Filters(
        show if show in images.chips else _first_chip(images),
        _named(images, "class"),
        _named(images, "predicted"),
        quality if quality in images.qualities else ALL,
        (known[0], known[1]) if len(ends) == len(known) == 2 else None,
    )


def _named(images: Images, key: str) -> str:
    """The class that the address gives for a key."""
    said = address.get(key)
    return said if said in images.classes else ALL


def _class(key: str, titles: tuple[str, str], images: Images, counts: dict[Any, int], also: dict[str, object]) -> str:
    """Draw a choice of one class or any; ``titles`` are the widget's, or empty, and what stands for any."""
    title, every = titles

    def name(each: str) -> str:
        return f"{every if each == ALL else each} ({counts[each]:,})"

    chosen: str = address.choose(
        key,
        (ALL, *images.classes),
        partial(
            st.selectbox,
            title or "Class",
            format_func=name,
            label_visibility="visible" if title else "collapsed",
            width="stretch",
        ),
        below=_BELOW,
        also=also,
    )
    return chosen


def _quality(images: Images, counts: dict[Any, int], also: dict[str, object]) -> str:
    if not images.knows_lds:
        return ALL
    chosen: str = address.choose(
        "lds",
        images.qualities,
        partial(st.selectbox, "LDS of the image", format_func=lambda each: f"{each} ({counts[each]:,})"),
        below=_BELOW,
        also=also,
    )
    return chosen


def _margin(images: Images, also: dict[str, object]) -> tuple[float, float] | None:
    low, high = images.margin_range
    if low == high:
        return None
    ends = address.span("margin", low, high, 0.5, partial(st.slider, "Margin"), below=_BELOW, also=also)
    return None if ends == (low, high) else ends


# --- a page of it ---------------------------------------------------------------------------------------------------


def show(images: Images, passing: Sequence[int], filters: Filters, picked: Chosen) -> None:
    """Draw a page of the test images that pass."""
    if not passing:
        st.info(words.nothing(filters))
        return
    pages = -(-len(passing) // PER_PAGE)
    slot = st.container()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        page = choose_page("page", pages, visible=5, also={"show": filters.show})
        first = (page - 1) * PER_PAGE
        shown = list(passing[first : first + PER_PAGE])
        st.markdown(f":small[:gray[{first + 1:,} to {first + len(shown):,} of {len(passing):,}]]", width="content")
    with slot:
        _tiles(images, shown, filters.show == NEAR_COPIES, None if picked.train is not None else picked.target)
    if about := words.about_chip(images, filters.show):
        st.caption(about)
    st.download_button(
        f"Download these {len(passing):,} as CSV",
        lambda: images.shown(list(passing)).to_csv(index=False),
        file_name="test-images.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def _tiles(images: Images, shown: Sequence[int], as_pairs: bool, picked: int | None) -> None:
    nearest = {target: int(images.test["nearest"][target]) for target in shown} if as_pairs else {}
    strip = images.picture.strip([("test", each) for each in shown] + [("train", each) for each in nearest.values()])
    tiles(
        [_tile(images, strip, target, nearest.get(target)) for target in shown],
        strip,
        key="gallery",
        label=LABEL,
        on_pick=chosen.open_target,
        selected=picked,
        size=128 if as_pairs else 72,
        columns=3 if as_pairs else 5,
    )


def _tile(images: Images, strip: Strip, target: int, nearest: int | None) -> Tile:
    row = images.test.loc[target]
    own, said, wrong = str(row["class"]), str(row["named"]), bool(row["wrong"])
    lines: tuple[str, ...] = (own, f"→ {said}") if wrong else (own,)
    model = f"the model says {said}" if wrong else "the model agrees"
    details: tuple[str, ...] = (
        f"Test image {target}",
        f"{own}, {model}",
        f"margin {row['margin']:+.2f}".replace("-", "−"),
    )
    pictures: tuple[int | None, ...] = (strip.place("test", target),)
    if nearest is not None:
        pictures = (*pictures, strip.place("train", nearest))
        details = (*details, f"like training image {nearest}: {row['similarity']:.2f}")
        lines = (*lines[:1], f"{lines[1]}, like {nearest}" if wrong else f"like training image {nearest}")
    return Tile(target, pictures, lines, ", ".join(details), details=details, stand_in=escaped(own))
