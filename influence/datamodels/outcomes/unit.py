"""The unit of work: consecutive models that are trained, written and checked together."""

import hashlib

import numpy as np

from influence.datamodels.outcomes.config import OutcomeConfig
from influence.datamodels.outcomes.store import ARRAYS, DIVERGED, DONE, MISSING, Store, explain_storage
from influence.datamodels.subsets import draw
from influence.learners.base import margins

_STEPS = 32  # of a unit of margin: an error of 0.009 (root mean square), and two thirds of the bytes


def train_models(config: OutcomeConfig, url: str, start: int, stop: int) -> tuple[int, int]:
    """Train those of the models from start to stop, all of one unit, that a store lacks.

    Returns
    -------
    trained, diverged : int
    """
    dataset = config.load()
    with explain_storage(url):
        store = Store.of(url, config, dataset)
        first = start // store.unit * store.unit
        last = min(first + store.unit, len(store))
        rows = store.rows(first, last)
    numbers = np.arange(first, last)
    wanted = numbers[((rows["state"] == MISSING) & (numbers >= start) & (numbers < stop)) | damaged(rows)]
    if not len(wanted):
        return 0, 0
    subsets = draw(config.subsets, wanted, len(dataset.train))
    logits = config.learner.fit(dataset.train, subsets).logits(dataset.test.inputs)
    new = wanted - first
    with np.errstate(over="ignore"):  # beyond float16 is infinite, which the state then tells
        rows["margins"][new] = rounded(margins(logits, dataset.test.labels))
    rows["named"][new] = logits.argmax(axis=2)
    rows["masks"][new] = np.packbits(subsets.masks, axis=1)
    rows["accuracy"][new] = (rows["named"][new] == dataset.test.labels).mean(axis=1)
    rows["state"][new] = _states(rows["margins"][new])
    rows["checksum"] = checksums(rows)
    with explain_storage(url):
        for name in ARRAYS:  # state comes last
            store.array(name)[first:last] = rows[name]
    return len(wanted), int((rows["state"][new] == DIVERGED).sum())


def rounded(values: np.ndarray) -> np.ndarray:
    """Round margins to 32nds, as a store holds them, in float16."""
    result: np.ndarray = (np.round(values * _STEPS) / _STEPS).astype(np.float16)
    return result


def damaged(rows: dict[str, np.ndarray]) -> np.ndarray:
    """Find rows, (k,) bool, that are not missing and not what was written: a chunk that was cut may decode to anything.

    Parameters
    ----------
    rows : mapping
        From `Store.rows`.
    """
    differs = (rows["checksum"] != checksums(rows)) | (rows["state"] != _states(rows["margins"]))
    found: np.ndarray = (rows["state"] != MISSING) & differs
    return found


def checksums(rows: dict[str, np.ndarray]) -> np.ndarray:
    """Compute (k,) uint64 checksums of each model's margins, predictions, mask and accuracy."""
    parts = [np.ascontiguousarray(rows[name]) for name in ("margins", "named", "masks", "accuracy")]
    return np.array(
        [
            int.from_bytes(hashlib.blake2b(b"".join(part[row].tobytes() for part in parts), digest_size=8).digest())
            for row in range(len(parts[0]))
        ],
        dtype=np.uint64,
    )


def _states(margins: np.ndarray) -> np.ndarray:
    """Tell models that are done from those that diverged, by their margins: (k,) uint8."""
    return np.where(np.isfinite(margins).all(axis=1), DONE, DIVERGED).astype(np.uint8)
