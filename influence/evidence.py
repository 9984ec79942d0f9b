"""Evidence: how far a result can be trusted, measured, and kept in the result's own folder.

`python -m influence evaluate ...` writes it, and pages read it through `read`. A result folder gets ::

    evidence/
      lds/        manifest.json  targets.parquet
      removal/    manifest.json  effects.parquet  curves.parquet  targets.parquet
      mislabels/  manifest.json  curves.parquet   examples.parquet
      sizes/      manifest.json  scores.parquet

Each kind is a folder of its own, which is written aside and renamed like a result, with the SHA-256 of its tables and
of itself in its manifest; the result's own files, manifest and hashes stay as they are. A manifest holds

    kind        "lds", "removal", "mislabels" or "sizes"
    about       what tells the scores that were judged from others, see `about`: evidence about others is not shown
    config      everything that the figures follow from, seeds included
    figures     the numbers to show; estimates are {"mean", "low", "high", "level"}
    notes       sentences for people: what was compared, what the figures do not say
    created, seconds, versions

Tables, one row each, in units of the target's output (the margin; the price for houses):

lds/targets
    A target. ``result``, ``random``, ``same-class``, ``neighbours``, ``ceiling``: Spearman correlation over held-out
    models; NaN where not measured.
removal/effects
    A removal that was retrained: ``target``, ``choice`` (see `CHOICES`), ``count`` training examples removed,
    ``predicted`` and ``measured`` change of the output (mean over ``trained`` trainings with seeds of their own; for
    random choices each removes others), its standard error ``error``, and ``flipped``, the share of these trainings
    that name another class than the unchanged ones mostly do. NaN: a prediction of which scores are not known, an error
    of a single training, a flip where there are no classes.
removal/curves
    A (choice, count), over targets: mean ``predicted`` and ``measured`` change and ``flipped`` share, the latter two
    with ``_low`` and ``_high``, an interval over targets. Choice "none", count 0: the trainings that removed nothing.
removal/targets
    A target: ``label``, ``output`` without removal, its standard deviation over seeds ``output_sd`` (NaN of a single
    one), ``prediction`` (the class mostly named; -1 where there are none), ``support`` (the removals after which the
    scores predict a negative margin; -1 never, -2 not predicted), ``support_found`` (where the measured margin crosses
    zero, between the counts that were tried; NaN if it does not), and, without the predicted support,
    ``flipped_at_support`` (share of the trainings that name another class) and ``output_at_support`` (their mean
    margin); NaN if not tried.
mislabels/curves
    A point: ``flips`` (see `FLIPS`), ``ranking`` (see `RANKINGS`), share ``inspected``, share of the flips ``found``.
mislabels/examples
    A (``flips``, training example ``train``): ``label`` as trained on, ``true`` as the data set has it, and its score
    by every ranking, the higher the more suspect. Rows with flips "none" are the data set as it is.
sizes/scores
    An (``estimator``, number of fitted ``models``): the mean LDS over ``targets`` targets and its interval over
    held-out models, ``low`` to ``high``. Estimators are those of datamodels, and those in `REFERENCES`, which fit no
    outcomes: their ``models`` is 0, but for ``guess``, the prior mean, which needs some models' gradients.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from influence import results
from influence.errors import InfluenceError
from influence.results import Result
from influence.text import command, inline_code

KINDS = ("lds", "removal", "mislabels", "sizes")
METHODS = ("result", "random", "same-class", "neighbours")
CHOICES = {
    "helpful": "the highest scores",
    "harmful": "the lowest scores",
    "neighbours": "the nearest in feature space, of the same class where there are classes",
    "random": "drawn at random, from the same class where there are classes",
}
FLIPS = {
    "none": "labels as the data set has them",
    "uniform": "another class, drawn at random",
    "adversarial": "the wrong class that a model trained on the true labels scores highest",
}
RANKINGS = {
    "self-influence": "TracIn's influence of an example on itself",
    "own-weight": "datamodel weight of an example on its own margin, by difference in means",
    "loss": "loss of models that were trained on it",
    "held-out-loss": "loss of models that were not trained on it",
}
REFERENCES = {
    "random": "weights drawn at random",
    "same-class": "1 for the target's class, 0 for others",
    "neighbours": "the cosine of features, negative between classes",
    "guess": "the prior's mean alone, from gradients",
}

_TOLERANCE = 1e-3  # between the same scores, made again
_FLOAT, _INT, _NAME = "float32", "int32", "category"
_MANIFEST: dict[str, type] = {
    "kind": str,
    "about": dict,
    "config": dict,
    "figures": dict,
    "notes": list,
    "created": str,
}
_TABLES: dict[str, dict[str, dict[str, str]]] = {
    "lds": {"targets": {"target": _INT, **dict.fromkeys((*METHODS, "ceiling"), _FLOAT)}},
    "removal": {
        "effects": {
            "target": _INT,
            "choice": _NAME,
            "count": _INT,
            **dict.fromkeys(("predicted", "measured", "error", "flipped"), _FLOAT),
            "trained": _INT,
        },
        "curves": {
            "choice": _NAME,
            "count": _INT,
            **dict.fromkeys(
                ("predicted", "measured", "measured_low", "measured_high", "flipped", "flipped_low", "flipped_high"),
                _FLOAT,
            ),
        },
        "targets": {
            "target": _INT,
            **dict.fromkeys(("label", "output", "output_sd"), _FLOAT),
            **dict.fromkeys(("prediction", "support"), _INT),
            **dict.fromkeys(("support_found", "flipped_at_support", "output_at_support"), _FLOAT),
        },
    },
    "mislabels": {
        "curves": {"flips": _NAME, "ranking": _NAME, "inspected": _FLOAT, "found": _FLOAT},
        "examples": {
            "flips": _NAME,
            "train": _INT,
            **dict.fromkeys(("label", "true"), _INT),
            **dict.fromkeys(RANKINGS, _FLOAT),
        },
    },
    "sizes": {
        "scores": {
            "estimator": _NAME,
            **dict.fromkeys(("models", "targets"), _INT),
            **dict.fromkeys(("mean", "low", "high"), _FLOAT),
        }
    },
}


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval."""

    mean: float
    low: float
    high: float
    level: float

    @classmethod
    def of(cls, values: dict[str, float]) -> "Estimate":
        return cls(*(float(values[name]) for name in ("mean", "low", "high", "level")))

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Evidence:
    """One kind of evidence about a result, read and checked.

    Parameters
    ----------
    manifest : dict
    tables : dict of str to pd.DataFrame
        As the module's docstring lists them.
    """

    manifest: dict[str, Any]
    tables: dict[str, pd.DataFrame]

    @property
    def notes(self) -> list[str]:
        return list(self.manifest["notes"])

    @property
    def figures(self) -> dict[str, Any]:
        return dict(self.manifest["figures"])

    @property
    def config(self) -> dict[str, Any]:
        return dict(self.manifest["config"])


