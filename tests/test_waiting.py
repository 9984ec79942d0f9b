"""OpenMP's threads sleep while they wait: set before torch is loaded, and not against the user's own choice."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from influence.runs import Runner

ROOT = Path(__file__).parent.parent
CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
QUICK = ("tracin", "digits", "--train-size", "50", "--setting", "width=4", "--epochs", "1", "--k", "2")
LOADED = """
import json, os, sys
before = "torch" in sys.modules
from influence.waiting import sleep_while_waiting
sleep_while_waiting()
print(json.dumps([before or "torch" in sys.modules, os.environ.get("OMP_WAIT_POLICY")]))
"""


def environment(**chosen: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in CHOICES}
    return kept | {"PYTHONPATH": str(ROOT)} | chosen


def python(*arguments: str, **chosen: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=environment(**chosen), cwd=ROOT, capture_output=True, text=True, check=True, timeout=280
    )


@pytest.mark.parametrize(
    ("chosen", "policy"),
    [
        ({}, "PASSIVE"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"),
        ({"OMP_WAIT_POLICY": "passive"}, "passive"),
        ({"GOMP_SPINCOUNT": "1000"}, None),
        ({"KMP_BLOCKTIME": "200"}, None),
        ({"OMP_NUM_THREADS": "2"}, "PASSIVE"),
    ],
)
def test_what_the_user_chose_stays(chosen: dict[str, str], policy: str | None) -> None:
    assert json.loads(python("-c", LOADED, **chosen).stdout) == [False, policy]


def said_by_openmp(errors: str) -> set[str]:
    """What the OpenMP libraries that a process loaded say of their wait policy, at the time when they are loaded."""
    return set(re.findall(r"OMP_WAIT_POLICY\s*=\s*'(\w+)'", errors))


@pytest.mark.parametrize(("chosen", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_the_command_line_sets_it_before_openmp_is_loaded(chosen: dict[str, str], policy: str, tmp_path: Path) -> None:
    ended = python("-m", "influence", *QUICK, "--out", str(tmp_path / "one"), OMP_DISPLAY_ENV="TRUE", **chosen)
    said = said_by_openmp(ended.stderr)
    if not said:
        pytest.skip("this machine's OpenMP does not show its environment")
    assert said == {policy}


def test_a_run_that_the_explorer_starts_sets_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever the server's own environment says, but for a choice of the user."""
    for name in CHOICES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_DISPLAY_ENV", "TRUE")
    popen = subprocess.Popen

    def through_a_file(*arguments, **options):
        with open(tmp_path / "errors", "w") as errors:
            process = popen(*arguments, **{**options, "stderr": errors})
        process.stderr = open(os.devnull)  # noqa: SIM115 the runner reads it to its end
        return process

    monkeypatch.setattr(subprocess, "Popen", through_a_file)
    runner = Runner()
    run = runner.start(list(QUICK), tmp_path / "one")
    assert runner._follower is not None
    runner._follower.join(120)
    assert run.state == "done", run.error
    said = said_by_openmp((tmp_path / "errors").read_text())
    if not said:
        pytest.skip("this machine's OpenMP does not show its environment")
    assert said == {"PASSIVE"}


def test_worker_processes_have_it() -> None:
    script = """
import os
from influence.waiting import sleep_while_waiting
if __name__ == "__main__":
    sleep_while_waiting()
    from joblib import Parallel, delayed
    print(Parallel(n_jobs=2)(delayed(os.environ.get)("OMP_WAIT_POLICY") for _ in range(2)))
"""
    assert python("-c", script).stdout.strip() == "['PASSIVE', 'PASSIVE']"


PAGES = """
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("app.py", default_timeout=100).run()
for page in [None, *sys.argv[1:]]:
    shown = app if page is None else app.switch_page(page).run()
    assert not shown.exception, page
    assert "torch" not in sys.modules, page
"""


def test_the_explorer_itself_loads_no_torch() -> None:
    """Whatever page is shown: its runs are processes of their own, which set what they need."""
    pages = [f"pages/{path.name}" for path in sorted((ROOT / "pages").glob("*.py"))]
    assert len(pages) == 5
    python("-c", PAGES, *pages)
