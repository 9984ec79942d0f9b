"""What the compare page shows, worked out without Streamlit: rankings of one target, and how much they agree."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from influence.datasets import Dataset, Split
from influence.evidence import Evaluated
from influence.explorer import describing, verdicts
from influence.explorer.houses.features import FEATURES
from influence.explorer.houses.picks import nearest_km
from influence.explorer.houses.records import Houses
from influence.library import Entry
from influence.results import Result

NEIGHBOURS = "neighbours"  # stands in lists beside the results
NONE = "none"
KS = (5, 10, 20, 50)
LEAST_COMMON = 5  # examples that two results keep, for a rank correlation to be given
_ROWS = 1024  # training examples that are compared at once


@dataclass(frozen=True)
class Ranking:
    """The training examples of one target, as one method ranks them.

    Parameters
    ----------
    name : str
    positive, negative : (k,) int
        Those that helped and hurt most, strongest first: what the method keeps.
    scores : pd.Series
        By training example: all that is known of them.
    """

    name: str
    positive: np.ndarray
    negative: np.ndarray
    scores: pd.Series

    def side(self, sign: int, k: int) -> np.ndarray:
        """The k strongest of a sign, or as many as there are."""
        return (self.positive if sign > 0 else self.negative)[:k]

    def table(self, sign: int, k: int) -> pd.DataFrame:
        """One side: rank, train, score."""
        train = self.side(sign, k)
        rank = sign * np.arange(1, len(train) + 1)
        return pd.DataFrame({"rank": rank, "train": train, "score": self.scores.loc[train].to_numpy()})

    def place(self, train: int) -> tuple[int | None, float | None]:
        """Rank and score of a training example; None where it is not kept."""
        for sign, side in ((1, self.positive), (-1, self.negative)):
            (found,) = np.nonzero(side == train)
            if len(found):
                return sign * (int(found[0]) + 1), float(self.scores[train])
        return None, float(self.scores[train]) if train in self.scores.index else None


def ranking(result: Result[Any], target: int) -> Ranking:
    """What a result keeps of a target."""
    kept = result.of(target)
    strongest = kept.sort_values("rank", key=abs, kind="stable")
    positive, negative = (
        strongest[side]["train"].to_numpy() for side in (strongest["rank"] > 0, strongest["rank"] < 0)
    )
    return Ranking(result.name, positive, negative, kept.set_index("train")["score"])


class Nearest:
    """Training examples by the likeness of their inputs: the cosine of what two differ by from the mean.

    As `influence.measures.baselines.Neighbours` of pixels, or of standardised features where there are no classes,
    for one target at a time: the training part stays where it is.

    Parameters
    ----------
    dataset : Dataset
    has_classes : bool
        If so, an example of another class counts with the opposite sign.
    """

    def __init__(self, dataset: Dataset, has_classes: bool) -> None:
        self._test, self._train, self._has_classes = dataset.test, dataset.train, has_classes
        n = len(self._train)
        self._centre: np.ndarray = sum(block.sum(axis=0, dtype=np.float64) for _, block in self._blocks()) / n
        self._scale: np.ndarray = np.ones_like(self._centre)
        if not has_classes:
            squares = sum(np.square(block - self._centre).sum(axis=0) for _, block in self._blocks())
            self._scale = np.sqrt(squares / n)
        self._length = np.concatenate([np.linalg.norm(self._moved(block), axis=1) for _, block in self._blocks()])

    def _blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        for start in range(0, len(self._train), _ROWS):
            rows = slice(start, start + _ROWS)
            yield rows, _flat(self._train, rows)

    def _moved(self, inputs: np.ndarray) -> np.ndarray:
        """(n, d), from the mean, and in standard deviations where there are no classes."""
        moved: np.ndarray = (inputs - self._centre.astype(inputs.dtype)) / self._scale.astype(inputs.dtype)
        return moved

    def scores(self, target: int) -> np.ndarray:
        """(n_train,) float32, from 1 for the same direction to -1."""
        (place,) = np.flatnonzero(self._test.index == target)
        own = self._moved(_flat(self._test, slice(place, place + 1)))[0]
        own = own / max(np.linalg.norm(own), 1e-12) / self._scale
        # The mean is taken off the product, not off every example: one pass over the training part.
        product = np.concatenate([block @ own.astype(block.dtype) for _, block in self._blocks()])
        cosine: np.ndarray = ((product - self._centre @ own) / np.maximum(self._length, 1e-12)).astype(np.float32)
        if not self._has_classes:
            return cosine
        signed: np.ndarray = np.where(self._train.labels == self._test.labels[place], 1, -1) * np.maximum(cosine, 0)
        return signed.astype(np.float32)

    def ranking(self, target: int, k: int) -> Ranking:
        """With the k most alike and most opposed."""
        scores = self.scores(target)
        order = np.argsort(-scores, kind="stable")
        train = self._train.index
        return Ranking(NEIGHBOURS, train[order[:k]], train[order[::-1][:k]], pd.Series(scores, index=train))


def _flat(split: Split, rows: slice) -> np.ndarray:
    inputs = split.inputs[rows]
    flat = inputs.reshape(len(inputs), -1)
    return flat if flat.dtype == np.float64 else flat.astype(np.float32)


# --- how much rankings agree ----------------------------------------------------------------------------------------


def overlap(first: Ranking, second: Ranking, sign: int, k: int) -> float:
    """The share of the k strongest of a sign that two rankings have in common."""
    return len(np.intersect1d(first.side(sign, k), second.side(sign, k))) / k


def correlation(first: Ranking, second: Ranking) -> tuple[float | None, int]:
    """Spearman's correlation of two rankings' scores on the training examples that both know, and how many these are.

    None below `LEAST_COMMON` of them. Both keep extremes of either sign, so it says more of signs than of order.
    """
    common = first.scores.index.intersection(second.scores.index)
    if len(common) < LEAST_COMMON:
        return None, len(common)
    rank = float(first.scores.loc[common].rank().corr(second.scores.loc[common].rank()))
    return (rank if np.isfinite(rank) else None), len(common)


def said_of(rank: float | None, common: int) -> str:
    """A rank correlation and on how many examples it is."""
    return f"not given: {common} in common" if rank is None else f"{rank:.2f} on {common}"


def ks_of(rankings: Sequence[Ranking]) -> list[int]:
    """The k at which all of them can be compared."""
    most = min(min(len(each.positive), len(each.negative)) for each in rankings)
    return [k for k in KS if k <= most] or [most]


def agreement(rankings: Sequence[Ranking], n_train: int) -> pd.DataFrame:
    """A row a pair and side: overlap@k for several k, and of both sides the rank correlation, in words.

    The last row is what chance would give: k of ``n_train``.
    """
    ks, rows = ks_of(rankings), []
    for first, second in combinations(rankings, 2):
        both = said_of(*correlation(first, second))
        for sign, side in ((1, "helped"), (-1, "hurt")):
            shares = {f"@{k}": overlap(first, second, sign, k) for k in ks}
            line = {"pair": f"{first.name} and {second.name}", "side": side, **shares}
            rows.append(line | {"rank correlation": both if sign > 0 else ""})
    rows.append({"pair": "by chance", "side": "either", **{f"@{k}": k / n_train for k in ks}, "rank correlation": ""})
    return pd.DataFrame(rows)


def mean_overlap(first: Result[Any], second: Result[Any], sign: int, k: int) -> tuple[float, int]:
    """Mean overlap@k over the targets (not groups of them) that both results explain, and how many these are."""
    common = np.intersect1d(first.targets.index, second.targets.index)
    common = common[common >= 0]
    if not len(common):
        return float("nan"), 0
    ours, theirs = (_keys(result, sign, k, common) for result in (first, second))
    return len(np.intersect1d(ours, theirs, assume_unique=True)) / (k * len(common)), len(common)


def _keys(result: Result[Any], sign: int, k: int, targets: np.ndarray) -> np.ndarray:
    """(target, train) as one number, of the k strongest of a sign."""
    frame = result.influences
    rank, target = sign * frame["rank"].to_numpy(np.int64), frame["target"].to_numpy(np.int64)
    kept = (rank >= 1) & (rank <= k) & np.isin(target, targets)
    keys: np.ndarray = target[kept] * 2**32 + frame["train"].to_numpy(np.int64)[kept]
    return keys


def over_targets(compared: Sequence[Result[Any]], ks: Sequence[int]) -> pd.DataFrame:
    """As `agreement`, averaged over all targets that two results explain."""
    rows = []
    for first, second in combinations(compared, 2):
        for sign, side in ((1, "helped"), (-1, "hurt")):
            shares = {k: mean_overlap(first, second, sign, k) for k in ks}
            rows.append(
                {"pair": f"{first.name} and {second.name}", "side": side}
                | {f"@{k}": share for k, (share, _) in shares.items()}
                | {"targets": next(iter(shares.values()))[1]}
            )
    return pd.DataFrame(rows)


def places(rankings: Sequence[Ranking], train: int) -> pd.DataFrame:
    """Where every ranking has a training example: method, rank, score (None where it is not kept)."""
    rows = [(each.name, *each.place(train)) for each in rankings]
    return pd.DataFrame(rows, columns=["method", "rank", "score"]).astype({"rank": "Int64", "score": float})


def in_how_many(rankings: Sequence[Ranking], sign: int, k: int) -> pd.Series:
    """By training example: how many rankings have it among their k strongest of a sign."""
    return pd.Series(np.concatenate([each.side(sign, k) for each in rankings])).value_counts()


# --- what is compared -----------------------------------------------------------------------------------------------


def told(entry: Entry) -> str:
    """A result's id with what tells two runs apart: "mine, 300 models, seed 1, 30 epochs"."""
    return f"{entry.id}, {settings(entry)}"