class LdsEvidence(Evidence):
    """Linear datamodeling scores on held-out models; one row of ``tables["targets"]`` a target."""

    @property
    def methods(self) -> dict[str, Estimate]:
        """By the names in `METHODS`; the interval is over held-out models."""
        return {name: Estimate.of(self.figures["methods"][name]) for name in METHODS}

    @property
    def ceiling(self) -> Estimate | None:
        """How well a second training on the same subsets predicts the first; None if it was not measured."""
        values = self.figures["ceiling"]
        return None if values is None else Estimate.of(values)

    @property
    def repeatable(self) -> Estimate | None:
        """How well models that share all seeds predict each other where a few of their members differ; None if it was
        not measured."""
        values = self.figures.get("repeatable")
        return None if values is None else Estimate.of(values)

    @property
    def explained(self) -> float | None:
        """The score as a share of the square root of the ceiling: what a perfect predictor of means would get."""
        ceiling = self.ceiling
        if ceiling is None or ceiling.mean <= 0:
            return None
        return self.methods["result"].mean / float(ceiling.mean**0.5)

    @property
    def held_out(self) -> int:
        return int(self.figures["held_out"])


class RemovalEvidence(Evidence):
    """Retraining without the training examples that a result names."""

    @property
    def agreement(self) -> dict[str, dict[str, Estimate]]:
        """Of predicted and measured changes, by choice ("all" is all of them): ``spearman``, ``pearson``, ``slope``.

        The interval is over targets. Choices whose changes were not predicted, or do not vary, are left out.
        """
        return {
            choice: {name: Estimate.of(values[name]) for name in ("spearman", "pearson", "slope")}
            for choice, values in self.figures["agreement"].items()
        }

    @property
    def has_scale(self) -> bool:
        """Whether predictions are in the output's own unit, so that the slope should be 1."""
        return bool(self.figures["has_scale"])

    @property
    def support(self) -> dict[str, Any] | None:
        """How predicted data supports did; None where none are predicted.

        ``tried``: targets whose predicted support was removed; ``flipped``, ``negative``: the share of them whose
        trainings then mostly name another class, and whose mean margin is negative; ``found``: how many of them have a
        ``support_found``; ``spearman``: its rank correlation with the predicted support. None where not defined.
        """
        values: dict[str, Any] | None = self.figures["support"]
        return values


