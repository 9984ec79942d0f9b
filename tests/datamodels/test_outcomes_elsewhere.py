"""The outcome store away from this disk and this process: an S3 endpoint on loopback, and a Dask cluster."""

import json
import os
import signal
import subprocess
import sys
import uuid

import numpy as np
import pytest
from distributed import LocalCluster
from moto.server import ThreadedMotoServer

from influence.datamodels.outcomes import Backend, OutcomeConfig, collect, read, verify
from influence.datamodels.subsets import SubsetConfig
from influence.errors import InfluenceError
from influence.learners.mlp import Mlp
from influence.learners.patchnet import PatchNet
from tests.datamodels.conftest import wait_for
from tests.datamodels.test_outcomes import assert_equal


@pytest.fixture
def bucket(monkeypatch):
    """The URL of an empty bucket on an S3 server of this process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    name = f"outcomes-{uuid.uuid4().hex}"
    s3fs.S3FileSystem().mkdir(name)
    yield f"s3://{name}/store"
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


def test_kill_anywhere_over_s3(small, bucket, kill_and_resume, tmp_path):
    complete = str(tmp_path / "store")
    collect(small, complete, 130)
    killed = kill_and_resume(small, bucket, 130, np.random.default_rng(0), longest=0.5)
    assert killed >= 2
    assert verify(bucket).is_complete
    assert_equal(read(bucket), read(complete))


def test_an_endpoint_that_does_not_answer_is_named(small, bucket, monkeypatch):
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(InfluenceError, match="can't be read or written"):
        collect(small, bucket, 10)


OTHER_ARITHMETIC = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Nehalem",
}
COLLECT = """
import json, sys
from influence.datamodels.outcomes import OutcomeConfig, collect
collect(OutcomeConfig.parse(json.loads(sys.argv[1])), sys.argv[2], 8)
"""


def test_a_store_from_a_machine_with_another_blas_goes_on(tmp_path):
    """The first unit as a processor without today's instructions trains it; margins are a step of 1/32 off at most."""
    learner = PatchNet(filters=16, patch=3, stride=1, grid=2, width=8, epochs=4, batch_size=64)
    config = OutcomeConfig(train_size=700, learner=learner, subsets=SubsetConfig(seeds="common"))
    complete, store = str(tmp_path / "complete"), str(tmp_path / "store")
    collect(config, complete, 16)
    command = [sys.executable, "-c", COLLECT, json.dumps(config.as_dict()), store]
    subprocess.run(command, env=os.environ | OTHER_ARITHMETIC, check=True)
    before = read(store)
    assert collect(config, store, 16).trained == 8
    assert verify(store).is_complete
    whole, mixed = read(complete), read(store)
    assert np.array_equal(mixed.margins[:8], before.margins)
    assert np.array_equal(mixed.masks, whole.masks)
    np.testing.assert_allclose(mixed.margins, whole.margins, atol=1 / 32)


def test_dask_with_two_workers_one_of_them_killed(tmp_path):
    config = OutcomeConfig(learner=Mlp(width=8, epochs=4))
    complete, store = str(tmp_path / "complete"), str(tmp_path / "store")
    collect(config, complete, 600)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        wait_for(lambda: len(cluster.scheduler_info["workers"]) == 2)
        victim = next(iter(cluster.workers.values())).pid
        killed = []

        def kill_one(finished, total):
            if not killed and finished >= 100:
                os.kill(victim, signal.SIGKILL)
                killed.append(finished)

        result = collect(
            config, store, 600, backend=Backend(kind="dask", scheduler=cluster.scheduler_address), report=kill_one
        )
    assert killed
    assert killed[0] < 600
    assert result.present == 600
    assert verify(store).is_complete
    assert_equal(read(store), read(complete))
