"""What evaluates a result, as commands and as runs, or the reason why nothing does."""

import json
from collections.abc import Sequence
from pathlib import Path

from influence import datasets, homes
from influence.errors import InfluenceError
from influence.evaluation import EVALUATIONS, Evaluation
from influence.explorer import describing
from influence.learners.recipe import Recipe
from influence.library import Entry
from influence.methods import METHODS
from influence.methods.datamodels.kind import DatamodelsManifest
from influence.results import ResultManifest
from influence.text import command, typed

_JUDGES = 512  # held-out models that the commands ask for where the result has none of its own


def commands(entry: Entry, kind: str) -> list[str]:
    """The commands, in order, that would make a kind of evidence; none where it is not defined for these data."""
    evaluation = _evaluation(kind)
    return [] if refusal(entry, evaluation) else [command(*each) for each in steps(entry, evaluation)]


def why_none(entry: Entry, kind: str) -> str:
    """Why there is no command for a kind of evidence."""
    return refusal(entry, _evaluation(kind)) or ""


def _evaluation(kind: str) -> type[Evaluation]:
    """The evaluation that makes a kind of evidence."""
    return next(each for each in EVALUATIONS.values() if kind in (each.name, each.evidence.name))


def refusal(entry: Entry, evaluation: type[Evaluation]) -> str | None:
    """Why an evaluation is not defined for a result, in a sentence; None if it is."""
    if entry.method not in METHODS:
        return f"how to train like “{entry.method}” is not known."
    if datasets.facts(entry.dataset).task.what not in evaluation.tasks:
        return f"it is for data sets with classes, and {entry.dataset} has values."
    if evaluation.needs_fit and not METHODS[entry.method].is_fitted:
        return f"{describing.method(entry.manifest)} is not fitted on models' outcomes, of which there could be fewer."
    return None


def steps(entry: Entry, evaluation: type[Evaluation], settings: Sequence[str] = ()) -> list[list[str]]:
    """What to type, in order, for an evaluation with these options; where models judge, they are collected first."""
    run = ["evaluate", evaluation.name, typed(entry.path)]
    if not evaluation.needs_judges:
        return [[*run, *settings]]
    store = _store(entry)
    if store is not None:
        has_ceiling = Path(f"{store}-ceiling").exists() or "--no-ceiling" in settings
        return [[*run, "--store", store, *settings, *([] if has_ceiling else ["--no-ceiling"])]]
    collected = typed(homes.results_home() / ".outcomes" / f"{entry.dataset}-judges-of-{entry.path.name}")
    classes, train_size = entry.manifest.part
    collect = [*_recipe(entry.manifest), *(["--classes", ",".join(classes)] if classes else [])]
    collect += [] if train_size is None else ["--train-size", str(train_size)]
    return [
        [*collect, "--store", collected],
        [*collect, "--repeat", "1", "--store", f"{collected}-ceiling"],
        [*run, "--store", collected, *settings],
    ]


def judges(entry: Entry, evaluation: type[Evaluation]) -> int:
    """Count the models that `steps` collects, where there are none yet: each is trained twice, for the ceiling."""
    if not evaluation.needs_judges or _store(entry) is not None:
        return 0
    return 2 * (entry.manifest.config.held_out if isinstance(entry.manifest, DatamodelsManifest) else _JUDGES)


def _recipe(manifest: ResultManifest) -> list[str]:
    """The command that collects models like those of a result; as many as judged it, where some did."""
    judges, learner, more = _JUDGES, None, []
    if isinstance(manifest, DatamodelsManifest):
        config = manifest.config
        judges, learner, subsets = config.held_out, config.outcomes.learner, config.outcomes.subsets
        more = ["--alpha", str(subsets.alpha), "--seed", str(subsets.seed), "--seeds", subsets.seeds]
    elif isinstance(own := METHODS[manifest.method].parse(manifest.settings), Recipe):
        learner = own.learner
    arguments = ["datamodels", "collect", manifest.dataset, "--models", str(judges), *more]
    if learner is not None:
        arguments += ["--learner", learner.name]
        for name, value in learner.as_dict().items():
            arguments += [] if name == "name" else ["--setting", f"{name}={json.dumps(value)}"]
    return arguments


def _store(listed: Entry) -> str | None:
    """An outcome store on this machine that can judge a result: of a datamodel the one it was fitted on."""
    from influence.datamodels.outcomes import read_config  # learners, which no other part of the page needs

    shipped = homes.precomputed_home() / listed.dataset / "outcomes"
    kept = sorted((homes.results_home() / ".outcomes").glob(f"{listed.dataset}-*"))
    manifest = listed.manifest
    for place in (shipped, *kept):
        if not (place / "zarr.json").exists() or place.name.endswith("-ceiling"):
            continue
        try:
            config = read_config(str(place))
        except InfluenceError:
            continue
        if config.subsets.repeat:
            continue
        if isinstance(manifest, DatamodelsManifest):
            fits = config == manifest.config.outcomes
        else:
            fits = (config.classes, config.train_size) == manifest.part
        if fits:
            return typed(place)
    return None
