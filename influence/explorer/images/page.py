"""The images page: which training images helped and hurt a test image, and which test images one of them did."""

import streamlit as st

from influence import evidence, library
from influence.explorer import choosing, frame, reading
from influence.explorer.images import (
    chosen,
    show_confusion,
    show_gallery,
    show_group,
    show_map,
    show_memorised,
    show_more,
    show_reach,
    show_target,
)
from influence.explorer.images.chosen import CONFUSION, GRID, MAP, MEMORISED
from influence.explorer.images.records import Images
from influence.library import Entry

_NEAR_COPIES = "near-copies"
_ALONE = {MAP: show_map.show, MEMORISED: show_memorised.show}  # views with an answer of their own


def show() -> None:
    """Draw the page."""
    with frame.frame("images") as choices:
        with choices:
            entry = choosing.choose_result(choosing.shown_on("images"), leaves=chosen.LEAVES)
        row = frame.title("images")
        images = load(entry)
        view = chosen.choose_view()
        if view in _ALONE:
            _ALONE[view](entry)
            return
        left, right = st.columns([1, 1.46], gap="medium")
        with left, st.container(key="images-gallery", gap="small"):
            filters, sort = show_gallery.controls(images, as_matrix=view == CONFUSION)
            passing = images.gallery(filters, sort)
            picked = chosen.choose(images, row, view, filters, passing)
            if view == GRID:
                show_gallery.show(images, passing, filters, picked)
            else:
                show_confusion.show(images, filters, picked)
        # Longer than the window, it could not be seen to its end if it stayed in place.
        key = "inspector" if picked.k <= picked.few else "inspected"
        with right, st.container(key="answer"), st.container(key=key, gap="small"):
            if picked.cell is not None:
                show_group.show(images, picked.cell, picked)
            elif picked.train is not None:
                show_reach.show(images, picked.train, picked)
            else:
                show_target.show(images, images.pick(picked.target, picked.k), picked, view)
        if picked.cell is None and picked.train is None:
            show_more.show(images, picked.target)
        show_more.trust(entry, images)


def load(entry: Entry) -> Images:
    """A result on images with its pictures, made once for all sessions."""
    dataset = reading.data_of(entry)
    if reading.is_missing(entry):
        reading.offer_download(entry)
    searched = _searched(entry)
    folders = [entry.path, *(evidence.place(entry.path, kind) for kind in evidence.KINDS)]
    if searched is not None:
        folders.append(evidence.place(searched.path, _NEAR_COPIES))
    stamps = tuple(reading.stamp(folder / "manifest.json") for folder in folders)
    return _load(entry, stamps, dataset is not None, searched)


@st.cache_resource(max_entries=4, show_spinner="Reading the result …", hash_funcs={Entry: lambda one: one.path})
def _load(entry: Entry, stamps: tuple[int, ...], has_data: bool, searched: Entry | None) -> Images:
    near = None if searched is None else reading.evaluated(searched).near_copies
    return Images(
        reading.read(entry),
        reading.data_of(entry) if has_data else None,
        reading.evaluated(entry),
        None if near is None else near.near,
    )


def _searched(entry: Entry) -> Entry | None:
    """A result on the same data for which near-copies were searched, this one first; None where there is none."""
    manifest = entry.manifest
    for each in (entry, *library.every()[0].values()):
        is_alike = each.manifest.dataset_hash == manifest.dataset_hash and each.manifest.part == manifest.part
        if is_alike and evidence.place(each.path, _NEAR_COPIES).exists():
            return each
    return None
