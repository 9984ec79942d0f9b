"""Rankings: from scores to the few strongest either way, and to tables that take little space."""

from __future__ import annotations

import uuid
import zipfile
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from influence.errors import InfluenceError, explain_write_errors

if TYPE_CHECKING:  # the explorer reads PERCENTILES, and starts without torch
    from torch import Tensor

_LARGEST_K = 2**15 - 1
PERCENTILES = np.arange(101)
BINS = 64  # of a target's histogram


class TopK(NamedTuple):
    """The k strongest training examples of each target, either way, strongest first.

    ``proponents`` and ``opponents`` are (n_targets, k) int64 positions in the training examples, with their scores
    beside them. Equal scores come in order of position.
    """

    proponents: Tensor
    proponent_scores: Tensor
    opponents: Tensor
    opponent_scores: Tensor


def check_k(k: object, n_train: int) -> None:
    """Raise unless k is a whole number, 1 <= k <= n_train, and a result's ranks (int16) can count to it."""
    if isinstance(k, bool) or not isinstance(k, Integral):
        raise InfluenceError(f"k is {k!r}, but must be a whole number.")
    if not 1 <= int(k) <= n_train:
        raise InfluenceError(f"k is {k}, but must lie between 1 and the {n_train} training examples.")
    if int(k) > _LARGEST_K:
        raise InfluenceError(f"k is {k}, but no more than {_LARGEST_K} can be kept.")


def strongest(scores: Tensor, k: int) -> TopK:
    """The k largest and smallest of each row of (n_targets, n_train) scores. Ties go to the lower position."""
    parts: list[Tensor] = []
    for largest in (True, False):
        values, positions = scores.topk(min(k + 1, scores.shape[1]), dim=1, largest=largest)
        # topk leaves open which of several equal scores it takes: one more than k shows where that matters.
        for row in (values[:, k - 1] == values[:, k]).nonzero()[:, 0] if k < scores.shape[1] else ():
            order = scores[row].sort(descending=largest, stable=True)
            values[row, :k], positions[row, :k] = order.values[:k], order.indices[:k]
        # It leaves their order open too, so sort by position, then stably by score.
        positions, by_position = positions[:, :k].sort(dim=1)
        values, by_score = values[:, :k].gather(1, by_position).sort(dim=1, descending=largest, stable=True)
        parts += [positions.gather(1, by_score), values]
    return TopK(*parts)


class Reverse:
    """The strongest targets of every training example, kept while blocks of targets pass by."""

    def __init__(self, n_train: int, k: int) -> None:
        self.k = k
        self._ids = np.zeros((n_train, 0), dtype=np.int64)
        self._scores = np.zeros((n_train, 0), dtype=np.float32)

    def add(self, weights: np.ndarray, start: int) -> None:
        """(b, n_train) weights of the targets from ``start`` on."""
        self.extend(np.broadcast_to(np.arange(start, start + len(weights)), weights.T.shape), weights.T)

    def extend(self, ids: np.ndarray, scores: np.ndarray) -> None:
        """(n_train, m) targets and their scores, all after those that were added before."""
        self._ids = np.concatenate([self._ids, ids], axis=1)
        self._scores = np.concatenate([self._scores, scores], axis=1)
        if self._scores.shape[1] > 2 * self.k:
            self._prune()

    def _prune(self) -> None:
        order = np.argsort(self._scores, axis=1, kind="stable")
        kept = np.concatenate([order[:, : self.k], order[:, -self.k :]], axis=1)
        kept.sort(axis=1)
        self._ids = np.take_along_axis(self._ids, kept, axis=1)
        self._scores = np.take_along_axis(self._scores, kept, axis=1)

    def top(self) -> TopK:
        import torch

        k = min(self.k, self._scores.shape[1])
        top = strongest(torch.from_numpy(self._scores), k)
        proponents, opponents = (
            torch.from_numpy(np.take_along_axis(self._ids, np.asarray(part), axis=1)) for part in (top[0], top[2])
        )
        return TopK(proponents, top[1], opponents, top[3])


def ranked(
    columns: tuple[str, str], names: np.ndarray, others: np.ndarray, tops: list[TopK], short: bool = False
) -> pa.Table:
    """One row a (name, rank), sorted by both: rank 1, 2, ... most positive, -1, -2, ... most negative.

    Parameters
    ----------
    columns : (str, str)
        What names and others are called.
    names : (n,) int
    others : (n_others,) int
        What the places in ``tops`` stand for.
    tops : list of TopK
        Of the n names, in blocks.
    short : bool
        Whether scores are kept as `shortened` gives them.
    """
    positive, positive_scores, negative, negative_scores = (
        np.concatenate([np.asarray(top[part]) for top in tops]) for part in range(4)
    )
    k = positive.shape[1]
    ranks = np.concatenate([np.arange(-k, 0), np.arange(1, k + 1)])
    scores = np.concatenate([negative_scores[:, ::-1], positive_scores], axis=1).ravel().astype(np.float32)
    return pa.table(
        {
            columns[0]: np.repeat(names, 2 * k),
            columns[1]: others[np.concatenate([negative[:, ::-1], positive], axis=1).ravel()],
            "rank": np.tile(ranks, len(names)).astype(np.int16),
            "score": shortened(scores) if short else scores,
        }
    )


_SIGNIFICANT = 11  # bits, as float16 has


def shortened(values: np.ndarray, significant: int = _SIGNIFICANT) -> np.ndarray:
    """float32 values with so many significant bits, a relative error of 2^-significant at most, in less space on disk.

    The order stays, but for values that become equal. Far below the noise of any score that was learned from outcomes.
    """
    mantissa, exponent = np.frexp(values)
    kept: np.ndarray = np.ldexp(np.round(np.ldexp(mantissa, significant)), exponent - significant)
    return kept


