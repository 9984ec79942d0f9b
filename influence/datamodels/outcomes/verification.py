"""Verifying a store: everything in it against its checksums and its config."""

from dataclasses import dataclass

import numpy as np

from influence.datamodels.outcomes.store import DIVERGED, DONE, MISSING, Store, explain_storage
from influence.datamodels.outcomes.unit import damaged
from influence.datamodels.subsets import draw


@dataclass(frozen=True)
class Check:
    """What `verify` found: how many models are done or diverged, and the numbers of those missing or damaged."""

    models: int
    done: int
    diverged: int
    missing: list[int]
    damaged: list[int]

    @property
    def is_complete(self) -> bool:
        return not self.missing and not self.damaged

    def __str__(self) -> str:
        text = f"{self.models} models: {self.done} done, {self.diverged} diverged"
        for numbers, what in ((self.missing, "missing"), (self.damaged, "damaged")):
            text += f", {len(numbers)} {what}" + (f" ({_ranges(numbers)})" if numbers else "")
        return text + "."


def verify(store: str, repair: bool = False) -> Check:
    """Read everything and compare it with its checksums, and every mask with the one that the config draws.

    With ``repair``, damaged models are marked as missing, so that the next `collect` trains them again.
    """
    with explain_storage(store):
        opened = Store.existing(store)
        config, n_train, unit, total = opened.config, opened.n_train, opened.unit, len(opened)
        missing: list[int] = []
        bad_ones: list[int] = []
        counts = {DONE: 0, DIVERGED: 0}
        for first in range(0, total, unit):
            numbers = np.arange(first, min(first + unit, total))
            claimed = opened.try_read("state", first, int(numbers[-1]) + 1)
            if claimed is None:
                bad, claimed = np.ones(len(numbers), bool), np.full(len(numbers), DONE, np.uint8)
            else:
                rows = opened.rows(first, int(numbers[-1]) + 1)
                expected = np.packbits(draw(config.subsets, numbers, n_train).masks, axis=1)
                bad = damaged(rows | {"state": claimed})
                bad |= (claimed != MISSING) & (rows["masks"] != expected).any(axis=1)
            missing += numbers[~bad & (claimed == MISSING)].tolist()
            bad_ones += numbers[bad].tolist()
            for kind in counts:
                counts[kind] += int((~bad & (claimed == kind)).sum())
            if repair and bad.any():
                opened.array("state")[first : first + len(numbers)] = np.where(bad, MISSING, claimed)
    return Check(total, counts[DONE], counts[DIVERGED], missing, bad_ones)


def _ranges(numbers: list[int]) -> str:
    """Shorten 0, 1, 2, 5 to "0-2, 5"; at most five parts."""
    array = np.asarray(numbers)
    runs = np.split(array, np.flatnonzero(np.diff(array) > 1) + 1)
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more ranges" if len(texts) > 5 else "")
