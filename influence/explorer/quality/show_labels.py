"""What is known of wrong labels, and of test images that look like training images."""

from functools import partial

import streamlit as st

from influence import evidence
from influence.evidence import MislabelsEvidence, NearCopiesEvidence
from influence.explorer import address, describing
from influence.explorer.parts.rows import Column, Row, rows
from influence.explorer.parts.theme import colours
from influence.explorer.quality import charts, words
from influence.explorer.quality.parts import chart, not_evaluated
from influence.library import Entry


def show_mislabels(listed: Entry, mislabels: MislabelsEvidence | None) -> None:
    """Which ranking finds labels that were flipped."""
    with st.container(border=True, key="mislabels"):
        st.subheader("Does it find wrong labels?", anchor=False)
        if mislabels is None:
            what = "how many flipped labels self-influence finds, and how many plain loss does"
            not_evaluated(listed, "mislabels", what)
            return
        found = {search.flips: search for search in words.searches(mislabels)}
        flips: str = address.choose(
            "flips",
            list(found),
            partial(
                st.segmented_control,
                "Labels flipped",
                required=True,
                format_func=lambda flips: words.FLIPS.get(flips, flips),
            ),
        )
        curves = mislabels.tables["curves"]
        left, right = st.columns(2, gap="medium")
        with left:
            for verdict in found[flips].verdicts:
                st.markdown(verdict)
        with right:
            chart(charts.mislabel_curve(curves[curves["flips"] == flips], colours()), f"mislabels_{flips}")
        _show_table(found[flips])
        rankings = "; ".join(f"**{name}**: {what}" for name, what in evidence.RANKINGS.items())
        st.caption(
            f"{rankings}. Area: under the curve, 0.5 at random. First 20 %: the flips found after that much. "
            "Over loss: how much more of them than plain loss finds. Intervals are over flips."
        )
        st.page_link(
            "pages/outliers.py",
            label="The data set’s own labels by these rankings",
            icon=":material/arrow_forward:",
            query_params={"of": listed.id},
        )


def _show_table(search: words.Search) -> None:
    lines = search.table.drop(columns="what it is").astype(str).to_numpy().tolist()
    rows(
        [Row(place, tuple(line), ", ".join(line)) for place, line in enumerate(lines)],
        [
            Column("Ranking", strong=True),
            Column("Area", "muted", width="minmax(60px, 1fr)"),
            Column("First 20 %", width="minmax(60px, 1fr)"),
            Column("Over loss", "muted", width="minmax(60px, 1fr)"),
        ],
        key=f"searched_{search.flips}",
        label=f"What every ranking finds of labels flipped {words.FLIPS.get(search.flips, search.flips)}",
    )


def show_near_copies(listed: Entry, found: NearCopiesEvidence | None) -> None:
    """How many test images look like a training image, and what accuracy is without them."""
    if not listed.has_classes:
        return
    with st.container(border=True, key="near_copies"):
        st.subheader("Are test images among the training images?", anchor=False)
        if found is None:
            what = "which test images look like a training image"
            not_evaluated(listed, "near-copies", what)
            return
        for verdict in words.near_copies_verdict(found, describing.noun(listed)):
            st.markdown(verdict)
        st.page_link(
            "pages/outliers.py",
            label="Look at the pairs",
            icon=":material/arrow_forward:",
            query_params={"of": listed.id, "list": "near-copies"},
        )
