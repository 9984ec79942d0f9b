"""A command that is stopped from outside says what was kept, whoever stops it and whatever it does."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from influence.datamodels import outcomes
from influence.jobs import what_is_kept
from influence.runs import Runner
from influence.stopping import interruptible

pytestmark = pytest.mark.usefixtures("warm")

KEPT = "Stopped; the models that were trained are kept.\n"
NOTHING = "Stopped; nothing was kept of this run.\n"
MANY = ("--models", "20000", "--setting", "width=4", "--setting", "epochs=1")
COLLECT = ("datamodels", "collect", "digits", *MANY)
MISLABELS = ("evaluate", "mislabels", "digits", "--setting", "width=4", "--models", "1", "--subset-models", "20000")
SIGNALS = [signal.SIGTERM, signal.SIGHUP]  # Ctrl-C's is tested where each verb is


def start(*arguments: str, **options) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "influence", *arguments]
    pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, text=True, start_new_session=True, **{**pipes, **options})


def wait_until(is_so: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def status_of(number: int) -> int:
    return 128 + number


@pytest.mark.parametrize(
    ("arguments", "begun", "said", "number"),
    [
        ((*COLLECT, "--store", "STORE"), "store/margins/c/*/*", KEPT, signal.SIGTERM),
        (MISLABELS, "results-of-this-test/.trainings/*.sqlite", KEPT, signal.SIGHUP),
        (("tracin", "california-housing"), "results-of-this-test/.partial-*", NOTHING, signal.SIGTERM),
        (("tracin", "california-housing"), "results-of-this-test/.partial-*", NOTHING, signal.SIGHUP),
    ],
    ids=["collect", "mislabels", "tracin", "tracin-hangup"],
)
def test_a_signal_is_one_sentence(
    arguments: tuple[str, ...], begun: str, said: str, number: int, tmp_path: Path, houses
) -> None:
    store = str(tmp_path / "store")
    process = start(*(store if each == "STORE" else each for each in arguments))
    wait_until(lambda: list(tmp_path.glob(begun)), process)
    process.send_signal(number)
    try:
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()  # where it has not ended, it would go on beside the other tests
    assert (process.returncode, output, errors) == (status_of(number), "", said)
    assert not list(tmp_path.rglob(".partial-*"))


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGINT])
def test_a_terminal_that_closes_ends_the_workers_too(number: int, tmp_path: Path) -> None:
    """It sends the signal to all of the processes at once."""
    process = start(*COLLECT, "--store", str(tmp_path / "store"), "--backend", "loky", "--workers", "2")
    wait_until(lambda: list(tmp_path.glob("store/margins/c/*/*")), process)
    os.killpg(process.pid, number)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (status_of(number), "")
    assert errors == KEPT
    deadline = time.monotonic() + 20
    while group_is_alive(process.pid):
        assert time.monotonic() < deadline, "workers are left"
        time.sleep(0.1)
    assert outcomes.verify(str(tmp_path / "store")).damaged == []


def group_is_alive(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_hangup_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """As under nohup."""
    process = start(
        *COLLECT,
        "--store",
        str(tmp_path / "store"),
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    wait_until(lambda: list(tmp_path.glob("store/margins/c/*/*")), process)
    process.send_signal(signal.SIGHUP)
    count = len(list(tmp_path.glob("store/margins/c/*/*")))
    wait_until(lambda: len(list(tmp_path.glob("store/margins/c/*/*"))) > count + 1, process)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[1] == KEPT


def test_nobody_need_listen(tmp_path: Path) -> None:
    """Where the terminal is gone, there is no error to tell that to."""
    process = start(*COLLECT, "--store", str(tmp_path / "store"))
    wait_until(lambda: list(tmp_path.glob("store/margins/c/*/*")), process)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    process.send_signal(signal.SIGHUP)
    process.wait(60)
    assert outcomes.verify(str(tmp_path / "store")).damaged == []


def test_a_run_of_the_explorer_that_is_stopped_from_outside_says_what_was_kept(results_home: Path) -> None:
    runner = Runner()
    run = runner.start(["datamodels", "run", "digits", *MANY], results_home / "one")
    process = runner._process
    assert process is not None
    assert runner._follower is not None
    wait_until(lambda: list(results_home.glob(".outcomes/*/margins/c/*/*")), process)
    process.send_signal(signal.SIGTERM)
    runner._follower.join(60)
    assert run.state == "failed"
    assert run.error == f"The run ended unexpectedly with exit status 143: {KEPT.strip()}"


def test_a_run_whose_server_goes_ends_without_a_word_too_many(results_home: Path) -> None:
    process = start("datamodels", "run", "digits", *MANY, "--events", stdin=subprocess.PIPE)
    wait_until(lambda: list(results_home.glob(".outcomes/*/margins/c/*/*")), process)
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (143, KEPT)
    assert all("error" not in json.loads(line) for line in output.splitlines())


def test_the_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    with interruptible() as came, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert came == [signal.SIGTERM]
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (["datamodels", "run", "digits"], "the models that were trained"),
        (["evaluate", "removal", "RESULT"], "the models that were trained"),
        (["evaluate", "mislabels", "digits"], "the models that were trained"),
        (["unrolled", "digits"], "the finished blocks of targets"),
        (["evaluate", "scaling", "RESULT"], None),
        (["tracin", "digits"], None),
        (["evaluate"], None),
        ([], None),
    ],
)
def test_what_goes_on_where_it_was_stopped(arguments: list[str], kept: str | None) -> None:
    assert what_is_kept(arguments) == kept
