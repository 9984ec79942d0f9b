"""What all jobs share."""

import importlib.metadata
import platform
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from influence import results
from influence.tracin.scores import TopK

Report = Callable[[float, str], None]
"""Called with the share of the whole job that is done, from 0 to 1, and what is being done."""


def silent(share: float, what: str) -> None:
    """Report nothing."""


class Stages:
    """Turns the progress of each stage into that of the whole.

    Parameters
    ----------
    cost : dict of str to float
        What each stage costs, in any one unit, in the order in which they run.
    report : Report
    """

    def __init__(self, cost: dict[str, float], report: Report) -> None:
        self._spans: dict[str, tuple[float, float]] = {}
        start, total = 0.0, sum(cost.values())
        for name, one in cost.items():
            self._spans[name] = (start, one / total)
            start += one / total
        self._report = report

    def __getitem__(self, name: str) -> Callable[[float], None]:
        """What to call with the share of this stage that is done."""
        return lambda done: self.say(name, done, name)

    def say(self, name: str, done: float, what: str) -> None:
        """Report the share of a stage that is done, in words of its own."""
        start, share = self._spans[name]
        self._report(min(start + done * share, 1.0), what)


def circumstances(seconds: float) -> dict[str, object]:
    """What a manifest says of when, how long and with which versions."""
    names = ("torch", "numpy", "scikit-learn", "pandas", "pyarrow")
    versions = {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "versions": versions,
    }


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


def percentiles_of(rising: np.ndarray) -> np.ndarray:
    """Of sorted rows, (n, n_train) -> (n, 101) float32, by nearest rank: percentile 0 and 100 are the extremes."""
    places = np.round(results.PERCENTILES / 100 * (rising.shape[1] - 1)).astype(int)
    chosen: np.ndarray = rising[:, places].astype(np.float32)
    return chosen
