"""Runs in processes of their own: they are followed, cancelled and never left behind, however their parent ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from influence import InfluenceError, library, results, runs
from influence.runs import Run, Runner
from tests import warm

pytestmark = pytest.mark.usefixtures("warm")

QUICK = ["tracin", "digits", "--train-size", "200", "--setting", "width=8", "--epochs", "2", "--k", "5"]
LONG = ["tracin", "california-housing", "--epochs", "2000"]


def wait_until(condition: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def pid_of(runner: Runner) -> int:
    assert runner._process is not None
    return runner._process.pid


@pytest.fixture
def runner(houses) -> Iterator[Runner]:
    one = Runner()
    yield one
    one.close()


def training(runner: Runner, out: Path) -> Run:
    """A long run that has made its first progress."""
    run = runner.start(LONG, out)
    wait_until(lambda: run.progress > 0 or run.state != "running")
    assert run.state == "running", run.error
    return run


def test_a_run_from_start_to_result(runner, results_home):
    run = runner.start(QUICK, results_home / "one")
    assert runner.current is run
    assert (run.state, run.number) == ("running", 1)
    seen: list[tuple[float, str]] = []

    def ended() -> bool:
        seen.append((run.progress, run.what))
        return run.state != "running"

    wait_until(ended)
    assert (run.state, run.error) == ("done", "")
    assert (run.progress, run.what) == (1.0, "done")
    assert runner.current is None
    assert run.seconds > 0
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert {"starting", "scoring every pair"} <= {what for _, what in seen}
    assert os.listdir(results_home) == ["one"]
    assert len(results.read(results_home / "one").targets) == 360
    assert run.command == f"python -m influence {' '.join(QUICK)} --out {results_home / 'one'}"


def test_a_run_that_fails_says_why_until_it_is_dismissed(runner, results_home):
    run = runner.start(["tracin", "california-housing", "--epochs", "5"], results_home / "one")
    wait_until(lambda: run.state != "running")
    assert run.state == "failed"
    assert run.error.startswith("checkpoint_every is 20 and epochs is 5")
    assert runner.history == [run]
    assert not results_home.exists()
    runner.dismiss(run)
    assert runner.history == []


def test_cancel_ends_the_process_and_leaves_nothing(runner, results_home):
    run = training(runner, results_home / "one")
    pid = pid_of(runner)
    assert run.seconds_left is None or run.seconds_left > 0
    runner.cancel(run)
    assert run.state == "cancelled"
    assert not is_alive(pid)
    assert os.listdir(results_home) == []
    assert runner.current is None
    time.sleep(0.3)  # what follows the process notices its end, and must not call it a failure
    assert (run.state, run.error) == ("cancelled", "")
    runner.cancel(run)
    assert run.state == "cancelled"


def test_cancel_before_the_first_progress(runner, results_home):
    run = runner.start(LONG, results_home / "one")
    pid = pid_of(runner)
    runner.cancel(run)
    assert not is_alive(pid)
    assert not results_home.exists() or os.listdir(results_home) == []


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets the runner start a shell script instead of this program, where it only matters that something runs."""

    def use(script: str) -> None:
        path = tmp_path / "stub"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return use


UNTIL_CANCELLED = "cat > /dev/null"  # ends when its standard input closes


def test_one_run_at_a_time_and_then_the_next(stub, results_home):
    runner = Runner()
    stub(UNTIL_CANCELLED)
    first = runner.start(LONG, results_home / "one")
    with pytest.raises(InfluenceError, match="A run is going on"):
        runner.start(QUICK, results_home / "two")
    runner.dismiss(first)
    assert runner.history == [first]  # a run that is going on is not forgotten
    runner.cancel(first)
    second = runner.start(QUICK, results_home / "two")
    assert runner.current is second
    runner.close()
    assert [run.state for run in runner.history] == ["cancelled", "cancelled"]


def test_a_run_without_a_result_ends_with_a_sentence(stub):
    runner = Runner()
    stub("""echo '{"progress": 0.5, "what": "downloading"}'; echo '{"said": "all there"}'""")
    run = runner.start(["data", "digits"])
    wait_until(lambda: run.state != "running")
    assert (run.state, run.said, run.progress, run.out) == ("done", "all there", 1.0, None)
    assert run.command == "python -m influence data digits"
    stub("echo oh >&2; exit 1")
    run = runner.start(["data", "digits"])
    wait_until(lambda: run.state != "running")
    assert (run.state, run.said) == ("failed", "")
    assert run.error.endswith("oh")


