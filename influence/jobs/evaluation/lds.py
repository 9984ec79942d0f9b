"""`evaluate lds`: judge scores by models trained on subsets that the fit never saw."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from influence import evidence, results
from influence.config import Config, setting
from influence.datamodels import outcomes
from influence.datamodels.outcomes import OutcomeConfig, Outcomes
from influence.datamodels.subsets import draw
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.jobs.evaluation.common import neighbours_of, store_evidence
from influence.jobs.scores import check_same_data, outcome_config, scores_of, takes_minutes
from influence.measures.baselines import same_class
from influence.measures.lds import LEAST_MODELS, Lds, noise_ceiling
from influence.measures.lds import lds as score_lds
from influence.methods.datamodels import DatamodelsConfig
from influence.progress import Report, Stages, counting, silent
from influence.results import Result
from influence.retraining.trainer import ClassifierTrainer
from influence.retraining.trainings import Training, Trainings
from influence.text import command, inline_code

_BLOCK = 512  # targets whose scores are held at once


class LdsConfig(Config):
    """How to judge by held-out models."""

    models: tuple[int, int] | None = setting(
        None,
        "First and last + 1 of the store's models that judge. Default: those held out of the fit, or all of a store "
        "that the fit has nothing to do with.",
    )
    ceiling: bool = setting(
        True, "Measure the noise ceiling, which needs a store of the same subsets trained with other seeds."
    )
    feature_models: int = setting(
        4, "Models whose features find neighbours; they are trained for it. 0 compares pixels.", ge=0
    )
    bootstrap: int = setting(1000, "Bootstrap resamples of the models.", ge=10)
    seed: int = setting(0, "Seed of random scores, of what is swapped, and of resampling.", ge=0)
    kept: bool | None = setting(
        None,
        "Take the score that the fit itself measured on the same models, instead of computing all scores again. "
        "Default: if that would take minutes.",
        option="--kept/--all-scores",
    )
    swapped: int = setting(
        0,
        "How repeatable training is where models share their seeds: swap so many members of some of the judges' "
        "subsets for others, and train the models again. 0 leaves this out.",
        ge=0,
    )
    swapped_models: int = setting(24, "Judges whose subsets are swapped.", ge=0)
    targets: int | None = setting(
        None,
        "Judge on so many targets drawn at random, where computing all scores takes long. Default: all.",
        ge=1,
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.swapped and self.swapped_models < LEAST_MODELS:
            raise InfluenceError(f"swapped_models is {self.swapped_models}, but must be at least {LEAST_MODELS}.")
        if self.kept and self.targets is not None:
            raise InfluenceError(
                "The score that the fit measured is over all its targets: leave out --targets or --kept."
            )
        return self


def lds(
    result: Path,
    store: str,
    config: LdsConfig | None = None,
    ceiling_store: str | None = None,
    out: Path | None = None,
    report: Report = silent,
    folder: Path | None = None,
) -> Path:
    """Judge a result's scores by models of an outcome store that its fit never saw.

    Parameters
    ----------
    result : Path
        Of any method that scores the store's training examples.
    store : str
        Path or URL of an outcome store.
    config : LdsConfig or None
    ceiling_store : str or None
        The same subsets trained with other seeds; None is ``store`` with "-ceiling" after it.
    out : Path or None
        The folder that gets the evidence; None is ``result``.
    report : Report
    folder : Path or None
        Where finished trainings are kept; None is a hidden folder among the results.

    Returns
    -------
    Path
        The evidence.

    Raises
    ------
    InfluenceError
        If the store is of other data, the fit saw the models that are to judge, there are too few of them, or the
        ceiling's are not there.
    """
    started, config = time.monotonic(), config or LdsConfig()
    read = results.read(result)
    trained = outcomes.read_config(store)
    dataset = trained.load()
    check_same_data(read, dataset, store)
    judges = judging_models(read, trained, store, config.models)
    held_out = outcomes.read(store, judges)
    if len(held_out) < LEAST_MODELS:
        raise InfluenceError(
            f"{store} has {len(held_out)} finished model(s) that may judge {result} (numbers {judges.start} to "
            f"{judges.stop - 1}), and a correlation over them needs at least {LEAST_MODELS}: collect more."
        )
    repeated = _repeated(trained, store, ceiling_store, held_out) if config.ceiling else None
    _check_swapped(config, trained, held_out)
    costs = {"training with some swapped": 60.0 if config.swapped else 0.0, "computing all scores": 20.0}
    stages = Stages(costs | {"finding neighbours": 2.0, "judging": 10.0}, report)
    places = _places(config, read, dataset)
    swapped = _swapped(config, trained, dataset, held_out, folder, stages)
    measured = None
    if (takes_minutes(read) and config.targets is None) if config.kept is None else config.kept:
        measured = _measured_by_fit(read, trained, dataset.test.index[places], judges, held_out)
        if measured is None and config.kept:
            raise InfluenceError(
                f"{store} and these models are not those that the fit of {result} was judged by, so that it has no "
                "score on them: let all scores be computed again with --all-scores."
            )
    source = "as the fit measured it on the same models"
    if measured is None:
        scores = scores_of(read, dataset, store, stages["computing all scores"])
        source = scores.source
    stages["finding neighbours"](0.0)
    neighbours, features = neighbours_of(dataset, trained, config.feature_models)
    progress = stages["judging"]
    observed = held_out.margins[:, places]

    def judged(rows: Callable[[np.ndarray], np.ndarray], bootstrap: int) -> Lds:
        blocks = (places[start : start + _BLOCK] for start in range(0, len(places), _BLOCK))
        members = held_out.masks.astype(np.float32)
        predicted = np.concatenate([members @ rows(block).T for block in blocks], axis=1)
        return score_lds(predicted, observed, bootstrap, seed=config.seed)

    fewer = min(config.bootstrap, 200)
    labels = dataset.test.labels, dataset.train.labels
    methods = {"result": measured or judged(scores.rows, config.bootstrap)}
    progress(0.5)
    methods["same-class"] = judged(lambda block: same_class(labels[0][block], labels[1]), fewer)
    methods["neighbours"] = judged(neighbours.rows, fewer)
    noise = np.random.default_rng(config.seed)
    methods["random"] = judged(lambda block: noise.standard_normal((len(block), len(dataset.train)), np.float32), fewer)
    progress(0.8)
    ceiling = None
    if repeated is not None:
        _, here, there = np.intersect1d(held_out.models, repeated.models, return_indices=True)
        ceiling = noise_ceiling(observed[here], repeated.margins[there][:, places], fewer, config.seed)
    repeatable = None
    if swapped is not None:
        repeatable = noise_ceiling(observed[: len(swapped)], swapped[:, places], fewer, config.seed)
    per_target = {name: methods[name].per_target for name in evidence.METHODS}
    per_target["ceiling"] = np.full(len(places), np.nan) if ceiling is None else ceiling.per_target
    report(1.0, "done")
    columns = {name: values.astype(np.float32) for name, values in per_target.items()}
    found = {
        "about": evidence.about(read),
        "config": config.as_dict() | {"models": [judges.start, judges.stop], "outcomes": trained.as_dict()},
        "figures": {
            "methods": {name: _numbers(each) for name, each in methods.items()},
            "ceiling": None if ceiling is None else _numbers(ceiling),
            "repeatable": None if repeatable is None else _numbers(repeatable),
            "held_out": len(held_out),
            "diverged": held_out.diverged,
        },
        "notes": _lds_notes(config, read, source, trained, held_out, features, ceiling),
    }
    tables = {"targets": pa.table({"target": dataset.test.index[places], **columns})}
    return store_evidence(out or result, "lds", found, started, tables, report)


def _places(config: LdsConfig, result: Result, dataset: Dataset) -> np.ndarray:
    """Of the targets that judge, in the data set's test part."""
    places = np.flatnonzero(np.isin(dataset.test.index, result.targets.index))
    if config.targets is None:
        return places
    if config.targets > len(places):
        raise InfluenceError(f"--targets is {config.targets}, but {result.path} has {len(places)}.")
    return np.sort(np.random.default_rng([config.seed, 4]).choice(places, config.targets, replace=False))