def settings(entry: Entry) -> str:
    """What tells a run from another of its method: "300 models, seed 1, 30 epochs"."""
    every = _settings(entry.manifest.settings)
    parts = [describing.label(entry).removeprefix(entry.name).removeprefix(", ")]
    parts += [f"seed {every['seed']}"] if "seed" in every else []
    parts += [f"{every['epochs']} epochs"] if "epochs" in every else []
    return ", ".join(filter(None, parts))


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a config and of the configs in it; the outer ones count."""
    inner = [_settings(value) for value in config.values() if isinstance(value, Mapping)]
    return {key: value for each in [*inner, config] for key, value in each.items()}


def best_of(of_it: dict[str, Entry], options: Sequence[str], first: str | None) -> str:
    """What is best shown beside the first: a result of another method, else whatever comes next."""
    methods = {id_: each.method for id_, each in of_it.items()}
    others = [each for each in options if each != NONE]
    if first in methods:
        others.sort(key=lambda id_: methods.get(id_, methods[first]) == methods[first])
    return others[0] if others else NONE


def lds_of(listed: Entry, found: Evaluated, result: Result[Any], target: int) -> str:
    """A result's LDS on held-out models, over all targets and of this one."""
    lds = verdicts.judged(listed.manifest, found.lds)
    if lds is None:
        return "LDS: not evaluated"
    own = lds.methods["result"]
    text = f"LDS {own.mean:.3f} ({own.low:.3f} to {own.high:.3f})"
    each = lds.per_target.set_index("target")["result"] if lds.per_target is not None else result.targets.get("lds")
    if each is not None and np.isfinite(each.get(target, np.nan)):
        text += f", of this {describing.noun(listed)} {each[target]:.2f}"
    return text


