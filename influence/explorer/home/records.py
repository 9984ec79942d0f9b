"""What the first page shows, chosen from results and evidence: an image, a house, and how often removal told."""

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from influence.datasets import Dataset
from influence.evidence import Evaluated, RemovalEvidence
from influence.results import Result

SHOWN = 5  # training examples either way
_LOOKED_AT = 400  # targets
_LEAST_ERROR = 0.5  # of a house's price, in the data set's own unit, to be worth a look
_FAR_KM = 90.0  # what a small map can show


@dataclass(frozen=True)
class Tried:
    """What training without a target's strongest helpers gave.

    Parameters
    ----------
    count : int
        How many were taken out.
    has_changed, has_changed_at_random : bool
        Whether most retrained models then predict another class: without these, and without as many random ones.
    """

    count: int
    has_changed: bool
    has_changed_at_random: bool


@dataclass(frozen=True)
class Story:
    """A test example with the training examples that helped and hurt it most.

    Parameters
    ----------
    target : int
    row : pd.Series
        Of the result's targets.
    helped, hurt : pd.DataFrame
        train, score; the strongest first.
    tried : Tried or None
        Where it was tried out.
    """

    target: int
    row: "pd.Series[Any]"
    helped: pd.DataFrame
    hurt: pd.DataFrame
    tried: Tried | None = None

    @property
    def largest(self) -> float:
        """The size of the strongest score."""
        return float(pd.concat([self.helped, self.hurt])["score"].abs().max())


@dataclass(frozen=True)
class Share:
    """How many targets most trainings called another class without their strongest helpers.

    Parameters
    ----------
    changed, of, count : int
        So many of the targets that were tried, without so many training examples.
    at_random : int
        How many of them changed without as many random training examples.
    """

    changed: int
    of: int
    count: int
    at_random: int


def image_story(result: Result[Any], evaluated: Evaluated, has_picture: Any) -> Story | None:
    """Choose a target that tells much: one whose answer changed when its helpers were taken out, if that was tried.

    Parameters
    ----------
    result : Result
    evaluated : Evaluated
    has_picture : callable
        From "test" or "train" and an index to whether a picture is there.
    """
    strongest = _strongest(result)
    tried = {} if evaluated.removal is None else tries(evaluated.removal)
    telling = {target for target, each in tried.items() if each.has_changed and not each.has_changed_at_random}
    targets = result.targets
    wrong = targets.index[(targets["label"] != targets["prediction"]) & (targets.index >= 0)]
    # Of many mistakes, those with the largest scores are looked at first, until one has all its pictures.
    order = strongest.sort_values(ascending=False, kind="stable").index
    mistakes = set(wrong)
    candidates = [target for target in order if target in telling]
    candidates += [target for target in order if target in mistakes - telling]
    stories = (_story(result, int(target), tried.get(int(target))) for target in candidates)
    first = None
    for story in islice(stories, _LOOKED_AT):
        if _has_all_pictures(story, has_picture):
            return story
        first = first or story
    return first


def _strongest(result: Result[Any]) -> "pd.Series[float]":
    """Sum the absolute values of the strongest scores of each target, of both signs."""
    frame = result.influences
    top = np.abs(frame["rank"].to_numpy()) <= SHOWN
    targets, places = np.unique(frame["target"].to_numpy()[top], return_inverse=True)
    return pd.Series(np.bincount(places, np.abs(frame["score"].to_numpy()[top])), index=targets)


def _story(result: Result[Any], target: int, tried: Tried | None = None) -> Story:
    ranked = result.of(target)
    sides = [
        ranked[(sign * ranked["rank"] > 0) & (sign * ranked["rank"] <= SHOWN) & (sign * ranked["score"] > 0)]
        .sort_values("rank", key=abs)[["train", "score"]]
        .reset_index(drop=True)
        for sign in (1, -1)
    ]
    return Story(target, result.targets.loc[[target]].iloc[0], sides[0], sides[1], tried)


def _has_all_pictures(story: Story, has_picture: Any) -> bool:
    trains = [*story.helped["train"], *story.hurt["train"]]
    return bool(has_picture("test", story.target)) and all(has_picture("train", int(train)) for train in trains)