def judging_models(result: Result, trained: OutcomeConfig, store: str, wanted: tuple[int, int] | None = None) -> range:
    """The models of a store that may judge a result: none whose subset its fit saw.

    Model i's subset follows from the seed and i, so that another learner, other seeds of training and even another
    alpha give the fit's models no fresh subsets.

    Raises
    ------
    InfluenceError
        If models are wanted that the fit saw or that the store lacks, or if all of them were seen.
    """
    size = outcomes.size(store)
    if wanted is not None and not 0 <= wanted[0] < wanted[1] <= size:
        raise InfluenceError(
            f"--models {wanted[0]}:{wanted[1]} must lie within the {size} models of {store} and hold at least one."
        )
    if outcome_config(result) is None:
        return range(*wanted) if wanted else range(size)
    config = DatamodelsConfig.parse(result.manifest["config"])
    if config.outcomes.subsets.seed != trained.subsets.seed:
        return range(*wanted) if wanted else range(size)
    seen = range(config.held_out, config.held_out + config.models)
    if wanted is None:
        return range(min(size, config.held_out))
    if wanted[0] < seen.stop and seen.start < wanted[1]:
        raise InfluenceError(
            f"The fit of {result.path} saw the subsets of the models {seen.start} to {seen.stop - 1}, and --models "
            f"{wanted[0]}:{wanted[1]} of {store} has some of them: judge it by models that it never saw, such as "
            f"--models 0:{config.held_out}."
        )
    return range(*wanted)