def neighbours_lds(found: Sequence[Evaluated]) -> str:
    """What the evidence of the results that are compared says of neighbours: of inputs, as they are shown here, or of
    the features of trained models, which evaluations take unless told otherwise."""
    known = sorted((each for each in map(_neighbours_baseline, found) if each is not None), key=lambda each: each[0])
    if not known:
        return "LDS: not evaluated"
    feature_models, score = known[0]
    if feature_models == 0:
        return f"LDS {score}"
    models = "a trained model" if feature_models == 1 else f"{feature_models} trained models"
    return f"LDS: not evaluated; of neighbours in the features of {models}, LDS {score}"


def _neighbours_baseline(found: Evaluated) -> tuple[int, str] | None:
    """Of how many models the features were (0 for inputs), and the score with its interval."""
    if found.lds is not None and "neighbours" in found.lds.methods:
        return found.lds.feature_models, str(found.lds.methods["neighbours"])
    if found.scaling is None:
        return None
    rows = found.scaling.scores[found.scaling.scores["estimator"] == "neighbours"]
    if rows.empty:
        return None
    row = rows.iloc[0]
    over = f"over {row['targets']:,} targets"
    return found.scaling.feature_models, f"{row['mean']:.3f} ({row['low']:.3f} to {row['high']:.3f}), {over}"


def default_target(result: Result[Any]) -> int:
    """The target shown first: the best explained of the mistakes where that is known, else the first there is."""
    targets = result.targets
    if result.groups:
        return int(next(iter(result.groups.values())).targets[0])
    if "lds" not in targets:
        return int(targets.index.min())
    wrong = targets[targets["label"] != targets["prediction"]]
    best = targets if wrong.empty else wrong
    return int(best.index[int(best["lds"].argmax())])


def why_not_target(compared: Sequence[Result[Any]], target: int, noun: str) -> str | None:
    """Why a number can't be compared, in one sentence; None if it can."""
    lacking = [result.name for result in compared if target < 0 or target not in result.targets.index]
    if not lacking:
        return None
    if target in compared[0].train.index:
        return f"{noun.capitalize()} {target} is a training {noun}: only test {noun}s are explained."
    return f"{' and '.join(lacking)} {'has' if len(lacking) == 1 else 'have'} no test {noun} {target}."


def facts(houses: Houses, ranked: pd.DataFrame, target: int) -> pd.DataFrame:
    """Ranked training houses (rank, train, score) with the price of each, and how many km it is from the target."""
    known = houses.train.loc[ranked["train"]].reset_index(drop=True)
    km = nearest_km(known, houses.test.loc[[target]])
    return ranked.reset_index(drop=True).assign(price=known["price"], km=km)


def features(houses: Houses, rankings: Sequence[Ranking], target: int, k: int) -> pd.DataFrame:
    """In words, a row a feature: that of the target, and the median of the k that come first in each ranking."""
    known = [name for name, feature in FEATURES.items() if feature.short and name in houses.train]
    values = {f"House {target}": houses.test.loc[target, known].to_numpy(float)}
    for each in rankings:
        values[each.name] = houses.train.loc[each.side(1, k), known].median().to_numpy(float)
    words = {
        head: [FEATURES[name].write(value) for name, value in zip(known, own, strict=True)]
        for head, own in values.items()
    }
    return pd.DataFrame({"Feature": [FEATURES[name].short for name in known], **words})
