"""`evaluate removal`: train without the examples that a result names."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from influence import evidence, results
from influence.config import Config, setting
from influence.datamodels.outcomes import OutcomeConfig
from influence.datamodels.subsets import draw
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.jobs.evaluation.common import MANY, neighbours_of, store_evidence
from influence.jobs.scores import Scores, load_dataset, price_scores, scores_of, takes_minutes, trained_with
from influence.measures.bootstrap import of_means
from influence.measures.removal import (
    LEAST_SEEDS,
    Effect,
    agreement,
    counts,
    crossing,
    measured,
    predicted_change,
    predicted_support,
)
from influence.methods.tracin import TracInConfig
from influence.progress import Report, Stages, counting, silent
from influence.results import Result
from influence.retraining.seeds import derived
from influence.retraining.trainer import ClassifierTrainer, RegressionTrainer, Trainer
from influence.retraining.trainings import Training, Trainings

_BLOCK = 64  # targets whose scores are held at once


class RemovalConfig(Config):
    """What to remove, and how often to train without it.

    With more than `influence.jobs.evaluation.common.MANY` training examples a training takes seconds, and the defaults
    are less: 30 targets, helpful and random, three steps up to 50, and one training of each (two where seeds differ).
    """

    targets: int | None = setting(
        None,
        "Targets drawn at random. Default: 100; of houses, the eleven Palo Alto houses (others are drawn to them).",
        ge=1,
    )
    counts: tuple[int, ...] = setting(
        (), "Training examples to remove. Default: six steps from 1 to a quarter of a class; 100 of houses."
    )
    choices: tuple[str, ...] = setting(
        (), "Which to remove. Default: helpful, neighbours and random; of houses, harmful too."
    )
    seeds: int | None = setting(
        None, "Trainings of every removal; five times as many are made of everything. Default: 10.", ge=1
    )
    seed: int = setting(0, "Seed of everything that is drawn.", ge=0)
    epochs: int | None = setting(None, "Epochs of every training, instead of the result's own.", ge=1)
    feature_models: int = setting(
        4, "Models whose features find neighbours; they are trained for it. 0 compares pixels.", ge=0
    )
    kept: bool | None = setting(
        None,
        "Use the scores that the result keeps, instead of computing all of them again: no more can be removed then, "
        "and other removals are not predicted. Default: if computing would take minutes.",
        option="--kept/--all-scores",
    )
    together: bool = setting(
        False,
        "Remove what has the highest (or lowest) mean score over all targets, instead of what has it for each: one "
        "training then serves all targets.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for choice in self.choices:
            if choice not in evidence.CHOICES:
                raise InfluenceError(f"choice is {choice!r}, but must be one of {', '.join(evidence.CHOICES)}.")
        return self


@dataclass(frozen=True)
class _Removal:
    """One removal, as it was or will be trained: a training a seed."""

    target: int  # its place in the test part
    choice: str
    count: int
    trainings: list[Training]
    predicted: float


def removal(
    result: Path,
    config: RemovalConfig | None = None,
    store: str | None = None,
    out: Path | None = None,
    report: Report = silent,
    folder: Path | None = None,
) -> Path:
    """Train without the examples that a result names, and compare what happens with what its scores say.

    Parameters
    ----------
    result : Path
    config : RemovalConfig or None
    store : str or None
        Outcome store of a datamodels result, to compute all its scores from; None is the default one of its config.
    out : Path or None
        The folder that gets the evidence; None is ``result``.
    report : Report
    folder : Path or None
        Where finished trainings are kept; None is a hidden folder among the results.
    """
    started, config = time.monotonic(), config or RemovalConfig()
    read = results.read(result)
    dataset = load_dataset(read)
    trainer, trained = _trainer(read, dataset, config.epochs)
    is_common = trained is not None and trained.subsets.seeds == "common"
    if dataset.classes:
        _check_counts(config.counts, dataset)
    config = config.replace(kept=takes_minutes(read) if config.kept is None else config.kept)
    stages = Stages({"computing all scores": 1, "training": 20}, report)
    scores = scores_of(read, dataset, store, stages["computing all scores"], bool(config.kept))
    config = _completed(config, dataset, is_common, scores.kept)
    neighbours, features = _neighbours(config, dataset, trained)
    predicted = scores.rows if dataset.classes else price_scores(read, dataset)
    places = _chosen_targets(config, dataset, read)
    seeds = trial_seeds(config, trained)
    everything = [Training(np.empty(0, np.int32), seed) for seed in seeds]
    removals = _plan(config, dataset, places, seeds, scores, predicted, neighbours)
    supports = [] if config.together else _plan_supports(places, seeds[: config.seeds], scores)
    trainings = Trainings(trainer, folder)
    trainings.complete(
        [*everything, *(each for one in (*removals, *supports) for each in one.trainings)],
        counting(stages, "training", "training without some examples"),
    )
    said = _Measured(config, dataset, trainings, everything, is_common)
    effects = said.effects(removals)
    targets = said.targets(places, removals, supports)
    learner = trainer.identity["learner"]
    report(1.0, "done")
    found = {
        "about": evidence.about(read),
        "config": config.as_dict() | {"learner": learner},
        "figures": {
            "agreement": _agreement(effects),
            "has_scale": scores.has_scale,
            "support": _support_figures(targets) if supports else None,
            "trainings": len({each.key for one in (*removals, *supports) for each in one.trainings}),
        },
        "notes": _removal_notes(config, scores, features, learner, len(everything), is_common, bool(dataset.classes)),
    }
    tables = {"effects": effects, "curves": said.curves(effects, places), "targets": targets}
    return store_evidence(out or result, "removal", found, started, tables, report)


def _completed(config: RemovalConfig, dataset: Dataset, is_common: bool, kept: int | None) -> RemovalConfig:
    """With what was left open; ``kept`` is how many scores are known either way, None for all."""
    if not dataset.classes:
        return config.replace(
            targets=config.targets or len(_first_targets(dataset)) or min(100, len(dataset.test)),
            counts=config.counts or (100,),
            choices=config.choices or ("helpful", "harmful", "neighbours", "random"),
            seeds=config.seeds or 10,
        )
    _, sizes = np.unique(dataset.train.labels, return_counts=True)
    most = min(int(sizes.min()) // 4, kept or len(dataset.train))
    usual: dict[str, Any] = {
        "targets": 100,
        "choices": ("helpful", "neighbours", "random"),
        "seeds": 10,
    }
    if len(dataset.train) > MANY:
        most = min(most, 50)
        usual = {"targets": 30, "choices": ("helpful", "random"), "seeds": 1 if is_common else LEAST_SEEDS}
        usual["counts"] = tuple(sorted({max(1, most // 5), max(1, 2 * most // 5), most}))
    else:
        usual["counts"] = counts(most)
    done = config.replace(
        targets=min(config.targets or usual["targets"], len(dataset.test)),
        counts=tuple(sorted(config.counts)) or usual["counts"],
        choices=config.choices or usual["choices"],
        seeds=config.seeds or usual["seeds"],
    )
    if kept is not None and done.counts[-1] > kept and {"helpful", "harmful"} & {*done.choices}:
        raise InfluenceError(
            f"--counts has {done.counts[-1]}, and of each target only the {kept} highest and lowest scores are known: "
            f"remove at most {kept}" + (", or let all be computed again with --all-scores." if config.kept else ".")
        )
    return done


def _check_counts(wanted: tuple[int, ...], dataset: Dataset) -> None:
    _, sizes = np.unique(dataset.train.labels, return_counts=True)
    if wanted and not 1 <= min(wanted) <= max(wanted) < sizes.min():
        raise InfluenceError(
            f"--counts must lie between 1 and the {sizes.min() - 1} training examples that leave something of each "
            f"class, and they are {', '.join(map(str, sorted(wanted)))}."
        )


def _neighbours(
    config: RemovalConfig, dataset: Dataset, trained: OutcomeConfig | None
) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    """Similarities by rows of targets, and what they are; all 0 where they are not asked for, since they cost."""
    if "neighbours" not in config.choices:
        return lambda places: np.zeros((len(places), len(dataset.train)), np.float32), ""
    neighbours, features = neighbours_of(dataset, trained, config.feature_models)
    return neighbours.rows, features


def _trainer(result: Result, dataset: Dataset, epochs: int | None) -> tuple[Trainer, OutcomeConfig | None]:
    """What trains as the result's own models were trained; and with what, where a learner of images did."""
    trained = trained_with(result)
    if trained is not None:
        learner = trained.learner if epochs is None else trained.learner.replace(epochs=epochs)
        trained = trained.replace(learner=learner)
        common = trained.subsets.seeds == "common"
        return ClassifierTrainer(trained.load(), learner, common), trained
    if result.manifest["method"] == "tracin" and not dataset.classes:
        config = TracInConfig.parse(result.manifest["config"]).learner
        return RegressionTrainer(dataset, config.replace(epochs=epochs or config.epochs, checkpoint_every=1)), None
    raise InfluenceError(
        f"{result.path} was made by {result.manifest['method']!r} on {dataset.name}, and its config does not say how "
        "to train models like its own: removal can be evaluated for datamodels and for TracIn."
    )


