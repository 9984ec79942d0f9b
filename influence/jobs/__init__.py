"""What a verb does beyond one method: the one place that joins methods, evaluations and the folders of results."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from influence import evidence, homes, results
from influence.config import Config
from influence.errors import InfluenceError
from influence.evaluation import EVALUATIONS, Findings
from influence.evaluation.base import keep
from influence.methods import METHODS
from influence.progress import Report, silent
from influence.registry import Registry

__all__ = ["evaluate", "evaluate_data", "replay", "what_is_kept"]


def what_is_kept(arguments: Sequence[str]) -> str | None:
    """What a command with these arguments keeps when it is stopped, and goes on from when it is started again."""
    family: Registry[Any] = EVALUATIONS if arguments[:1] == ["evaluate"] else METHODS
    name = next(iter(arguments[1:] if family is EVALUATIONS else arguments), "")
    return (family[name].keeps or None) if name in family else None


def replay(result: Path, out: Path, replace: bool = False, report: Report = silent) -> Path:
    """Make a result again from the config in its manifest.

    Raises
    ------
    InfluenceError
        If the manifest is not one of this program's, or as the method itself does.
    """
    manifest = results.read_manifest(result)
    if manifest.method not in METHODS:
        raise InfluenceError(f"{result} was made by {manifest.method!r}, which this program does not know.")
    method = METHODS[manifest.method]
    return method.run(method.parse(manifest.settings), out, replace, report)


def evaluate(
    name: str,
    result: Path,
    config: Config | None = None,
    out: Path | None = None,
    report: Report = silent,
    store: str | None = None,
    trainings: Path | None = None,
    **more: Any,
) -> Path:
    """Measure how far a result can be trusted, and keep that as evidence.

    Parameters
    ----------
    name : str
        The evaluation's.
    result : Path
    config : Config or None
        The evaluation's settings; None is its defaults.
    out : Path or None
        The folder that gets the evidence; None is the result's.
    report : Report
    store : str or None
        Path or URL of an outcome store, for what needs one. None is where the outcomes of the result's config are kept.
    trainings : Path or None
        Where finished trainings are kept; None is a hidden folder among the results.
    **more
        What this evaluation alone asks for.

    Returns
    -------
    Path
        The evidence.

    Raises
    ------
    InfluenceError
        If there is no such evaluation or result, or as the evaluation itself does. Nothing is written then.
    """
    from influence.evaluation.subject import Subject

    started, evaluation = time.monotonic(), EVALUATIONS[name]
    read = results.read(result)
    of = METHODS[read.manifest.method].subject if read.manifest.method in METHODS else Subject
    found = evaluation.run(of(read, store, trainings), config or evaluation.config(), report, **more)
    written = keep(evaluation.evidence, found, out or result, evidence.about(read), time.monotonic() - started)
    report(1.0, "done")
    return written


def evaluate_data(
    name: str,
    config: Any,
    out: Path | None = None,
    report: Report = silent,
    trainings: Path | None = None,
) -> Path:
    """Measure on a data set alone, which needs no result.

    Parameters
    ----------
    name : str
        The evaluation's, which must have ``run_on_data``.
    config
        Its settings, data set and learner among them.
    out : Path or None
        The folder that gets the evidence; None is the data set's own, hidden among the results.
    report, trainings
        See `evaluate`.
    """
    started, evaluation = time.monotonic(), EVALUATIONS[name]
    found: Findings = evaluation.run_on_data(config, report, trainings)
    folder = out or homes.results_home() / ".evidence" / config.dataset
    written = keep(evaluation.evidence, found, folder, {}, time.monotonic() - started)
    report(1.0, "done")
    return written
