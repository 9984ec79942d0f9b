"""Mislabels: flip some labels, rank the training examples by suspicion, and see how many of the flips come first.

The test of Pruthi et al. (2020, section 4.1), with the plain rankings that it should be compared with.
"""

from dataclasses import dataclass

import numpy as np

from influence.errors import InfluenceError
from influence.measures.bootstrap import Figure, of_means

INSPECTED = 0.2


def flip(
    labels: np.ndarray, share: float, seed: int = 0, wrong: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Change a share of the labels to other classes that occur among them.

    A class that no example has is never given: every ranking would find it.

    Parameters
    ----------
    labels : (n,) int
    share : float
        In (0, 1/2].
    seed : int
        Of which labels, and of the classes.
    wrong : (n,) int or None
        The class that each would be given; None draws one of the others at random.

    Returns
    -------
    flipped : (n,) bool
    labels : (n,) int

    Raises
    ------
    InfluenceError
        If ``share`` is out of range or less than one label, or all labels are equal.
    """
    if not 0 < share <= 0.5:
        raise InfluenceError(f"share is {share}, but must be above 0 and at most 0.5: 0.1 is usual.")
    n, number = len(labels), round(share * len(labels))
    if number < 1:
        raise InfluenceError(f"share {share} of {n} training examples is none: raise one of them.")
    classes, positions = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InfluenceError(
            f"All {n} training examples are of one class, so no label can be flipped to another: choose at least two "
            "classes, or more training examples."
        )
    rng = np.random.default_rng(seed)
    flipped = np.zeros(n, dtype=bool)
    flipped[rng.choice(n, number, replace=False)] = True
    others = classes[(positions + rng.integers(1, len(classes), size=n)) % len(classes)] if wrong is None else wrong
    if (others == labels)[flipped].any():
        raise ValueError("a wrong class is the right one")
    if not np.isin(others[flipped], classes).all():
        raise ValueError("a wrong class is one that no example has")
    return flipped, np.where(flipped, others, labels)


def losses(margins: np.ndarray) -> np.ndarray:
    """Cross-entropy of the correct class, log(1 + exp(-margin)), of margins less the log-sum-exp of the others."""
    result: np.ndarray = np.logaddexp(0, -margins.astype(np.float64))
    return result


def inside_and_outside(masks: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each example's value over the models that saw it, and over those that did not.

    Parameters
    ----------
    masks : (m, n) bool
    values : (m, n)
    """
    seen = masks.sum(axis=0)
    if (seen == 0).any() or (seen == len(masks)).any():
        raise InfluenceError(
            f"Some training examples are in all or in none of the {len(masks)} subsets, so that nothing can be said of "
            "them: train more models."
        )
    inside = np.where(masks, values, 0).sum(axis=0) / seen
    outside = np.where(masks, 0, values).sum(axis=0) / (len(masks) - seen)
    return inside, outside


@dataclass(frozen=True)
class Found:
    """How a ranking does.

    Parameters
    ----------
    inspected, found : (n + 1,)
        Shares, from 0 to 1: after inspecting that much, highest scores first, so many of the flips are found. Equal
        scores are inspected in any order, with equal chances.
    area : Figure
        Under the curve: 0.5 at random, at best 1 less half the share of flips. The interval is over flips.
    at_20 : Figure
        Found after the first fifth.
    """

    inspected: np.ndarray
    found: np.ndarray
    area: Figure
    at_20: Figure


def found(scores: np.ndarray, flipped: np.ndarray, bootstrap: int = 1000, seed: int = 0) -> Found:
    """Inspect examples by falling score.

    Parameters
    ----------
    scores : (n,)
    flipped : (n,) bool
    """
    per_flip = _per_flip(scores, flipped)
    area, at_20 = of_means(per_flip, bootstrap, seed=seed)
    n = len(scores)
    curve = np.zeros(n + 1)
    for first, size, flips in _ties(scores, flipped):
        curve[first + 1 : first + size + 1] = flips / size
    return Found(np.arange(n + 1) / n, curve.cumsum() / flipped.sum(), area, at_20)


def advantage(scores: np.ndarray, other: np.ndarray, flipped: np.ndarray, bootstrap: int = 1000) -> Figure:
    """How much more of the flips one ranking finds in the first fifth than another, with an interval over flips."""
    difference = _per_flip(scores, flipped)[:, 1] - _per_flip(other, flipped)[:, 1]
    return of_means(difference[:, None], bootstrap)[0]


def _per_flip(scores: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """(n_flips, 2): each flip's part of the area, and its chance to be in the first fifth."""
    n = len(scores)
    inspected = INSPECTED * n
    area, chance = np.zeros(n), np.zeros(n)
    order = np.argsort(-scores, kind="stable")
    for first, size, _ in _ties(scores, flipped):
        members = order[first : first + size]
        area[members] = 1 - (first + size / 2) / n
        chance[members] = np.clip((inspected - first) / size, 0, 1)
    both: np.ndarray = np.stack([area, chance], axis=1)[flipped]
    return both


def _ties(scores: np.ndarray, flipped: np.ndarray) -> list[tuple[int, int, int]]:
    """List the runs of equal scores, the highest first: first position, length, and number of flips."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    sizes = np.diff(np.concatenate([starts, [len(scores)]]))
    flips = np.add.reduceat(flipped[order].astype(np.int64), starts)
    return list(zip(starts.tolist(), sizes.tolist(), flips.tolist(), strict=True))
