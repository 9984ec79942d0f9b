"""What all parts of the quality page draw: charts with their keys, and what was not evaluated."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from influence.explorer import evaluating
from influence.explorer.quality import legend
from influence.explorer.quality.charts import Chart
from influence.library import Entry

NO_BAR = {"displayModeBar": False}


def chart(drawn: Chart, key: str, on_select: Callable[[], None] | None = None) -> None:
    """Draw a chart under its key; ``on_select`` is called when a point is clicked."""
    if drawn.key:
        st.html(legend.html(drawn.key))
    more: dict[str, Any] = {} if on_select is None else {"on_select": on_select, "selection_mode": "points"}
    st.plotly_chart(drawn.figure, key=key, config=NO_BAR, alt=drawn.alt, **more)


def not_evaluated(listed: Entry, kind: str, what: str) -> None:
    """Say that a kind of evidence is missing, and how to make it, or why it can't be made."""
    commands = evaluating.commands(listed, kind)
    if not commands:
        st.markdown(f"**Not evaluated**: {evaluating.why_none(listed, kind)}")
        return
    st.markdown(f"**Not evaluated**: {what} has not been measured for this result.")
    how_to(commands)


def how_to(commands: Sequence[str]) -> None:
    """The commands that measure something."""
    if commands:
        st.caption("This measures it:" if len(commands) == 1 else "These measure it, one after the other:")
        st.code("\n".join(commands), language="bash", wrap_lines=True)
