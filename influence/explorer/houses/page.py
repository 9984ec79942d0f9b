"""The houses page: which training houses made the model's price, and which the model learned by heart."""

import streamlit as st

from influence.explorer import choosing, frame, reading
from influence.explorer.houses import (
    chosen,
    geography,
    show_answer,
    show_comparison,
    show_extremes,
    show_map,
    show_more,
    trust,
    words,
)
from influence.explorer.houses.dots import Dots
from influence.explorer.houses.records import Houses
from influence.explorer.text import escaped
from influence.library import Entry

# Where it is wide, the answer stands beside the rest; on a phone: map, answer, what the map shows, comparison.
_ALL = "[data-testid=stHorizontalBlock]:has(>[data-testid=stColumn] .st-key-houses-answer)"
_PARTS = ("controls", "chart", "answer", "compare")
_PLACES = f"""<style>
@media(min-width:641px){{
 {_ALL}{{display:grid;grid-template:"controls answer" auto "chart answer" auto "compare answer" 1fr /
  minmax(0,1.7fr) minmax(0,1fr);gap:10px 32px}}
 {_ALL}>[data-testid=stColumn]{{width:100%;min-width:0}}
 {"".join(f"[data-testid=stColumn]:has(.st-key-houses-{part}){{grid-area:{part}}}" for part in _PARTS)}
}}
@media(max-width:640px){{
 {_ALL}{{reading-flow:flex-visual}}
 [data-testid=stColumn]:has(.st-key-houses-controls){{order:1}}
 [data-testid=stColumn]:has(.st-key-houses-compare){{order:2}}
}}
.st-key-houses-controls{{justify-content:space-between}}
</style>"""


def show() -> None:
    """Draw the page."""
    with frame.frame("houses") as choices:
        with choices:
            entry = choosing.choose_result(choosing.shown_on("houses"), leaves=chosen.LEAVES, trust=trust.said)
        row = frame.title("houses")
        seen = load(entry)
        houses = seen.houses
        picked = chosen.choose(houses, row)
        if houses.result.manifest.quality.explained_variance.test <= 0:
            st.warning(
                "This model explains nothing of the test prices (its training may have diverged): don’t trust it."
            )
        st.html(_PLACES)
        controls, chart, answer, compare = st.columns(len(_PARTS))
        with controls:
            shown, zoom = show_map.controls(houses)
        with chart, st.container(key="houses-chart"):
            show_map.show(seen, picked, shown, zoom)
        of_training = shown == show_map.SELF_INFLUENCE
        with answer, st.container(key="houses-answer", gap="small"):
            if picked.reach is not None:
                show_answer.show_reach(houses, picked, picked.reach)
            elif of_training:
                show_extremes.show(houses, picked)
            else:
                show_answer.show(houses, picked)
        with compare, st.container(key="houses-compare"):
            show_comparison.show(houses, picked, of_training)
        show_more.show(entry, houses, picked, of_training)
        st.caption(f"{escaped(words.provenance(houses.result, entry.name))}. {geography.SOURCES}")


def load(entry: Entry) -> Dots:
    """A result on houses and its dots, made once for all sessions."""
    dataset = reading.data_of(entry)
    stamp = reading.stamp(entry.path / "manifest.json")
    return _load(entry, stamp, dataset is not None)


@st.cache_resource(max_entries=4, show_spinner="Reading the result …", hash_funcs={Entry: lambda one: one.path})
def _load(entry: Entry, stamp: int, has_data: bool) -> Dots:
    return Dots(Houses(reading.read(entry), reading.data_of(entry) if has_data else None))