class MislabelsEvidence(Evidence):
    """How many flipped labels a ranking finds."""

    @property
    def found(self) -> dict[str, dict[str, dict[str, Estimate]]]:
        """By kind of flips and ranking: ``area`` under the curve and share found in the first 20 %, ``at_20``."""
        return {
            flips: {
                ranking: {name: Estimate.of(values[name]) for name in ("area", "at_20")}
                for ranking, values in rankings.items()
            }
            for flips, rankings in self.figures["found"].items()
        }


class SizesEvidence(Evidence):
    """How the score grows with the number of models, by estimator."""

    @property
    def scores(self) -> pd.DataFrame:
        """A row an (estimator, models); see the module's docstring."""
        return self.tables["scores"]


@dataclass(frozen=True)
class Evaluated:
    """What is known of a result: each kind of evidence or None, and what is wrong with others, in sentences."""

    lds: LdsEvidence | None = None
    removal: RemovalEvidence | None = None
    mislabels: MislabelsEvidence | None = None
    sizes: SizesEvidence | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        """Of `KINDS`, what is known."""
        return [kind for kind in KINDS if getattr(self, kind) is not None]

    @property
    def manifests(self) -> dict[str, dict[str, Any]]:
        """Of `kinds`, their manifests."""
        return {kind: getattr(self, kind).manifest for kind in self.kinds}


def read(result: Result) -> Evaluated:
    """The evidence in a result's folder. What is damaged, or about other scores, is left out and named.

    Nothing is raised for want of evidence: a page says "not evaluated".
    """
    problems: list[str] = []

    def one(kind: str) -> tuple[dict[str, Any], dict[str, pd.DataFrame]] | None:
        if not place(result.path, kind).exists():
            return None
        try:
            manifest, tables = read_one(result.path, kind)
        except InfluenceError as error:
            problems.append(str(error))
            return None
        if not is_about(manifest["about"], result):
            problems.append(
                f"The {kind} evidence in {result.path} is about other scores than the result holds now: run "
                f"{_again(result.path, kind)} again."
            )
            return None
        return manifest, tables

    lds, removal, mislabels, sizes = map(one, KINDS)
    return Evaluated(
        LdsEvidence(*lds) if lds else None,
        RemovalEvidence(*removal) if removal else None,
        MislabelsEvidence(*mislabels) if mislabels else None,
        SizesEvidence(*sizes) if sizes else None,
        problems=problems,
    )


def read_one(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Manifest and tables of one kind of evidence.

    Raises
    ------
    InfluenceError
        If there is none, or it is damaged.
    """
    try:
        return results.read_parts(place(folder, kind), _TABLES[kind], _MANIFEST)
    except InfluenceError as error:
        raise error.reworded("compute this result again", f"run {_again(folder, kind)} again") from error


def _again(folder: Path, kind: str) -> str:
    """The command that measures it again; of evidence about a data set, which no result holds, without its argument."""
    result = [str(folder)] if (folder / "manifest.json").exists() else []
    return inline_code(command("evaluate", kind, *result, *(["--store", "STORE"] if kind == "lds" else [])))


def write(folder: Path, kind: str, manifest: dict[str, Any], tables: dict[str, pa.Table]) -> Path:
    """Write one kind of evidence into a result's folder, in place of what was there; never half of it.

    Parameters
    ----------
    folder : Path
        The result's, which must exist.
    kind : str
        One of `KINDS`.
    manifest : dict
        ``about``, ``config``, ``figures``, ``notes`` and the circumstances.
    tables : dict of str to pa.Table
    """
    target = place(folder, kind)
    with results.writing(target, replace=True) as partial:
        results.write_tables(partial, {"kind": kind, **manifest}, tables)
    return target


def names(values: Sequence[str]) -> pa.Array:
    """A column of a few different words."""
    return pa.array(values, pa.string()).dictionary_encode()


def place(folder: Path, kind: str) -> Path:
    """Where a result's evidence of a kind is."""
    return folder / "evidence" / kind


def about(result: Result) -> dict[str, Any]:
    """What tells a result's scores from others: the data set's hash, the method, and the size of the kept scores.

    A hash of the scores would be too strict: the same result made again differs by rounding.
    """
    scores = result.influences["score"].to_numpy(np.float64)
    return {
        "dataset_hash": result.manifest["dataset_hash"],
        "method": result.manifest["method"],
        "kept": len(scores),
        "positive": float(scores[scores > 0].sum()),
        "negative": float(scores[scores < 0].sum()),
        "squares": float(np.square(scores).sum()),
    }


def is_about(values: dict[str, Any], result: Result) -> bool:
    """Whether these are a result's, but for rounding."""
    ours = about(result)
    return values.keys() == ours.keys() and all(
        math.isclose(values[name], ours[name], rel_tol=_TOLERANCE)
        if isinstance(ours[name], float) and isinstance(values[name], float)
        else values[name] == ours[name]
        for name in ours
    )