def _chosen_targets(config: RemovalConfig, dataset: Dataset, result: Result) -> np.ndarray:
    """Their places, rising."""
    assert config.targets is not None
    order = np.random.default_rng([config.seed, 0]).permutation(len(dataset.test))
    first = _first_targets(dataset)
    order = np.concatenate([first, np.setdiff1d(order, first, assume_unique=True)])
    order = order[np.isin(dataset.test.index[order], result.targets.index)]
    return np.sort(order[: config.targets])


def _first_targets(dataset: Dataset) -> np.ndarray:
    """Positions of the test examples in the data set's first group; none where it declares no groups."""
    groups = dataset.facts.groups
    return np.flatnonzero(groups[0].members(dataset.test)) if groups else np.empty(0, np.int64)


def trial_seeds(config: RemovalConfig, trained: OutcomeConfig | None = None) -> list[int]:
    """Of the trainings on everything; the first so many are those of every removal."""
    assert config.seeds is not None
    if trained is not None and trained.subsets.seeds == "common":
        own = int(draw(trained.subsets, np.array([0]), len(trained.load().train)).seeds[0])
        return [own, *derived(config.seed, 1, config.seeds - 1)]
    return derived(config.seed, 1, (1 if config.together else 5) * config.seeds)


def _plan(
    config: RemovalConfig,
    dataset: Dataset,
    places: np.ndarray,
    seeds: list[int],
    scores: Scores,
    predicted: Callable[[np.ndarray], np.ndarray],
    neighbours: Callable[[np.ndarray], np.ndarray],
) -> list[_Removal]:
    """Every removal of every target."""
    labels = dataset.train.labels if dataset.classes else np.zeros(len(dataset.train), int)
    drawn: dict[tuple[int, int], list[Training]] = {}
    ranked = _mean_row(places, scores.rows) if config.together else scores.rows
    similar = _mean_row(places, neighbours) if config.together else neighbours
    plan = []
    for place, own, ranks, effects, near in _by_target(places, scores.rows, ranked, predicted, similar):
        label = int(dataset.test.labels[place]) if dataset.classes else 0
        order = np.argsort(-ranks, kind="stable")
        effects = np.where(scores.known(own), effects, np.nan)
        orders = {"helpful": order, "harmful": order[::-1], "neighbours": np.argsort(-near, kind="stable")}
        for choice in config.choices:
            for count in config.counts:
                if choice == "random":
                    if (label, count) not in drawn:
                        members = np.flatnonzero(labels == label)
                        drawn[label, count] = _random_trainings(config, members, label, count, seeds)
                    trainings = drawn[label, count]
                else:
                    removed = np.sort(orders[choice][:count]).astype(np.int32)
                    trainings = [Training(removed, seed) for seed in seeds[: config.seeds]]
                change = np.mean([predicted_change(effects, each.removed) for each in trainings])
                plan.append(_Removal(int(place), choice, count, trainings, float(change)))
    return plan


