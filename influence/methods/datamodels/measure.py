"""How long a run will take: train the first model that it lacks, and time it."""

import time
from dataclasses import dataclass

from influence import datasets
from influence.datamodels.outcomes import default_store
from influence.methods.datamodels.config import DatamodelsConfig
from influence.methods.datamodels.run import Work, explain_memory
from influence.progress import Report, silent
from influence.ranking import check_k
from influence.text import duration


@dataclass(frozen=True)
class Estimate:
    """How long the training of a run will take on this machine.

    Attributes
    ----------
    models : int
        That are still to be trained, repeated ones included.
    seconds : float or None
        For each, as measured; None where nothing was to be trained.
    """

    models: int
    seconds: float | None

    def __str__(self) -> str:
        if self.seconds is None:
            return "All models are there already: what is left is the fit."
        each = f"{self.seconds:.2g} s" if self.seconds < 10 else duration(self.seconds)
        if not self.models:
            return f"One model takes {each} here, and none is left to train: what is left is the fit."
        return (
            f"One model takes {each} here: {self.models:,} are left to train, which takes about "
            f"{duration(self.models * self.seconds)}."
        )


@explain_memory()
def measure(config: DatamodelsConfig, store: str | None = None, report: Report = silent) -> Estimate:
    """Train the first of the models that a run lacks (as many as are trained together), keep them, and time them.

    The time is that of this process on one model; others that use the machine meanwhile are in it.

    Raises
    ------
    InfluenceError
        If the config, the data set or the store won't do.
    """
    datasets.check_name(config.outcomes.dataset)
    dataset = config.outcomes.load()
    check_k(config.k, len(dataset.train))
    work = Work(config, store or default_store(config.outcomes), dataset, silent)
    report(0.0, "training the first model, to measure how long it takes")
    lacking = work.to_train + work.to_repeat
    if not lacking:
        return Estimate(0, None)
    started = time.monotonic()
    finished = work.train_first()
    if not finished:
        return Estimate(0, None)
    return Estimate(lacking - finished, (time.monotonic() - started) / finished)
