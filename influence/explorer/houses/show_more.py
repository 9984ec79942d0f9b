"""What stands below the answer of the houses page, folded: how scores are spread, and how far to trust them."""

import streamlit as st

from influence.explorer import reading
from influence.explorer.houses import charts, words
from influence.explorer.houses.chosen import Chosen
from influence.explorer.houses.records import Houses
from influence.explorer.quality import words as quality
from influence.library import Entry

_PLAIN = {"displayModeBar": False}


def show(entry: Entry, houses: Houses, picked: Chosen, of_training: bool) -> None:
    """Draw the folded parts; what is in them is worked out when they are opened."""
    if of_training:
        _all_training_houses(houses)
    elif picked.pick.is_whole and picked.reach is None:
        _spread(houses, picked)
    _trust(entry, houses, picked)


def _spread(houses: Houses, picked: Chosen) -> None:
    pick = picked.pick
    fold = st.expander("How all scores are spread", key="fold-spread", on_change="rerun")
    if fold.open:
        with fold:
            figure = charts.score_distribution(pick, len(houses.train))
            st.plotly_chart(figure, key="distribution", config=_PLAIN)
            known = (
                "Each bar is counted."
                if pick.histogram
                else f"The {houses.result.manifest.k} strongest either way are counted; the bars between them are read "
                "off stored percentiles, so their heights are approximate."
            )
            st.caption(f"All training houses’ scores. {known} The marks are the houses shown above.")


def _all_training_houses(houses: Houses) -> None:
    fold = st.expander("Self-influence of all training houses", key="fold-self", on_change="rerun")
    if fold.open:
        with fold:
            st.plotly_chart(charts.self_influence_histogram(houses), key="histogram", config=_PLAIN)
            if not houses.has_data:
                st.caption("Below are only the houses that the result names: the data set is not here.")
            for column, (against, title) in zip(
                st.columns(2), {"residual": "error (model − price)", "price": "price"}.items(), strict=True
            ):
                figure = charts.self_influence_scatter(houses, against, title)
                column.plotly_chart(figure, key=f"scatter_{against}", config=_PLAIN)


def _trust(entry: Entry, houses: Houses, picked: Chosen) -> None:
    fold = st.expander("How far to trust this", key="fold-trust", on_change="rerun")
    if not fold.open:
        return
    manifest = houses.result.manifest
    explained = manifest.quality.explained_variance
    with fold:
        st.markdown(
            f"- **A score**: {words.what_a_score_is(houses, picked.pick)}\n"
            f"- **Method**: {manifest.title} (Pruthi et al. 2020).\n"
            f"- **Caveat**: {manifest.caveat}\n"
            f"- **The model** explains {explained.test:.3f} of the variance on test, {explained.train:.3f} on training "
            "houses.\n"
            f"- **The ranking**: {_measured(entry)}\n"
            "- **Houses**: each is a census block group of 1990, and its price the median value of its houses."
        )
        st.plotly_chart(charts.loss_curve(manifest.loss_curve), key="loss", config=_PLAIN)
        st.page_link("pages/quality.py", label="All evidence", icon=":material/verified:")


def _measured(entry: Entry) -> str:
    """Show how well retraining without some training houses agrees with the ranking."""
    removal = reading.evaluated(entry).removal
    if removal is None:
        return (
            "not evaluated. How well it predicts what retraining without these houses would change has not been "
            "measured for this result."
        )
    return " ".join(quality.removal_verdicts(removal, r"price, in \$100,000"))
