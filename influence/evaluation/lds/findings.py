"""Linear datamodeling scores as evidence, whether `evaluate lds` or a fit's own run measured them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from influence.datamodels.outcomes import OutcomeConfig, Outcomes
from influence.evaluation.base import Findings
from influence.evidence import METHODS
from influence.measures.lds import Lds


def findings(
    config: Mapping[str, Any],
    held_out: Outcomes,
    targets: np.ndarray,
    scores: Mapping[str, Lds],
    notes: list[str],
    ceiling: Lds | None,
    repeatable: Lds | None = None,
) -> Findings:
    """Put scores together as evidence.

    Parameters
    ----------
    config : mapping
        Everything that the scores follow from.
    held_out : Outcomes
        The models that judge.
    targets : (n_targets,) int
        The test examples that ``per_target`` of all scores is about.
    scores : mapping of str to Lds
        By names of `influence.evidence.METHODS`, "result" among them.
    notes : list of str
    ceiling, repeatable : Lds or None
        See `influence.evidence.lds.LdsFigures`.
    """
    per_target = {name: each.per_target for name, each in scores.items()}
    if ceiling is not None:
        per_target["ceiling"] = ceiling.per_target
    unknown = np.full(len(targets), np.nan)
    columns = {name: per_target.get(name, unknown).astype(np.float32) for name in (*METHODS, "ceiling")}
    return Findings(
        config=config,
        figures={
            "methods": {name: each.as_dict() for name, each in scores.items()},
            "ceiling": None if ceiling is None else ceiling.as_dict(),
            "repeatable": None if repeatable is None else repeatable.as_dict(),
            "held_out": len(held_out),
            "diverged": held_out.diverged,
        },
        notes=notes,
        tables={"targets": pa.table({"target": targets, **columns})},
    )


def score_note(held_out: Outcomes, trained: OutcomeConfig) -> str:
    """Say what was correlated, over which models."""
    subsets = trained.subsets
    return (
        f"Spearman correlation, over {len(held_out)} models trained on {subsets.alpha:.0%} of the training examples "
        f"({trained.learner.name}, {subsets.seeds} seeds), of the margin and the sum of the members' scores; mean over "
        "targets. None of these models was fitted."
    )


def ceiling_note(ceiling: Lds, trained: OutcomeConfig) -> str:
    """Say what the noise ceiling is, and of how many models."""
    measured = f"It was measured on {ceiling.n_models} of these models."
    if trained.subsets.seeds == "common":
        return (
            "The ceiling is how well the same subsets, trained from other initial weights, predict these models: so "
            f"much holds for any initial weights. {measured}"
        )
    return (
        "The ceiling is how well a second training on the same subset predicts the first; a perfect predictor of the "
        f"mean scores about its square root. {measured}"
    )
