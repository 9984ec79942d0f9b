"""What removals did, as the tables of the evidence have it."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from influence import evidence
from influence.datasets import Dataset
from influence.evaluation.removal.config import RemovalConfig
from influence.evaluation.removal.plan import Removal
from influence.measures.bootstrap import of_means
from influence.measures.removal import LEAST_SEEDS, Effect, crossing, measured
from influence.retraining.trainings import Training, Trainings


class Measured:
    """What the trainings with and without some examples give."""

    def __init__(
        self,
        config: RemovalConfig,
        dataset: Dataset,
        trainings: Trainings,
        everything: list[Training],
        is_common: bool,
    ) -> None:
        self.config, self.dataset, self.trainings = config, dataset, trainings
        found = trainings.read(everything)
        self.before = np.stack([each.outputs for each in found])
        self.predictions = np.stack([each.predictions for each in found]) if dataset.classes else None
        # With common random numbers a removal is compared with the trainings of its own seeds, which are all there are.
        self.unchanged = slice(None, config.seeds) if is_common else slice(None)

    def effect(self, one: Removal) -> tuple[Effect, np.ndarray]:
        """Compare the outputs with and without the examples; the latter are given, too."""
        found = self.trainings.read(one.trainings)
        after = np.array([each.outputs[one.target] for each in found])
        predictions = np.array([each.predictions[one.target] for each in found]) if self.dataset.classes else None
        before = self.before[self.unchanged, one.target]
        return measured(before, after, predictions, self.prediction(one.target)), after

    def prediction(self, position: int) -> int:
        """The class that models trained on everything mostly predict; -1 without classes."""
        return -1 if self.predictions is None else int(np.bincount(self.predictions[:, position]).argmax())

    def effects(self, removals: list[Removal]) -> pa.Table:
        """A row a removal: its predicted and its measured change."""
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

    def curves(self, effects: pa.Table, positions: np.ndarray) -> pa.Table:
        """A row a choice and a number: means over targets; first what trainings on everything do by themselves."""
        nothing = np.zeros(len(positions))
        by_chance = nothing + np.nan
        if self.predictions is not None:
            usual = np.array([self.prediction(position) for position in positions])
            by_chance = (self.predictions[:, positions] != usual).mean(axis=0)
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

    def targets(self, positions: np.ndarray, removals: list[Removal], supports: list[Removal]) -> pa.Table:
        """A row a target: its output without removals, and what its predicted support did."""
        before = np.where(np.isfinite(self.before), self.before, np.nan)[:, positions].astype(np.float64)
        output: np.ndarray = np.nanmean(before, axis=0)
        spread: np.ndarray = np.nanstd(before, axis=0) + (0 if len(before) >= LEAST_SEEDS else np.nan)
        tried = {int(position): {0: float(mean)} for position, mean in zip(positions, output, strict=True)}
        flipped, reached = (dict.fromkeys(tried, float("nan")) for _ in range(2))
        for one in (*removals, *supports):
            if one.choice not in ("helpful", "support") or not one.trainings:
                continue
            effect, after = self.effect(one)
            tried[one.target][one.count] = float(after[np.isfinite(after)].mean())
            if one.choice == "support":
                flipped[one.target], reached[one.target] = effect.flipped, tried[one.target][one.count]
        predicted = {one.target: one.count for one in supports}
        test = self.dataset.test
        return pa.table(
            {
                "target": test.index[positions],
                "label": test.labels[positions].astype(np.float32),
                "output": output.astype(np.float32),
                "output_sd": spread.astype(np.float32),
                "prediction": _ints(self.prediction(position) for position in positions),
                "support": _ints(predicted.get(position, -2) for position in tried),
                "support_found": _floats(self._crossing(steps) for steps in tried.values()),
                "flipped_at_support": _floats(flipped.values()),
                "output_at_support": _floats(reached.values()),
            }
        )

    def _crossing(self, tried: dict[int, float]) -> float:
        """Find where the margin crosses zero, from mean margins by number of removals; NaN without classes."""
        counts = sorted(tried)
        return crossing(counts, np.array([tried[each] for each in counts])) if self.dataset.classes else float("nan")


def _ints(values: Iterable[int]) -> np.ndarray:
    return np.fromiter(values, np.int32)


def _floats(values: Iterable[float]) -> np.ndarray:
    return np.fromiter(values, np.float32)