class Spread(NamedTuple):
    """How all scores of n targets are spread.

    Attributes
    ----------
    percentiles : (n, 101) float32
        By nearest rank: percentile 0 and 100 are the extremes.
    low, high : (n,) float32
        The lowest and the highest score, between which a histogram has its bins.
    counts : (n, 64) uint32
        Scores in each of the equal bins, as `numpy.histogram` counts them: a score on an edge belongs to the bin above
        it, the highest to the last. Where all scores are equal, bins have no width, and the last holds all.
    """

    percentiles: np.ndarray
    low: np.ndarray
    high: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, rising: np.ndarray) -> Spread:
        """What is to be kept of (n, n_train) scores, each row sorted."""
        places = np.round(PERCENTILES / 100 * (rising.shape[1] - 1)).astype(int)
        rising = rising.astype(np.float32, copy=False)
        low, high = np.ascontiguousarray(rising[:, 0]), np.ascontiguousarray(rising[:, -1])
        edges = np.linspace(low.astype(np.float64), high.astype(np.float64), BINS + 1, axis=1)
        below = np.stack([np.searchsorted(own, borders) for own, borders in zip(rising, edges, strict=True)])
        below[:, -1] = rising.shape[1]
        return cls(rising[:, places], low, high, np.diff(below, axis=1).astype(np.uint32))

    @classmethod
    def join(cls, parts: Sequence[Spread]) -> Spread:
        """Rank targets that come in parts."""
        return cls(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def columns(self, short: bool = False) -> dict[str, pa.Array]:
        """Make the columns of the table of targets; ``short`` is whether percentiles are kept `shortened`."""
        percentiles = shortened(self.percentiles) if short else self.percentiles
        return {
            "score_percentiles": list_column(percentiles),
            "histogram_low": pa.array(self.low),
            "histogram_high": pa.array(self.high),
            "histogram": list_column(self.counts),
        }


def list_column(rows: np.ndarray) -> pa.Array:
    """(n, m) numbers as one Arrow column of n lists of one length."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(rows).ravel()), rows.shape[1])


_REVERSE_ROWS = 512  # targets whose scores are sorted by training example at once


class Ranking:
    """The strongest scores of every target and how all are spread, gathered while blocks of targets pass by.

    Parameters
    ----------
    n_train, k : int
        Training examples, and how many of them are kept for each target, either way.
    reverse_k : int or None
        Targets kept for each training example, either way; None keeps none.
    first : int
        The position of the first target.
    """

    def __init__(self, n_train: int, k: int, reverse_k: int | None = None, first: int = 0) -> None:
        self.k = k
        self._tops: list[TopK] = []
        self._spreads: list[Spread] = []
        self._reverse = None if reverse_k is None else Reverse(n_train, reverse_k)
        self._targets = first

    def add(self, scores: Tensor | np.ndarray) -> None:
        """Take in the (b, n_train) float32 scores of the next b targets."""
        import torch

        values = np.asarray(scores)
        self._tops.append(strongest(torch.as_tensor(scores), self.k))
        self._spreads.append(Spread.of(np.sort(values, axis=1)))
        if self._reverse is not None:
            for start in range(0, len(values), _REVERSE_ROWS):
                self._reverse.add(values[start : start + _REVERSE_ROWS], self._targets + start)
        self._targets += len(values)

    def extend(self, other: Ranking) -> None:
        """Take in what another ranking gathered of the targets that come next."""
        self._tops += other._tops
        self._spreads += other._spreads
        if self._reverse is not None and other._reverse is not None:
            self._reverse.extend(other._reverse._ids, other._reverse._scores)
        self._targets = other._targets

    def save(self, path: Path) -> None:
        """Write what was gathered; a file is there whole or not at all."""
        arrays = {"targets": np.array(self._targets), **Spread.join(self._spreads)._asdict()}
        arrays |= {f"top{part}": np.concatenate([np.asarray(top[part]) for top in self._tops]) for part in range(4)}
        if self._reverse is not None:
            arrays |= {"reverse_ids": self._reverse._ids, "reverse_scores": self._reverse._scores}
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        with explain_write_errors(path):
            try:
                with partial.open("wb") as file:
                    np.savez(file, allow_pickle=False, **arrays)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path, n_train: int, k: int, reverse_k: int | None = None) -> Ranking | None:
        """What `save` wrote; None if there is no such file, or it is damaged or of an older version that kept less."""
        import torch

        found = cls(n_train, k, reverse_k)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found._tops = [TopK(*(torch.from_numpy(arrays[f"top{part}"]) for part in range(4)))]
                found._spreads = [Spread(*(arrays[name] for name in Spread._fields))]
                found._targets = int(arrays["targets"])
                if found._reverse is not None:
                    found._reverse.extend(arrays["reverse_ids"], arrays["reverse_scores"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return found

    def influences(self, targets: np.ndarray, train: np.ndarray, short: bool = False) -> pa.Table:
        """Make the table of every target's strongest training examples; ``targets`` and ``train`` are their indices."""
        return ranked(("target", "train"), targets, train, self._tops, short)

    def reverse(self, targets: np.ndarray, train: np.ndarray, short: bool = False) -> pa.Table:
        """Make the table of every training example's strongest targets."""
        if self._reverse is None:
            raise ValueError("no targets of training examples were kept: give reverse_k")
        return ranked(("train", "target"), train, targets, [self._reverse.top()], short)

    def spread(self, short: bool = False) -> dict[str, pa.Array]:
        """Make the columns that tell how all scores of every target are spread; see `Spread.columns`."""
        return Spread.join(self._spreads).columns(short)
