"""The outliers page: lists of suspicious training examples, one of them, and what is to be done about which."""

import streamlit as st

from influence import datasets
from influence.explorer import choosing, reading
from influence.explorer.frame import frame, title
from influence.explorer.outliers import choices, known, tray
from influence.explorer.outliers.rankings import COPIES
from influence.explorer.outliers.show_example import show_example
from influence.explorer.outliers.show_list import show_list
from influence.explorer.outliers.show_tray import show_downloads, show_tray
from influence.explorer.text import escaped
from influence.library import Entry
from influence.methods.tracin.kind import TracInManifest
from influence.text import command, inline_code, typed

OF_DATA = ("example", "label", "agree", "find", "sheet", "fix", "list")
OF_RESULT = ("by", "sheet")


def show() -> None:
    """Draw the page."""
    with frame("outliers") as sidebar:
        row = title("outliers")
        with sidebar:
            listed = choosing.choose_result(
                choosing.shown_on("outliers"), leaves=OF_DATA, with_result=OF_RESULT, best=_how_good, trust=trust
            )
        outliers = known.outliers_of(listed)
        dataset = reading.data_of(listed) if listed.has_classes else None
        pictures = reading.pictures_of(listed, dataset)
        fixes = tray.read(listed, outliers)
        show_downloads(row, outliers, fixes, choices.ranking_of(outliers))
        left, right = st.columns([1.62, 1], gap="medium")
        with left:
            choice = choices.choose(listed, outliers, pictures, fixes)
            if choice is None:
                show_why_empty(listed)
            else:
                show_list(listed, outliers, pictures, choice, fixes)
        with right:
            show_tray(listed, outliers, pictures, fixes)
            if choice is not None:
                show_example(listed, outliers, pictures, choice, fixes)


def _how_good(entry: Entry) -> float:
    """What the page opens with: one that knows self-influence, if possible on data that train quickly."""
    return (
        4 * entry.has_classes + 2 * isinstance(entry.manifest, TracInManifest) + datasets.facts(entry.dataset).is_quick
    )


def trust(entry: Entry) -> tuple[str, str]:
    """How many flipped labels the ranking that is shown finds, from the evidence about them."""
    ranking = choices.ranking_of(known.outliers_of(entry))
    return choices.trust_in(ranking, known.mislabels_of(entry))


def show_why_empty(listed: Entry) -> None:
    """Say why there is nothing to list, and what to do."""
    is_copies = choices.list_of(listed) == COPIES.name
    how = inline_code(command("evaluate", "near-copies" if is_copies else "mislabels", typed(listed.path)))
    what = "Nobody has looked for near-copies yet" if is_copies else f"“{escaped(listed.id)}” ranks no training example"
    st.info(f"{what}: run {how}.")
