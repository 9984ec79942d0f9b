"""Backends train models: in this process, in processes of this machine, or on a Dask cluster."""

import os
from collections.abc import Iterator
from typing import Literal, Self

from pydantic import model_validator

from influence.config import Config, setting
from influence.datamodels.outcomes.config import OutcomeConfig
from influence.errors import InfluenceError
from influence.stopping import hangups_ignored

Kind = Literal["here", "loky", "dask"]
Span = tuple[int, int]


class Backend(Config):
    """A backend trains models."""

    kind: Kind = setting(
        "here",
        "Where models are trained: in this process, in processes of this machine (loky), or on a Dask cluster, whose "
        "workers reach the store by its URL and the data set by their own INFLUENCE_DATA_DIR.",
        title="backend",
        option="--backend",
    )
    workers: int = setting(0, "Processes of loky, each with one thread; 0 is one a processor.", ge=0)
    scheduler: str | None = setting(None, "Address of the Dask scheduler, such as tcp://10.0.0.5:8786.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.kind == "dask") != (self.scheduler is not None):
            raise InfluenceError("A scheduler's address belongs to the dask backend: give both or neither.")
        return self

    def train(self, config: OutcomeConfig, url: str, spans: list[Span]) -> Iterator[tuple[int, int]]:
        """Train models in spans, each within one unit.

        Yields
        ------
        trained, diverged : int
            Numbers of models, for each span as soon as it ends.
        """
        from influence.datamodels.outcomes.unit import train_models

        if not spans:
            return
        if self.kind == "here":
            for start, stop in spans:
                yield train_models(config, url, start, stop)
        elif self.kind == "loky":
            yield from self._train_in_processes(config, url, spans)
        else:
            yield from self._train_on_cluster(config, url, spans)

    def _train_in_processes(self, config: OutcomeConfig, url: str, spans: list[Span]) -> Iterator[tuple[int, int]]:
        from joblib import parallel_config
        from joblib.externals.loky import get_reusable_executor
        from joblib.externals.loky.backend import resource_tracker
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        with hangups_ignored():  # the tracker cleans up after workers, even if closing the terminal has ended them
            resource_tracker.ensure_running()
        workers = min(self.workers or os.cpu_count() or 1, len(spans))
        try:
            with parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
                yield from _in_parallel(config, url, spans)
        except TerminatedWorkerError as error:
            raise InfluenceError(
                "A worker process was killed, as happens when memory runs out: what was finished is kept; "
                "use fewer workers and collect again."
            ) from error
        except BaseException:  # such as Ctrl-C: workers that are left would cause warnings when the process ends
            get_reusable_executor().shutdown(kill_workers=True)
            raise

    def _train_on_cluster(self, config: OutcomeConfig, url: str, spans: list[Span]) -> Iterator[tuple[int, int]]:
        from joblib import parallel_config

        try:
            from distributed import Client
        except ImportError as error:
            raise InfluenceError("The dask backend needs Dask: pip install 'dask[distributed]'.") from error
        try:
            client = Client(self.scheduler, timeout="5s")
        except (OSError, TimeoutError, ValueError) as error:
            raise InfluenceError(
                f"There is no Dask scheduler at {self.scheduler} ({error}): start one, or give its address."
            ) from error
        # A task that outlives its worker is given to another, which finds in the store what is done.
        with client, parallel_config("dask", client=client):
            yield from _in_parallel(config, url, spans)


def _in_parallel(config: OutcomeConfig, url: str, spans: list[Span]) -> Iterator[tuple[int, int]]:
    from joblib import Parallel, delayed

    tasks = (delayed(_train_in_worker)(config, url, start, stop) for start, stop in spans)
    yield from Parallel(return_as="generator_unordered", batch_size=1)(tasks)


def _train_in_worker(config: OutcomeConfig, url: str, start: int, stop: int) -> tuple[int, int]:
    import torch

    from influence.datamodels.outcomes.unit import train_models

    torch.set_num_threads(1)  # there is a worker a processor
    return train_models(config, url, start, stop)
