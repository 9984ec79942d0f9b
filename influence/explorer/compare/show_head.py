"""The head of a ranking: its name, its method, and how far it can be trusted."""

import streamlit as st

from influence.explorer import describing, reading
from influence.explorer.compare import records
from influence.explorer.compare.records import NEIGHBOURS, Ranking
from influence.explorer.text import escaped
from influence.library import Entry


def titles(ranking: Ranking) -> tuple[tuple[int, str], tuple[int, str]]:
    """What the two ends of a ranking are called, by their sign; neighbours neither help nor hurt."""
    up, down = ("Most alike", "Least alike") if ranking.name == NEIGHBOURS else ("Helped", "Hurt")
    return (1, up), (-1, down)


def head(ranking: Ranking, listed: dict[str, Entry], target: int) -> None:
    """Draw it."""
    if ranking.name == NEIGHBOURS:
        known = records.neighbours_lds([reading.evaluated(each) for each in listed.values()])
        name, said = NEIGHBOURS.capitalize(), f"Alike in their inputs, whatever the model learned. {known}"
    else:
        one = listed[ranking.name]
        trust = records.lds_of(one, reading.evaluated(one), reading.read(one), target)
        name, said = records.told(one), f"{describing.capital(describing.method(one.manifest))}. {trust}"
    st.markdown(f"**{escaped(name)}**  \n:small[:gray[{escaped(said)}]]")
