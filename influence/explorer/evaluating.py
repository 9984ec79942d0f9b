"""The commands that would evaluate a result, or the reason why there is none."""

import json
from pathlib import Path

from influence import homes
from influence.errors import InfluenceError
from influence.explorer import describing
from influence.library import Entry
from influence.methods.datamodels.kind import DatamodelsManifest
from influence.methods.tracin.kind import TracInManifest, TracInOfClasses
from influence.results import ResultManifest
from influence.text import command, typed

_JUDGES = 512  # held-out models that the commands ask for where the result has none of its own


def commands(listed: Entry, kind: str) -> list[str]:
    """The commands, in order, that would make a kind of evidence; none where it is not defined for these data."""
    folder = typed(listed.path)
    if kind == "removal":
        is_known = isinstance(listed.manifest, DatamodelsManifest | TracInManifest)
        return [command("evaluate", "removal", folder)] if is_known else []
    if not listed.has_classes:
        return []
    if kind == "near-copies":
        return [command("evaluate", "near-copies", folder)]
    if kind == "sizes":
        is_fitted = isinstance(listed.manifest, DatamodelsManifest)
        return [command("evaluate", "scaling", folder)] if is_fitted else []
    if kind == "mislabels":
        return [command("evaluate", "mislabels", folder)]
    return _lds_commands(listed, folder)


def why_none(listed: Entry, kind: str) -> str:
    """Why there is no command for a kind of evidence."""
    if kind == "lds":
        return f"models are collected on subsets of data sets with classes alone, and {listed.dataset} has values."
    if kind == "mislabels":
        return f"{listed.dataset} has values and no labels to flip."
    if kind == "sizes":
        return f"{describing.method(listed.manifest)} is not fitted on models' outcomes, of which there could be fewer."
    return f"how to train like “{listed.manifest.method}” is not known."


def _lds_commands(listed: Entry, folder: str) -> list[str]:
    """Judge by a store that is there, or collect one first."""
    manifest = listed.manifest
    store = _store(listed)
    if store is not None:
        again = Path(f"{store}-ceiling").exists()
        return [command("evaluate", "lds", folder, "--store", store, *([] if again else ["--no-ceiling"]))]
    collected = f"outcomes/{listed.dataset}"
    classes, train_size = manifest.part
    arguments = [*_recipe(manifest), *(["--classes", ",".join(classes)] if classes else [])]
    if train_size is not None:
        arguments += ["--train-size", str(train_size)]
    return [
        command(*arguments, "--store", collected),
        command(*arguments, "--repeat", "1", "--store", f"{collected}-ceiling"),
        command("evaluate", "lds", folder, "--store", collected),
    ]


def _recipe(manifest: ResultManifest) -> list[str]:
    """The command that collects models like those of a result; as many as judged it, where some did."""
    judges, learner, more = _JUDGES, None, []
    if isinstance(manifest, DatamodelsManifest):
        config = manifest.config
        judges, learner, subsets = config.held_out, config.outcomes.learner, config.outcomes.subsets
        more = ["--alpha", str(subsets.alpha), "--seed", str(subsets.seed), "--seeds", subsets.seeds]
    elif isinstance(manifest, TracInOfClasses):
        learner = manifest.config.learner
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