def test_a_long_run_tells_the_time_left_before_its_first_hundredth():
    run = Run(1, [], None, progress=0.011, seconds=70.0, first=(10.0, 0.001))
    assert run.seconds_left == pytest.approx(60 * 0.989 / 0.01)
    assert replace(run, seconds=12.0).seconds_left is None  # too early to tell


def test_data_that_is_there_is_verified(runner):
    run = runner.start(["data", "digits"])
    wait_until(lambda: run.state != "running")
    assert run.state == "done"
    assert "1,437 training and 360 test" in run.said


def test_numbers_are_never_given_twice(stub, results_home):
    runner = Runner()
    stub("exit 1")
    numbers = []
    for _ in range(3):
        run = runner.start(QUICK, results_home / "one")
        wait_until(lambda run=run: run.state != "running")
        numbers.append(run.number)
        if run.number == 1:
            runner.dismiss(run)
    assert numbers == [1, 2, 3]


def test_two_starts_at_the_same_moment(stub, results_home):
    runner = Runner()
    stub(UNTIL_CANCELLED)
    outcomes: list[object] = []

    def start() -> None:
        try:
            outcomes.append(runner.start(LONG, results_home / "one"))
        except InfluenceError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=start) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runner.close()
    assert sum(isinstance(outcome, Run) for outcome in outcomes) == 1
    assert len(runner.history) == 1


RESULT = """echo '{"result": "one"}'"""


@pytest.mark.parametrize("ending", ["", "exit 1", "kill -9 $$"])
def test_a_result_that_was_complete_when_cancel_came_is_not_called_cancelled(stub, results_home, tmp_path, ending):
    """A process takes a moment to end after its result is there; cancelling then must not deny the result."""
    runner = Runner()
    stub(f"{RESULT}; touch {tmp_path}/ready; cat > /dev/null; {ending}")
    run = runner.start(QUICK, results_home / "one")
    wait_until((tmp_path / "ready").exists)
    runner.cancel(run)
    assert (run.state, run.progress, run.what, run.error) == ("done", 1.0, "done", "")


@pytest.mark.parametrize("ending", ["exit 3", "kill -9 $$", "kill -11 $$"])
def test_a_crash_after_the_result_does_not_deny_it(stub, results_home, ending):
    runner = Runner()
    stub(f"{RESULT}; echo 'terminate called without an active exception' >&2; {ending}")
    run = runner.start(QUICK, results_home / "one")
    wait_until(lambda: run.state != "running", 20)
    assert (run.state, run.error) == ("done", "")


@pytest.mark.parametrize(
    "line",
    [
        "3",
        "null",
        "[1, 2]",
        '"text"',
        "{",
        "NaN",
        "\\377\\376",
        '{"progress": "half"}',
        '{"progress": null, "what": 3}',
        '{"progress": 0.5}',
        '{"loss": 0.1}',
        "",
    ],
)
@pytest.mark.parametrize(
    ("end", "state"), [(RESULT, "done"), ("exit 1", "failed"), (UNTIL_CANCELLED, "cancelled")], ids=lambda end: end[:4]
)
def test_a_stray_line_of_output_changes_nothing(stub, results_home, tmp_path, line, end, state):
    runner = Runner()
    stub(f"printf '{line}\\n'; touch {tmp_path}/said; {end}")
    run = runner.start(QUICK, results_home / "one")
    wait_until((tmp_path / "said").exists, 20)
    if state == "cancelled":
        runner.cancel(run)
    wait_until(lambda: run.state != "running", 20)
    assert run.state == state
    assert runner.current is None


def test_a_line_that_is_nested_too_deep(stub, results_home):
    runner = Runner()
    stub(f"head -c 100000 /dev/zero | tr '\\0' '['; echo; {RESULT}")
    run = runner.start(QUICK, results_home / "one")
    wait_until(lambda: run.state != "running", 20)
    assert run.state == "done"


def test_progress_is_followed_among_other_lines(stub, results_home):
    runner = Runner()
    first, second = ("echo '" + json.dumps({"progress": share, "what": "training"}) + "'" for share in (0.1, 0.4))
    stub(f"echo 3; {first}; printf '\\377\\n'; sleep 0.5; {second}; {UNTIL_CANCELLED}")
    run = runner.start(QUICK, results_home / "one")
    wait_until(lambda: run.progress > 0, 20)
    assert (run.state, run.progress, run.what) == ("running", 0.1, "training")
    assert runner.current is run
    assert run.seconds_left is None  # there is no pace yet
    wait_until(lambda: run.progress > 0.1, 20)
    assert runner.current is run
    assert run.seconds_left is not None
    assert 0.8 < run.seconds_left < 20  # half a second for 0.3 of it, and 0.6 to go
    runner.cancel(run)
    assert run.seconds_left is None