def _by_target(places: np.ndarray, *rows: Callable[[np.ndarray], np.ndarray]) -> Iterator[Any]:
    """Each target's place and its (n_train,) rows, computed for a block of targets at a time."""
    for start in range(0, len(places), _BLOCK):
        block = places[start : start + _BLOCK]
        yield from zip(block, *(each(block) for each in rows), strict=True)


def _mean_row(places: np.ndarray, rows: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """The same row for every target: the mean over all of them."""
    total = sum(row.astype(np.float64) for _, row in _by_target(places, rows))
    return lambda block: np.tile(total / len(places), (len(block), 1))


def _random_trainings(
    config: RemovalConfig, members: np.ndarray, label: int, count: int, seeds: list[int]
) -> list[Training]:
    """Each with a draw of its own; all targets of a class share them."""
    assert config.seeds is not None
    streams = (np.random.default_rng([config.seed, 2, label, count, number]) for number in range(config.seeds))
    draws = (np.sort(stream.choice(members, count, replace=False)).astype(np.int32) for stream in streams)
    return [Training(removed, seed) for removed, seed in zip(draws, seeds, strict=False)]


def _plan_supports(places: np.ndarray, seeds: list[int], scores: Scores) -> list[_Removal]:
    """Removals of exactly the predicted data support, of targets that have one."""
    if scores.intercept is None and scores.support is None:
        return []
    plan = []
    for place, own in _by_target(places, scores.rows):
        if scores.support is not None:
            count = int(scores.support[place])
        else:
            count = predicted_support(own, float(scores.intercept[place]))  # type: ignore[index]
        trainings = []
        if 0 < count <= (scores.kept or count):
            removed = np.sort(np.argsort(-own, kind="stable")[:count]).astype(np.int32)
            trainings = [Training(removed, seed) for seed in seeds]
        plan.append(_Removal(int(place), "support", count, trainings, float("nan")))
    return plan


class _Measured:
    """What the trainings say of the removals."""

    def __init__(
        self,
        config: RemovalConfig,
        dataset: Dataset,
        trainings: Trainings,
        everything: list[Training],
        is_common: bool,
    ) -> None:
        self.config, self.dataset, self.trainings = config, dataset, trainings
        said = trainings.read(everything)
        self.before = np.stack([each.outputs for each in said])
        self.named = np.stack([each.predictions for each in said]) if dataset.classes else None
        # With common random numbers a removal is compared with the trainings of its own seeds, which are all there are.
        self.unchanged = slice(None, config.seeds) if is_common else slice(None)

    def effect(self, one: _Removal) -> tuple[Effect, np.ndarray]:
        """And the outputs without the examples."""
        said = self.trainings.read(one.trainings)
        after = np.array([each.outputs[one.target] for each in said])
        named = np.array([each.predictions[one.target] for each in said]) if self.dataset.classes else None
        before = self.before[self.unchanged, one.target]
        return measured(before, after, named, self.prediction(one.target)), after

    def prediction(self, place: int) -> int:
        """The class that trainings on everything mostly name; -1 without classes."""
        return -1 if self.named is None else int(np.bincount(self.named[:, place]).argmax())

    def effects(self, removals: list[_Removal]) -> pa.Table:
        found = [self.effect(one)[0] for one in removals]
        return pa.table(
            {
                "target": self.dataset.test.index[[one.target for one in removals]],
                "choice": evidence.names([one.choice for one in removals]),
                "count": _ints(one.count for one in removals),
                "predicted": _floats(one.predicted for one in removals),
                "measured": _floats(each.change for each in found),
                "error": _floats(each.error for each in found),
                "flipped": _floats(each.flipped for each in found),
                "trained": _ints(len(one.trainings) for one in removals),
            }
        )

    def curves(self, effects: pa.Table, places: np.ndarray) -> pa.Table:
        """Means over targets; first what trainings on everything do by themselves."""
        nothing = np.zeros(len(places))
        by_chance = nothing + np.nan
        if self.named is not None:
            usual = np.array([self.prediction(place) for place in places])
            by_chance = (self.named[:, places] != usual).mean(axis=0)
        groups = [("none", 0, np.stack([nothing, nothing, by_chance], axis=1))]
        frame = effects.to_pandas()
        for choice in self.config.choices:
            for count in self.config.counts:
                rows = frame[(frame["choice"] == choice) & (frame["count"] == count)]
                groups.append((choice, count, rows[["predicted", "measured", "flipped"]].to_numpy(np.float64)))
        columns: dict[str, list[float]] = {}
        for _, _, values in groups:
            for name, column in zip(("predicted", "measured", "flipped"), values.T, strict=True):
                figure = of_means(column[:, None])[0] if np.isfinite(column).any() else None
                for suffix, which in (("", "mean"), ("_low", "low"), ("_high", "high")):
                    columns.setdefault(name + suffix, []).append(getattr(figure, which) if figure else np.nan)
        return pa.table(
            {
                "choice": evidence.names([choice for choice, _, _ in groups]),
                "count": _ints(count for _, count, _ in groups),
            }
            | {name: _floats(values) for name, values in columns.items() if not name.startswith("predicted_")}
        )

    def targets(self, places: np.ndarray, removals: list[_Removal], supports: list[_Removal]) -> pa.Table:
        before = np.where(np.isfinite(self.before), self.before, np.nan)[:, places].astype(np.float64)
        output: np.ndarray = np.nanmean(before, axis=0)
        spread: np.ndarray = np.nanstd(before, axis=0) if len(before) >= LEAST_SEEDS else np.full(len(places), np.nan)
        tried: dict[int, dict[int, float]] = {
            int(place): {0: float(m)} for place, m in zip(places, output, strict=True)
        }
        flipped, reached = (dict.fromkeys(tried, float("nan")) for _ in range(2))
        for one in (*removals, *supports):
            if one.choice not in ("helpful", "support") or not one.trainings:
                continue
            effect, after = self.effect(one)
            tried[one.target][one.count] = float(after[np.isfinite(after)].mean())
            if one.choice == "support":
                flipped[one.target], reached[one.target] = effect.flipped, tried[one.target][one.count]
        crossings = [float("nan")] * len(places)
        if self.dataset.classes:
            rising = [sorted(tried[int(place)]) for place in places]
            crossings = [
                crossing(steps, np.array([tried[int(place)][count] for count in steps]))
                for place, steps in zip(places, rising, strict=True)
            ]
        predicted = {one.target: one.count for one in supports}
        test = self.dataset.test
        return pa.table(
            {
                "target": test.index[places],
                "label": test.labels[places].astype(np.float32),
                "output": output.astype(np.float32),
                "output_sd": spread.astype(np.float32),
                "prediction": _ints(self.prediction(place) for place in places),
                "support": _ints(predicted.get(int(place), -2) for place in places),
                "support_found": _floats(crossings),
                "flipped_at_support": _floats(flipped[int(place)] for place in places),
                "output_at_support": _floats(reached[int(place)] for place in places),
            }
        )


def _ints(values: Iterable[int]) -> np.ndarray:
    return np.fromiter(values, np.int32)


def _floats(values: Iterable[float]) -> np.ndarray:
    return np.fromiter(values, np.float32)


def _agreement(effects: pa.Table) -> dict[str, Any]:
    """By choice, and over all of them."""
    frame = effects.to_pandas().dropna(subset=["predicted", "measured"])
    found = {}
    for choice in ("all", *frame["choice"].unique()):
        rows = frame if choice == "all" else frame[frame["choice"] == choice]
        columns = (rows[name].to_numpy() for name in ("predicted", "measured", "target"))
        if figures := agreement(*columns):
            found[choice] = {name: figure.as_dict() for name, figure in figures.items()}
    return found


def _support_figures(targets: pa.Table) -> dict[str, Any]:
    """How the predicted supports did: ``flipped`` by most of each target's trainings, ``negative`` by their mean
    margin. A class can have less than half of the probability and still be named.
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


def _removal_notes(
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
