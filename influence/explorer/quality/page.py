"""How far each ranking can be trusted: what held-out models, retraining and flipped labels say of every result."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from influence import evidence
from influence.errors import InfluenceError
from influence.evidence import Evaluated, MislabelsEvidence, RemovalEvidence, SizesEvidence
from influence.explorer import describing, evaluating, panel, shelf
from influence.explorer.quality import charts, words
from influence.explorer.quality.words import Judged
from influence.library import Entry
from influence.methods.datamodels.kind import DatamodelsManifest

NO_BAR = {"displayModeBar": False}
ALL_COUNTS = "any number"
KEYS = ("of", "removed", "find")  # what is in the address


def show() -> None:
    """Draw the page."""
    try:
        _show()
    except InfluenceError as error:
        st.error(str(error), icon=":material/error:")


def _show() -> None:
    check = panel.link_checker("quality")
    panel.frame("Quality", "pages/quality.py")
    if panel.has_arrived():  # a click that was told twice has opened its target already
        st.session_state.pop("target to open", None)
    shelf.come_back("quality", KEYS)
    st.title("Quality")
    st.caption(
        "A ranking of training examples always looks plausible. These figures come from models and trainings that had "
        "no part in the rankings."
    )
    found = shelf.every()
    known = {id_: shelf_evidence(listed) for id_, listed in found.items()}
    listed = found[overview(found, known, check)]
    st.divider()
    st.subheader(listed.id)
    st.markdown(f"{listed.manifest.title}, on {listed.dataset}")
    page, link = describing.page_of(listed)
    st.page_link(page, label="Browse this result", icon=":material/arrow_forward:", query_params=link)
    evaluated = known[listed.id]
    for problem in evaluated.problems:
        st.warning(problem)
    show_lds(listed, evaluated)
    show_sizes(listed, evaluated.sizes)
    show_removal(listed, evaluated.removal, check)
    show_mislabels(listed, evaluated.mislabels)
    about(listed, evaluated)
    shelf.leave_ready("quality", KEYS)


def shelf_evidence(listed: Entry) -> Evaluated:
    """The evidence about a result; what is wrong with the result itself stands in the place of it."""
    try:
        return shelf.evaluated(listed)
    except InfluenceError as error:
        return Evaluated(problems=[str(error)])


# --- all results ----------------------------------------------------------------------------------------------------


def overview(found: dict[str, Entry], known: dict[str, Evaluated], check: panel.Check) -> str:
    """The table of all results, and the one that is chosen."""
    table = pd.DataFrame([words.row(listed, known[id_]) for id_, listed in found.items()])
    panel.keep_within("of", found.__contains__)
    first = max(found, key=lambda id_: len(known[id_].kinds))  # of equals, the first in the list
    shown = st.session_state.get("of", first)
    place = int(list(found).index(shown))

    def picked() -> None:
        cells = st.session_state[key]["selection"]["cells"]
        if cells:
            st.session_state["of"] = table["result"].iloc[cells[0][0]]

    def read(state: Any) -> int | None:
        cells = state["selection"]["cells"]
        return int(cells[0][0]) if cells else None

    key = panel.selection_key("all results", read, place)
    st.dataframe(
        table,
        on_select=picked,
        selection_mode="single-cell",
        key=key,
        hide_index=True,
        column_config={
            "result": "Result",
            "data": st.column_config.TextColumn("Data set", width=90),
            "method": "Method",
            "learner": st.column_config.TextColumn("Learner", width=80),
            "models": st.column_config.TextColumn("Models", help="Models that were fitted, and the share each saw"),
            "lds": st.column_config.TextColumn(
                "LDS (95 %)", help="Linear datamodeling score on held-out models; 0 is chance, 1 perfect"
            ),
            "best": st.column_config.TextColumn(
                "Best", help="What a perfect predictor would get: the root of the noise ceiling", width=60
            ),
            "evidence": "Evidence",
        },
        alt="All results; picking a cell picks its result.",
    )
    chosen: str = st.selectbox("Result", list(found), list(found).index(first), key="of", bind="query-params")
    check("of", chosen, f"there is no such result, so “{chosen}” is shown.")
    return chosen


# --- held-out models ------------------------------------------------------------------------------------------------


def show_lds(listed: Entry, evaluated: Evaluated) -> None:
    st.subheader("On models that it has not seen")
    lds = words.judged(listed.manifest, evaluated.lds)
    if lds is None:
        not_evaluated(listed, "lds", "how well the scores predict models trained on subsets that they have not seen")
        return
    st.markdown(words.lds_verdict(lds))
    if beaten := words.against_baselines(lds):
        st.markdown(beaten)
    show_judged(lds)
    if evaluated.lds is None:
        st.caption("From the result’s own manifest. Baselines and targets one by one are not evaluated.")
        how_to(evaluating.commands(listed, "lds"))


def show_judged(lds: Judged) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        st.plotly_chart(charts.lds_chart(lds), key="lds", config=NO_BAR)
        st.caption(
            f"Mean over targets of the Spearman correlation, over {lds.held_out:,} held-out models, of what a model "
            "said and the sum of the scores of what it saw. Bars: 95 % intervals over models."
        )
    if lds.per_target is not None:
        with right:
            st.plotly_chart(charts.lds_histogram(lds.per_target), key="lds_targets", config=NO_BAR)
            values = lds.per_target["result"].dropna()
            st.caption(
                f"Target by target: half of them lie between {values.quantile(0.25):.2f} and "
                f"{values.quantile(0.75):.2f}, and {(values < 0.2).mean():.0%} below 0.2."
            )


def show_sizes(listed: Entry, sizes: SizesEvidence | None) -> None:
    if not isinstance(listed.manifest, DatamodelsManifest):
        return
    st.subheader("From fewer models, by other estimators")
    if sizes is None:
        not_evaluated(listed, "sizes", "how estimators compare on fewer models")
        return
    st.markdown(words.sizes_verdict(sizes.scores))
    left, right = st.columns([2, 3], gap="medium")
    left.plotly_chart(charts.sizes_chart(sizes.scores), key="sizes", config=NO_BAR)
    right.dataframe(
        words.sizes_table(sizes.scores), alt="LDS with its 95 % interval, by estimator and number of models."
    )
    right.caption("; ".join(f"**{name}**: {what}" for name, what in evidence.REFERENCES.items()) + ".")


# --- removal --------------------------------------------------------------------------------------------------------


def show_removal(listed: Entry, removal: RemovalEvidence | None, check: panel.Check) -> None:
    st.subheader("When training examples are removed")
    if removal is None:
        not_evaluated(listed, "removal", "whether training without the named examples changes what it says it would")
        return
    unit = "margin" if listed.has_classes else "price, in $100,000".replace("$", r"\$")
    for verdict in words.removal_verdicts(removal, unit):
        st.markdown(f"- {verdict}")
    show_scatter(listed, removal, check)
    curves = removal.tables["curves"]
    if curves["count"].nunique() > 2:  # nothing removed, and more than one number
        left, right = st.columns(2, gap="medium")
        if curves["flipped"].notna().any():
            left.plotly_chart(
                charts.removal_curve(curves, "flipped", "trainings that name another class"),
                key="flips",
                config=NO_BAR,
            )
        right.plotly_chart(
            charts.removal_curve(curves, "measured", "measured change, mean over targets"),
            key="changes",
            config=NO_BAR,
        )
        st.caption("Bars: 95 % intervals over targets.")


def show_scatter(listed: Entry, removal: RemovalEvidence, check: panel.Check) -> None:
    counts = sorted({int(count) for count in removal.tables["effects"]["count"]})
    targets = sorted({int(target) for target in removal.tables["effects"]["target"]})
    first, second, third = st.columns(3, vertical_alignment="bottom")
    options = [ALL_COUNTS, *map(str, counts)]
    panel.keep_within("removed", options.__contains__)
    count = first.selectbox("Removed examples", options, key="removed", bind="query-params")
    check("removed", count, f"no removal was of so many, so {count} is shown.")
    panel.keep_within("find", targets.__contains__)
    target = second.selectbox(
        f"Test {describing.noun(listed)} to find",
        targets,
        index=None,
        key="find",
        bind="query-params",
        placeholder="none",
    )
    check("find", target, f"no removal was tried for it, so {'none' if target is None else target} is shown.")
    if target is not None:
        page, link = describing.page_of(listed, target=target)
        with third:
            st.page_link(
                page,
                label=f"Open test {describing.noun(listed)} {target}",
                icon=":material/arrow_forward:",
                query_params=link,
            )
    frame = words.removed(removal, None if count == ALL_COUNTS else int(count))

    def clicked() -> None:
        points = st.session_state["removals"]["selection"]["points"]
        if points and "customdata" in points[0]:
            st.session_state["target to open"] = int(points[0]["customdata"][0])

    unit = "margin" if listed.has_classes else "$100,000"
    st.plotly_chart(
        charts.removal_scatter(frame, unit, removal.has_scale, describing.noun(listed), target),
        key="removals",
        on_select=clicked,
        selection_mode="points",
        config=NO_BAR,
        alt="Predicted against measured change of every removal; the list above finds a target by keyboard.",
    )
    st.caption(
        f"{len(frame):,} removals; each measured change is a mean over trainings with seeds of their own. Click a "
        "point to open its target."
    )
    if (opened := st.session_state.pop("target to open", None)) is not None:
        page, link = describing.page_of(listed, target=opened)
        st.switch_page(page, query_params=link)


# --- mislabels ------------------------------------------------------------------------------------------------------


def show_mislabels(listed: Entry, mislabels: MislabelsEvidence | None) -> None:
    st.subheader("When labels are flipped")
    if mislabels is None:
        not_evaluated(listed, "mislabels", "how many flipped labels self-influence finds, and how many plain loss does")
        return
    curves = mislabels.tables["curves"]
    found = words.searches(mislabels)
    for column, search in zip(st.columns(max(2, len(found)), gap="medium"), found, strict=False):
        with column:
            st.markdown(f"**Labels flipped {words.FLIPS[search.flips]}**")
            for verdict in search.verdicts:
                st.markdown(f"- {verdict}")
            st.plotly_chart(
                charts.mislabel_curve(curves[curves["flips"] == search.flips]),
                key=f"mislabels_{search.flips}",
                config=NO_BAR,
            )
            st.dataframe(
                search.table,
                hide_index=True,
                column_config={
                    "ranking": st.column_config.TextColumn("Ranking", width=105),
                    "what it is": None,
                    "area": st.column_config.TextColumn("Area", width=135, help="Under the curve; at random 0.5"),
                    "found in the first 20 %": st.column_config.TextColumn("First 20 %", width=110),
                    "more than loss": st.column_config.TextColumn(
                        "More than loss", help="Of the flips, in the first 20 %, with an interval over flips"
                    ),
                },
                alt=f"What every ranking finds of labels flipped {words.FLIPS[search.flips]}.",
            )
    st.caption(
        "; ".join(f"**{name}**: {what}" for name, what in evidence.RANKINGS.items())
        + ". The outliers page lists the data set’s own labels by these rankings."
    )


# --- what there is not, and what it means ---------------------------------------------------------------------------


def not_evaluated(listed: Entry, kind: str, what: str) -> None:
    commands = evaluating.commands(listed, kind)
    if not commands:
        st.markdown(f"**Not evaluated**: {evaluating.why_none(listed, kind)}")
        return
    st.markdown(f"**Not evaluated**: {what} has not been measured for this result.")
    how_to(commands)


def how_to(commands: Sequence[str]) -> None:
    if commands:
        st.caption("This measures it:" if len(commands) == 1 else "These measure it, one after the other:")
        st.code("\n".join(commands), language="bash", wrap_lines=True)


def about(listed: Entry, evaluated: Evaluated) -> None:
    st.divider()
    with st.expander("How far to trust this", expanded=True):
        for title, notes in words.caveats(listed.manifest, evaluated).items():
            st.markdown(f"**{title}**\n" + "".join(f"\n- {note}" for note in notes))
    st.caption(
        f"{listed.manifest.learner} · made {listed.manifest.created[:10]} · result “{listed.id}”. Every figure "
        "is in the result’s folder, with its config and seeds."
    )