def mistakes(result: Result[Any], has_picture: Any, many: int) -> list[int]:
    """Targets that the models get most wrong, with pictures: those of the lowest margins where these are known."""
    targets = result.targets[(result.targets["label"] != result.targets["prediction"]) & (result.targets.index >= 0)]
    order = targets.sort_values("margin", kind="stable").index if "margin" in targets else targets.index
    return list(islice((int(target) for target in order if has_picture("test", int(target))), many))


def suspects(evaluated: Evaluated, has_picture: Any, many: int) -> list[int]:
    """Training examples whose labels models that had not seen them found most surprising, with pictures."""
    if evaluated.mislabels is None:
        return []
    examples = evaluated.mislabels.tables["examples"]
    examples = examples[examples["flips"] == "none"].sort_values("held-out-loss", ascending=False, kind="stable")
    return list(islice((int(train) for train in examples["train"] if has_picture("train", int(train))), many))


# --- what was tried out ---------------------------------------------------------------------------------------------


def tries(removal: RemovalEvidence) -> dict[int, Tried]:
    """Find, for each target, the fewest proponents whose removal changed the answer, or the most that were removed."""
    effects = removal.tables["effects"]
    found: dict[int, Tried] = {}
    for target, of_it in effects.dropna(subset=["flipped"]).groupby("target"):
        columns = (of_it[name].tolist() for name in ("choice", "count", "flipped"))
        by = {(choice, count): flipped for choice, count, flipped in zip(*columns, strict=True)}
        counts = sorted(count for choice, count in by if choice == "helpful" and ("random", count) in by)
        if not counts:
            continue
        count = next((each for each in counts if by["helpful", each] > 0.5), counts[-1])
        found[int(str(target))] = Tried(count, by["helpful", count] > 0.5, by["random", count] > 0.5)
    return found


def share(removal: RemovalEvidence) -> Share | None:
    """How often taking out the strongest helpers changed the answer; None where answers are values."""
    effects = removal.tables["effects"].dropna(subset=["flipped"])
    helpful, random = (effects[effects["choice"] == choice] for choice in ("helpful", "random"))
    counts = sorted(set(helpful["count"]) & set(random["count"]))
    if not counts:
        return None
    most = int(counts[-1])
    helpful, random = (frame[frame["count"] == most] for frame in (helpful, random))
    return Share(int((helpful["flipped"] > 0.5).sum()), len(helpful), most, int((random["flipped"] > 0.5).sum()))


# --- houses ---------------------------------------------------------------------------------------------------------


def places(part: pd.DataFrame, dataset: Dataset | None, name: str) -> pd.DataFrame:
    """Give the latitude, longitude and price (dollars) of examples, indexed by example.

    Parameters
    ----------
    part : pd.DataFrame
        The result's targets or training examples, which name a few.
    dataset : Dataset or None
    name : "test" or "train"
    """
    if dataset is None:
        return part[["latitude", "longitude"]].assign(price=part["price"] * 1e5).dropna()
    split = getattr(dataset, name)
    columns = {role: split.inputs[:, dataset.facts.column(role)] for role in ("latitude", "longitude")}
    return pd.DataFrame(columns | {"price": np.asarray(split.labels, float) * 1e5}, index=split.index)


def house_story(result: Result[Any], test: pd.DataFrame, train: pd.DataFrame) -> Story | None:
    """Choose a house that the model misses, whose strongest helpers and hurters are near enough for a small map."""
    frame = result.influences
    top = frame[(frame["rank"].abs() <= SHOWN) & frame["target"].isin(test.index) & frame["train"].isin(train.index)]
    if top.empty:
        return None
    here, there = test.loc[top["target"]], train.loc[top["train"]]
    north, east = (here[name].to_numpy() - there[name].to_numpy() for name in ("latitude", "longitude"))
    km = 111 * np.hypot(north, east * np.cos(np.radians(here["latitude"].to_numpy())))
    by_target = top.assign(km=km).groupby("target").agg(km=("km", "max"), known=("km", "size"))
    by_target = by_target[by_target["known"] == by_target["known"].max()]
    error = result.targets["residual"].loc[by_target.index].abs()
    good = by_target[(error >= _LEAST_ERROR) & (by_target["km"] <= _FAR_KM)]
    best = error.loc[(good if len(good) else by_target).index].idxmax()
    return _story(result, int(best))
