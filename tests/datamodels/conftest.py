import multiprocessing
import os
import signal
import time

import pytest
from threadpoolctl import threadpool_limits

from influence.datamodels.outcomes import OutcomeConfig, collect
from influence.learners.mlp import Mlp


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """The problems here are so small that a second thread costs more than it brings."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


@pytest.fixture
def small() -> OutcomeConfig:
    """A config whose models train in a millisecond each."""
    return OutcomeConfig(learner=Mlp(width=8, epochs=1))


@pytest.fixture(scope="session")
def forkserver():
    """Where children come from that start at once and share no thread with this process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["influence.datamodels.outcomes", "s3fs"])
    return context


def collect_in_child(config, store, models, span, environment=None):
    import torch

    os.environ.update(environment or {})  # the fork server's own is as old as the server
    torch.set_num_threads(1)
    collect(config, store, models, span)


@pytest.fixture
def kill_and_resume(forkserver):
    """Collect in children that are killed after random times, until one comes to its end; how many were killed."""

    def run(config, store, models, rng, longest, span=None) -> int:
        killed = 0
        while True:
            child = forkserver.Process(target=collect_in_child, args=(config, store, models, span, dict(os.environ)))
            child.start()
            child.join(rng.uniform(0.0, longest))
            if child.is_alive():
                os.kill(child.pid, signal.SIGKILL)
                child.join()
                killed += 1
                longest *= 1.15 if killed < 8 else 1.5  # so that it ends on a slow machine too
                continue
            assert child.exitcode == 0
            return killed

    return run


def wait_for(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