def test_invalid_text_on_standard_error_is_shown_as_far_as_it_goes(stub, results_home):
    runner = Runner()
    stub("printf 'oh \\377 no\\n' >&2; exit 7")
    run = runner.start(QUICK, results_home / "one")
    wait_until(lambda: run.state != "running", 20)
    assert (run.state, run.error) == ("failed", "The run ended unexpectedly with exit status 7: oh \ufffd no")


def test_a_result_that_was_there_before_is_no_sign_of_completion(stub, results_home):
    runner, out = Runner(), results_home / "one"
    out.mkdir(parents=True)
    stub(UNTIL_CANCELLED)
    run = runner.start([*QUICK, "--replace"], out)
    runner.cancel(run)
    assert run.state == "cancelled"


def test_no_start_while_a_cancelled_run_still_ends(stub, results_home, tmp_path, monkeypatch):
    """Two runs at once would share the processors, and the second might sweep or meet what the first leaves."""
    monkeypatch.setattr(runs, "_GRACE", 1.0)
    runner = Runner()
    stub(f"touch {tmp_path}/ready; exec sleep 60")
    run = runner.start(LONG, results_home / "one")
    wait_until((tmp_path / "ready").exists, 20)
    cancelling = threading.Thread(target=runner.cancel, args=(run,))
    cancelling.start()
    wait_until(lambda: run.state != "running", 20)
    assert run.state == "cancelling"
    assert runner.current is run
    with pytest.raises(InfluenceError, match="A run is going on already"):
        runner.start(QUICK, results_home / "two")
    runner.cancel(run)  # a second wish changes nothing
    runner.dismiss(run)
    assert runner.history == [run]
    cancelling.join()
    assert run.state == "cancelled"
    stub("exit 1")
    second = runner.start(QUICK, results_home / "two")
    wait_until(lambda: second.state != "running", 20)


def test_a_server_in_another_folder_starts_runs_all_the_same(runner, tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", warm.REAL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    run = runner.start(["tracin", "california-housing", "--epochs", "5"], Path("one"))
    wait_until(lambda: run.state != "running")
    assert run.state == "failed"
    assert run.error.startswith("checkpoint_every is 20 and epochs is 5")  # so the program was found, and spoke


def test_a_process_that_will_not_end_is_killed(stub, results_home, monkeypatch):
    monkeypatch.setattr(runs, "_GRACE", 0.3)
    runner = Runner()
    stub("exec sleep 60")
    run = runner.start(LONG, results_home / "one")
    pid = pid_of(runner)
    runner.cancel(run)
    assert run.state == "cancelled"
    assert not is_alive(pid)


def test_a_run_that_is_killed_has_failed_and_is_swept(runner, results_home):
    run = training(runner, results_home / "one")
    os.kill(pid_of(runner), signal.SIGKILL)
    wait_until(lambda: run.state != "running")
    assert run.state == "failed"
    assert run.error.startswith("The run ended unexpectedly with exit status -9")
    wait_until(lambda: os.listdir(results_home) == [], 5)


def test_the_end_of_the_parent_is_the_end_of_the_run(houses, results_home):
    """A server that is killed has no chance to tidy up: its run ends by itself within seconds and leaves nothing."""
    code = (
        "import sys, time; from pathlib import Path; from influence.runs import Runner\n"
        "runner = Runner()\n"
        f"run = runner.start({LONG!r}, Path(sys.argv[1]))\n"
        "print(runner._process.pid, flush=True)\n"
        "while run.progress == 0: time.sleep(0.02)\n"
        "print('training', flush=True)\n"
        "time.sleep(300)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(results_home / "one")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    run = int(parent.stdout.readline())
    try:
        assert parent.stdout.readline() == "training\n"
        assert is_alive(run)
        parent.kill()
        wait_until(lambda: not is_alive(run), 15)
        parent.wait(15)
    finally:
        parent.kill()
        parent.communicate()
        if is_alive(run):
            os.kill(run, signal.SIGKILL)
    assert library.of_method("california-housing", "tracin")[0][1:] == []
    results.sweep(results_home)
    assert os.listdir(results_home) == []
