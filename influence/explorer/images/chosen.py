"""What the address of the images page asks for, as far as it can be shown; what can't is said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from influence.explorer import address
from influence.explorer.images.filters import Filters
from influence.explorer.images.records import Images

GRID, CONFUSION, MAP, MEMORISED = "grid", "confusion", "map", "memorised"
VIEWS = {GRID: "Grid", CONFUSION: "Confusion matrix", MAP: "Map", MEMORISED: "Memorised"}
OF_GALLERY = ("show", "class", "predicted", "lds", "margin", "sort", "page", "mistakes")
OF_MAP = ("part", "colour", "area")
LEAVES = ("image", "train", "bar", "remove", *OF_GALLERY, *OF_MAP, "memory", "least", "sheet")
SIZES = {"small": 6, "medium": 5, "large": 4}  # pictures in a row


@dataclass(frozen=True)
class Chosen:
    """What is shown beside the gallery or the matrix.

    Attributes
    ----------
    target : int
        A test image.
    train : int or None
        A training image that is shown in its place.
    cell : (str, str) or None
        The class and the prediction of the images that are shown in place of either.
    k : int
        Images either way.
    few : int
        How many a row holds, which is what is shown unless more is asked for.
    """

    target: int
    train: int | None
    cell: tuple[str, str] | None
    k: int
    few: int


def choose_view() -> str:
    """Draw the choice between the views, and return the one that is shown."""
    view: str = address.choose(
        "view",
        [*VIEWS],
        partial(
            st.segmented_control,
            "View",
            required=True,
            label_visibility="collapsed",
            format_func=lambda each: VIEWS[each],
        ),
        below=("area", "bar"),
    )
    return view


def choose(images: Images, row: DeltaGenerator, view: str, filters: Filters, passing: Sequence[int]) -> Chosen:
    """Draw the controls of the title's row, and read the rest of the address.

    Parameters
    ----------
    images : Images
    row : DeltaGenerator
        The title's row.
    view : str
    filters : Filters
    passing : sequence of int
        The test images that pass them, in order.
    """
    target = _target(images, row, passing)
    train = _whole("train", lambda train: images.why_not_train(train), f"Test image {target} is shown.")
    few = SIZES[size] if (size := address.get("size")) in SIZES else SIZES["medium"]
    few = min(few, images.max_k)
    k = _whole(
        "k",
        lambda k: None if 1 <= k <= images.max_k else f"this result shows 1 to {images.max_k} either way.",
        f"{few} are shown.",
    )
    cell = None
    if view == CONFUSION and train is None and "image" not in st.query_params:
        cell = (filters.label, filters.prediction) if filters.is_cell else most_frequent(images)
    return Chosen(target, train, cell, k or few, few)


def most_frequent(images: Images) -> tuple[str, str] | None:
    """The most frequent mistake, as a class and a prediction; None where there is none."""
    off = images.confusion - np.diag(np.diag(images.confusion))
    if not off.any():
        return None
    own, said = np.unravel_index(int(off.argmax()), off.shape)
    return images.classes[int(own)], images.classes[int(said)]


def _target(images: Images, row: DeltaGenerator, passing: Sequence[int]) -> int:
    default = images.default()
    if passing and default not in passing:
        default = passing[0]
    asked = address.whole(address.get("image") or "")
    problem = images.why_not(asked) if asked is not None else "that is no image’s number"
    last = int(max(images.test.index.max(), images.train.index.max()))
    with row:
        shown = address.number(
            "image",
            0,
            last,
            partial(st.number_input, "Number of a test image", label_visibility="collapsed", width=140),
            default=default,
            is_known=lambda target: images.why_not(target) is None,
            below=("train", "bar"),
            why=f"{(problem or '').rstrip('.')}. Test image {default} is shown.",
        )
        target = default if shown is None else shown
        order = list(passing) or sorted(images.test.index)
        position = order.index(target) if target in order else -1
        for label, icon, to in (
            ("Previous image", "chevron_left", order[max(position, 0) - 1]),
            ("Next image", "chevron_right", order[(position + 1) % len(order)]),
            ("Random", "casino", int(np.random.default_rng().choice(order))),
        ):
            named = label == "Random"
            st.button(
                label if named else "",
                key=label,
                icon=f":material/{icon}:",
                help="One of those that pass the filters" if named else label,
                on_click=open_target,
                args=(int(to),),
            )
    return target


def open_target(target: int) -> None:
    """Show a test image. For callbacks."""
    address.go(image=target, train=None, bar=None)


def open_train(train: int) -> None:
    """Show whom a training image helped and hurt. For callbacks."""
    address.go(train=train, bar=None)


def open_cell(label: str, prediction: str) -> None:
    """Show the images of a class that get a prediction. For callbacks."""
    address.go(**{"class": label, "predicted": prediction}, image=None, train=None, bar=None, page=None)


def _whole(key: str, why_not: Callable[[int], str | None], instead: str) -> int | None:
    """A whole number that no widget shows."""
    asked = address.whole(address.get(key) or "")
    problem = "it is no whole number" if asked is None else why_not(asked)
    if problem is None:
        return asked
    if key in st.query_params:
        address.refuse(key, f"{problem.rstrip('.')}. {instead}")
    return None
