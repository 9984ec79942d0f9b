"""What happens without the training examples that a result names."""

from functools import partial

import streamlit as st

from influence.evidence import RemovalEvidence
from influence.explorer import address, describing, verdicts
from influence.explorer.parts.theme import colours
from influence.explorer.quality import charts, words
from influence.explorer.quality.parts import chart, not_evaluated
from influence.explorer.text import escaped
from influence.library import Entry

ANY = "any number"


def show_removal(listed: Entry, removal: RemovalEvidence | None) -> None:
    """Predicted against measured changes, for one number of removals, and how they grow with it."""
    with st.container(border=True, key="removal"):
        st.subheader("What happens without the examples that it names?", anchor=False)
        if removal is None:
            what = "whether retraining without the listed examples changes the outputs as predicted"
            not_evaluated(listed, "removal", what)
            return
        count, target = _choose(listed, removal)
        unit = escaped(verdicts.unit_of(listed.manifest))
        left, right = st.columns([4, 5], gap="medium")
        with left:
            for verdict in words.removal_verdicts(removal, unit, count):
                st.markdown(verdict)
        with right:
            _show_scatter(listed, removal, count, target)
        _show_curves(removal)


def _choose(listed: Entry, removal: RemovalEvidence) -> tuple[int | None, int | None]:
    """How many were removed, None for any number; and the target to ring, None for none."""
    counts = [str(count) for count in removal.counts]
    options = [*counts, ANY] if len(counts) > 1 else counts
    noun = describing.noun(listed)
    with st.container(horizontal=True, vertical_alignment="bottom", key="removed_choices"):
        said: str = address.choose(
            "removed",
            options,
            partial(st.segmented_control, "Removed examples", required=True),
            default=counts[-1],
            why="no removal was of so many, so {} is shown.",
        )
        target: int | None = address.choose(
            "find",
            sorted({int(target) for target in removal.tables["effects"]["target"]}),
            partial(st.selectbox, f"Test {noun} to find", placeholder="none", width=180),
            is_optional=True,
            why="no removal was tried for it, so {} is shown.",
        )
        if target is not None:
            page, link = describing.page_of(listed, target=target)
            st.page_link(page, label=f"Open test {noun} {target}", icon=":material/arrow_forward:", query_params=link)
    return (None if said == ANY else int(said)), target


def _show_scatter(listed: Entry, removal: RemovalEvidence, count: int | None, target: int | None) -> None:
    frame = words.removed(removal, count)
    unit, noun = verdicts.unit_of(listed.manifest), describing.noun(listed)

    def clicked() -> None:
        points = st.session_state["removals"]["selection"]["points"]
        if points and "customdata" in points[0]:
            address.go(find=int(points[0]["customdata"][0]))

    chart(charts.removal_scatter(frame, unit, removal.has_scale, noun, target, colours()), "removals", clicked)
    st.caption(f"{len(frame):,} removals. {words.how_trained(removal, count)} Click one to find its target.")


def _show_curves(removal: RemovalEvidence) -> None:
    curves = removal.tables["curves"]
    if len(removal.counts) < 2:
        return
    left, right = st.columns(2, gap="medium")
    if curves["flipped"].notna().any():
        with left:
            chart(
                charts.removal_curve(curves, "flipped", "trainings that name another class", colours()), "removal flips"
            )
    with right:
        chart(
            charts.removal_curve(curves, "measured", "measured change, mean over targets", colours()), "removal changes"
        )
    st.caption("Bars: 95 % intervals over targets.")
