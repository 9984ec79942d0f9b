"""How much rankings agree, for one target and over all, against chance; and how far to trust agreement."""

import pandas as pd
import streamlit as st

from influence.explorer import reading
from influence.explorer.compare import records
from influence.explorer.compare.records import NEIGHBOURS, Ranking
from influence.explorer.text import escaped
from influence.library import Entry
from influence.results import Result


def show(listed: dict[str, Entry], compared: list[Result], rankings: list[Ranking]) -> None:
    """Draw the overlaps."""
    st.header("How much they agree", anchor=False)
    if len(rankings) < 2:
        st.info("Choose a second result to compare with.")
        return
    ks = records.ks_of(rankings)
    n_train = len(compared[0].train)
    table = records.agreement(rankings, n_train)
    first = table.iloc[0]
    st.markdown(
        f"**{escaped(first['pair'])}** share {first[f'@{ks[0]}'] * ks[0]:.0f} of the {ks[0]} that helped this target "
        f"most. Chance would give {ks[0] * ks[0] / n_train:.2g}."
    )
    shares = {f"@{k}": st.column_config.NumberColumn(f"Overlap@{k}", format="percent") for k in ks}
    names = {"pair": "Pair", "side": "Side"}
    with st.container(border=True):
        st.dataframe(
            table,
            hide_index=True,
            column_config={
                **names,
                **shares,
                "rank correlation": st.column_config.TextColumn(
                    "Rank correlation", help="Spearman’s, on so many training examples whose scores both keep"
                ),
            },
            alt="Overlap and rank correlation of every pair, for this target.",
        )
        st.caption(
            "Overlap@k is the share of the k strongest that two have in common. The rank correlation is Spearman’s, "
            "over the training examples whose scores both keep. These are extremes of either sign, so it tells of "
            f"signs rather than of order. Below {records.LEAST_COMMON} examples it is not given."
        )
    if len(compared) > 1:
        with st.container(border=True):
            st.markdown("**Over all targets**")
            stamps = tuple(reading.stamp(result.path / "manifest.json") for result in compared)
            st.dataframe(
                _overall(tuple(listed), stamps, compared, ks),
                hide_index=True,
                column_config={**names, **shares, "targets": st.column_config.NumberColumn("Targets", format="%d")},
                alt="Mean overlap of every pair of results over all targets.",
            )


@st.cache_data(max_entries=16, show_spinner="Comparing all targets …")
def _overall(names: tuple[str, ...], stamps: tuple[int, ...], _compared: list[Result], ks: list[int]) -> pd.DataFrame:
    return records.over_targets(_compared, ks)


def about(listed: dict[str, Entry], rankings: list[Ranking], first: Result) -> None:
    """Draw what each ranking rests on."""
    with st.expander("How far to trust this"):
        lines = [
            f"- **{escaped(id_)}**: {escaped(each.manifest.title)}. {escaped(each.manifest.caveat)}"
            for id_, each in listed.items()
        ]
        if any(ranking.name == NEIGHBOURS for ranking in rankings):
            what = "pixels" if first.manifest.classes else "standardised features"
            sign = " An example of another class counts against." if first.manifest.classes else ""
            lines.append(
                f"- **{NEIGHBOURS.capitalize()}**: the cosine of {what}, less the mean of the training part.{sign} No "
                "model is asked."
            )
        lines.append("- **Agreement is no proof**: two methods can be wrong together. The quality page has each LDS.")
        lines.append("- **Scores of different methods have different units**: compare ranks, not sizes.")
        st.markdown("\n".join(lines))