def _repeated(trained: OutcomeConfig, store: str, ceiling_store: str | None, held_out: Outcomes) -> Outcomes:
    """The judges' subsets, trained again with other seeds."""
    place = ceiling_store or f"{store.rstrip('/')}-ceiling"
    first, last = int(held_out.models[0]), int(held_out.models[-1])
    repeat = ("--repeat", str(trained.subsets.repeat + 1), "--models", str(last + 1), "--store", place)
    how = inline_code(command("datamodels", "collect", trained.dataset, *repeat))
    remedy = f"collect them with {how} and this store's settings, or leave the ceiling out with --no-ceiling."
    try:
        config = outcomes.read_config(place)
    except InfluenceError as error:
        raise InfluenceError(
            f"The noise ceiling needs the subsets of the models {first} to {last} trained with other seeds, and there "
            f"is no store of them at {place}: {remedy}"
        ) from error
    again = trained.replace(subsets=trained.subsets.replace(repeat=config.subsets.repeat))
    if config != again or config.subsets.repeat == trained.subsets.repeat:
        raise InfluenceError(
            f"{place} does not hold the same subsets as {store} trained with other seeds, which a noise ceiling needs: "
            f"{remedy}"
        )
    numbers = held_out.models[held_out.models < outcomes.size(place)]
    repeated = outcomes.read(place, numbers)
    if len(repeated) < LEAST_MODELS:
        raise InfluenceError(
            f"{place} has {len(repeated)} of the models {first} to {last}, and a noise ceiling needs at least "
            f"{LEAST_MODELS}: {remedy}"
        )
    return repeated


def _measured_by_fit(
    result: Result, trained: OutcomeConfig, targets: np.ndarray, judges: range, held_out: Outcomes
) -> Lds | None:
    """The score in a datamodel's own manifest and tables; None unless it is that on these very models."""
    if outcome_config(result) != trained:
        return None
    config, quality = DatamodelsConfig.parse(result.manifest["config"]), result.manifest["quality"]
    if judges != range(config.held_out) or len(held_out) != quality["held_out"]:
        return None
    score = quality["lds"]
    per_target = result.targets["lds"].loc[targets].to_numpy(np.float64)
    return Lds(per_target, score["mean"], (score["low"], score["high"]), score["level"], len(held_out))


def _check_swapped(config: LdsConfig, trained: OutcomeConfig, held_out: Outcomes) -> None:
    if not config.swapped:
        return
    if trained.subsets.seeds != "common":
        raise InfluenceError(
            "--swapped tells how repeatable training is where models share their seeds, and these have seeds of their "
            "own: their noise ceiling tells it."
        )
    fewest = int(min(held_out.masks.sum(axis=1).min(), (~held_out.masks).sum(axis=1).min()))
    if config.swapped >= fewest:
        raise InfluenceError(f"--swapped is {config.swapped}, but must be below the {fewest} that can be swapped.")


def _swapped(
    config: LdsConfig,
    trained: OutcomeConfig,
    dataset: Dataset,
    held_out: Outcomes,
    folder: Path | None,
    stages: Stages,
) -> np.ndarray | None:
    """(m, n_test) margins of the first judges, trained again with a few members swapped for others."""
    if not config.swapped:
        return None
    models = held_out.models[: config.swapped_models]
    seeds = draw(trained.subsets, models, len(dataset.train)).seeds
    wanted = []
    for model, mask, seed in zip(models, held_out.masks, seeds, strict=False):
        stream, changed = np.random.default_rng([config.seed, 3, int(model)]), mask.copy()
        for part in (np.flatnonzero(mask), np.flatnonzero(~mask)):
            changed[stream.choice(part, config.swapped, replace=False)] ^= True
        wanted.append(Training(np.flatnonzero(~changed).astype(np.int32), int(seed)))
    trainings = Trainings(ClassifierTrainer(dataset, trained.learner, common=True), folder)
    stage = "training with some swapped"
    trainings.complete(wanted, counting(stages, stage, stage))
    return np.stack([each.outputs for each in trainings.read(wanted)])


def _numbers(score: Lds) -> dict[str, float]:
    low, high = score.interval
    return {"mean": score.mean, "low": low, "high": high, "level": score.level}


def _lds_notes(
    config: LdsConfig,
    result: Result,
    source: str,
    trained: OutcomeConfig,
    held_out: Outcomes,
    features: str,
    ceiling: Lds | None,
) -> list[str]:
    subsets = trained.subsets
    notes = [
        f"Spearman correlation, over {len(held_out)} models trained on {subsets.alpha:.0%} of the training examples "
        f"({trained.learner.name}, {subsets.seeds} seeds), of the margin and the sum of the members' scores; mean over "
        "targets. None of these models was fitted.",
        f"Scores: {source}.",
        f"Neighbours: {features}.",
    ]
    if config.targets is not None:
        notes.append(f"On {config.targets:,} of its {len(result.targets):,} targets, drawn at random.")
    if result.manifest["method"] == "tracin":
        notes.append(
            "A TracIn score predicts minus the loss, the store keeps margins, and the loss is log(1 + exp(-margin)): "
            "both rank models alike."
        )
    if ceiling is not None:
        notes.append(
            "The ceiling is how well a second training on the same subset predicts the first; a perfect predictor of "
            f"the mean scores about its square root. It was measured on {ceiling.n_models} of these models."
        )
    if config.swapped:
        size, number = int(held_out.masks[0].sum()), min(config.swapped_models, len(held_out))
        notes.append(
            f"How repeatable training is was measured on {number} of these models, trained again from the same initial "
            f"weights with {config.swapped} of the {size:,} members swapped for others: the score of one training as a "
            "prediction of the other."
        )
    return notes
