"""The figures of one result in a row, and all results in a table."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from influence.evidence import Evaluated
from influence.explorer import address, verdicts
from influence.explorer.parts.heading import Heading
from influence.explorer.parts.rows import Column, Row, rows
from influence.explorer.quality import words
from influence.library import Entry


def show_figures(listed: Entry, found: Evaluated) -> None:
    """What was measured, a figure each."""
    known = [*_of_models(listed, found), *_of_removals(found), *_of_labels(found), *_of_copies(listed, found)]
    if known:
        with st.container(horizontal=True, gap="small", key="figures"):
            for label, value, help in known:
                st.metric(label, value, border=True, help=help)


Figures = list[tuple[str, str, str]]


def _of_models(listed: Entry, found: Evaluated) -> Figures:
    lds = verdicts.judged(listed.manifest, found.lds)
    if lds is None:
        return []
    best = "" if lds.best is None else f" of {verdicts.number(lds.best)}"
    text = f"Over {lds.held_out:,} models that it has not seen, {verdicts.interval(lds.own)}. 0 is chance, 1 is perfect"
    text += f"; about {verdicts.number(lds.best)} is possible." if lds.best is not None else "."
    return [("LDS", verdicts.number(lds.own.mean) + best, text)]


def _of_removals(found: Evaluated) -> Figures:
    if found.removal is None:
        return []
    most = found.removal.counts[-1]
    at = verdicts.means_of(found.removal, most).get("helpful")
    figures: Figures = []
    if at is not None and np.isfinite(at["flipped"]):
        text = f"The share of trainings that name another class without the top {most}; "
        text += "{flipped_low:.0%} to {flipped_high:.0%}.".format(**at)
        figures.append((f"Flipped without the top {most}", f"{at['flipped']:.0%}", text))
    agreed = found.removal.agreement_of(most).get("helpful")
    if agreed is not None:
        text = f"Rank correlation of predicted and measured changes without the top {most}; "
        figures.append(
            (
                f"Agreement, top {most}",
                verdicts.number(agreed.spearman.mean),
                text + verdicts.interval(agreed.spearman) + ".",
            )
        )
    return figures


def _of_labels(found: Evaluated) -> Figures:
    if found.mislabels is None:
        return []
    flips, rankings = next(iter(found.mislabels.found.items()))
    best = max(rankings, key=lambda name: rankings[name].at_20.mean)
    text = f"Of labels flipped {words.FLIPS[flips]}, found in the first 20 % by {best}; "
    at_20 = rankings[best].at_20
    return [("Wrong labels found", f"{at_20.mean:.0%}", f"{text}{verdicts.percent(at_20)}.")]


def _of_copies(listed: Entry, found: Evaluated) -> Figures:
    if found.near_copies is None:
        return []
    figures = found.near_copies.figures
    text = f"{figures.concerned:,} of {figures.targets:,} test examples look like a training example."
    return [("Near-copies", f"{figures.concerned / figures.targets:.1%}", text)]


# --- all results ----------------------------------------------------------------------------------------------------


def show_all(entries: Mapping[str, Entry], known: Mapping[str, Evaluated], shown: Entry) -> None:
    """A line a result; picking one shows it."""
    ids = list(entries)

    def pick(place: int) -> None:
        entry = entries[ids[place]]
        left = dict.fromkeys(("of", "removed", "find", "flips"))
        address.go(**left, data=entry.dataset, method=entry.method, result=entry.name)

    lines = [(place, words.row(entries[id_], known[id_])) for place, id_ in enumerate(ids)]
    rows(
        [
            Row(place, tuple(line.values()), ", ".join(f"{name} {value}" for name, value in line.items()))
            for place, line in lines
        ],
        [
            Column("Result", strong=True),
            Column("Method", width="minmax(90px, max-content)"),
            Column("Models", "muted"),
            Column("LDS (95 %)"),
            Column("Best", "muted"),
            Column("Evidence", "muted", width="minmax(100px, 1fr)"),
        ],
        key="all_results",
        label="All results",
        heading=Heading("All results", "pick one to see its figures"),
        on_pick=pick,
        selected=ids.index(shown.id),
    )
