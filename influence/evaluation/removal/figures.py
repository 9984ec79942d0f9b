"""The figures of a removal's evidence, and the notes that go with them."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from influence.evaluation.removal.config import RemovalConfig
from influence.evaluation.scores import Scores
from influence.measures.removal import agreement


def agreements(effects: pd.DataFrame) -> dict[str, Any]:
    """How well predicted and measured changes agree, by choice and over all of them."""
    frame = effects.dropna(subset=["predicted", "measured"])
    found = {}
    for choice in ("all", *frame["choice"].unique()):
        rows = frame if choice == "all" else frame[frame["choice"] == choice]
        predicted, measured, target = (rows[name].to_numpy() for name in ("predicted", "measured", "target"))
        if figures := agreement(predicted, measured, target):
            found[choice] = {name: figure.as_dict() for name, figure in figures.items()}
    return found


def agreements_by_count(effects: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """`agreements` among removals of equally many, by their number; where nothing can be said, it is left out."""
    each = {str(count): agreements(rows) for count, rows in effects.groupby("count")}
    return {count: found for count, found in each.items() if found}


def support_figures(targets: pa.Table) -> dict[str, Any]:
    """How the predicted supports did: ``flipped`` by most of each target's trainings, ``negative`` by the mean margin.

    A class can have less than half of the probability and still be predicted.
    """
    frame = targets.to_pandas()
    tried = frame[frame["flipped_at_support"].notna()]
    both = tried[tried["support_found"].notna()]
    rank = both[["support", "support_found"]].corr("spearman").iloc[0, 1] if len(both) > 2 else float("nan")
    return {
        "tried": len(tried),
        "flipped": float((tried["flipped_at_support"] > 0.5).mean()) if len(tried) else None,
        "negative": float((tried["output_at_support"] < 0).mean()) if len(tried) else None,
        "found": len(both),
        "spearman": float(rank) if np.isfinite(rank) else None,
    }


def notes_on(
    config: RemovalConfig,
    scores: Scores,
    features: str,
    learner: Any,
    everything: int,
    is_common: bool,
    has_classes: bool,
) -> list[str]:
    settings = ", ".join(f"{name} {value}" for name, value in learner.items() if name != "name")
    notes = [
        f"Every removal was trained {_times(config.seeds)} ({learner['name']}: {settings}), and everything "
        + _times(everything)
        + (", from the same initial weights and in the same order." if is_common else ", with other seeds."),
        f"Scores: {scores.source}. They predict the change "
        + ("itself." if scores.has_scale else "up to a common factor: only order and sign count."),
        "A predicted change is minus the sum of the scores of what is removed: it ignores how examples act together"
        + (", and a datamodel's weights were learned on subsets, not on everything." if scores.has_scale else "."),
    ]
    if scores.kept is not None:
        notes.append(
            f"Of each target only the {scores.kept} highest and lowest scores are known: at most so many of the most "
            "helpful can be removed, removals of others are measured but not predicted, and predicted supports beyond "
            "were not tried."
        )
    if config.together:
        notes.append(
            "What was removed has the highest or lowest mean score over all these targets: one training serves all of "
            "them, so that their changes are not independent, and intervals over targets are too narrow."
        )
    if "random" in config.choices and has_classes:
        notes.append("Random removals are drawn once a class, number and seed, and targets of a class share them.")
    if "neighbours" in config.choices:
        notes.append(f"Neighbours: {features}.")
    if config.epochs is not None:
        notes.append(f"A shorter recipe than the result's own: {config.epochs} epochs, with and without the examples.")
    return notes


def _times(number: int | None) -> str:
    return "once" if number == 1 else f"{number} times"
