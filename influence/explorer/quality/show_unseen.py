"""Predictions of held-out models: linear datamodeling scores, and fits on fewer models."""

import streamlit as st

from influence import evidence
from influence.evidence import Evaluated, ScalingEvidence
from influence.explorer import evaluating, verdicts
from influence.explorer.parts.theme import colours
from influence.explorer.quality import charts, words
from influence.explorer.quality.parts import chart, how_to, not_evaluated
from influence.explorer.verdicts import Judged
from influence.library import Entry
from influence.methods.datamodels.kind import DatamodelsManifest


def show_unseen(listed: Entry, found: Evaluated) -> None:
    """How well the scores predict models that they have not seen."""
    with st.container(border=True):
        st.subheader("Does it predict models that it has not seen?", anchor=False)
        lds = verdicts.judged(listed.manifest, found.lds)
        if lds is None:
            what = "how well the scores predict models trained on subsets that they have not seen"
            not_evaluated(listed, "lds", what)
            return
        st.markdown(words.lds_verdict(lds))
        if beaten := words.against_baselines(lds):
            st.markdown(beaten)
        _show_judged(lds)
        if "neighbours" not in lds.methods:
            st.caption("The result’s own run measured this score. Baselines have not been evaluated.")
            how_to(evaluating.commands(listed, "lds"))


def _show_judged(lds: Judged) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        chart(charts.lds_chart(lds, colours()), "lds")
        st.caption(
            f"Mean over targets of the rank correlation, over {lds.held_out:,} held-out models, of a model’s output "
            "and the sum of the scores of the training examples that it saw. Bars: 95 % intervals over models."
        )
    if lds.per_target is not None:
        with right:
            chart(charts.lds_histogram(lds.per_target, colours()), "lds_targets")
            values = lds.per_target["result"].dropna()
            low, high = (float(values.quantile(q)) for q in (0.25, 0.75))
            st.caption(
                f"Target by target: half of them lie between {verdicts.number(low)} and {verdicts.number(high)}, and "
                f" {(values < 0.2).mean():.0%} below 0.2."
            )


def show_scaling(listed: Entry, scaling: ScalingEvidence | None) -> None:
    """How estimators compare on fewer models, where a result comes from a fit."""
    if not isinstance(listed.manifest, DatamodelsManifest):
        return
    with st.container(border=True):
        st.subheader("How good are fewer models and other estimators?", anchor=False)
        if scaling is None:
            not_evaluated(listed, "scaling", "how estimators compare on fewer models")
            return
        st.markdown(words.scaling_verdict(scaling.scores))
        chart(charts.scaling_chart(scaling.scores, listed.manifest.estimator, colours()), "scaling")
        references = "; ".join(f"**{name}**: {what}" for name, what in evidence.REFERENCES.items())
        st.caption(f"Level lines need no outcomes: {references}. Bars: 95 % intervals over models.")
        with st.expander("All figures"):
            alt = "LDS with its 95 % interval, by estimator and number of models."
            st.dataframe(words.scaling_table(scaling.scores), alt=alt)
