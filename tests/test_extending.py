"""docs/extending.md: its files, pasted into a copy of the package, and its commands."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from influence import results

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "docs" / "extending.md").read_text(), re.DOTALL | re.MULTILINE)
ONE_AFTER_THE_OTHER = """
import json, sys, traceback
from influence.cli.main import main
for line in sys.argv[1:]:
    python, dash, influence, *sys.argv[1:] = json.loads(line)
    assert (python, dash, influence) == ("python", "-m", "influence")
    try:
        main()
        status = 0
    except SystemExit as ended:
        status = ended.code
    except BaseException:
        status = traceback.format_exc()
    print("ended", json.dumps(status), flush=True)
"""
EVALUATION = "python -m influence evaluate same-class results/features --proponents 5"  # of tests/same_class.py
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the package in which the files were pasted."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "influence", folder / "influence", ignore=shutil.ignore_patterns("__pycache__"))
    for kind, text in BLOCKS:
        if kind == "python":
            path = folder / text.splitlines()[0].removeprefix("# ")
            assert not path.exists()
            path.write_text(text)
    shutil.copy(ROOT / "tests" / "same_class.py", folder / "influence" / "evaluation")
    return folder


@pytest.fixture(scope="module")
def made(extended: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[object], Path, str]:
    """How each command ended, the folder in which they ran, and what they said: all in one process, for speed."""
    folder = tmp_path_factory.mktemp("commands")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            ONE_AFTER_THE_OTHER,
            *(json.dumps(shlex.split(line)) for line in [*COMMANDS, EVALUATION]),
        ],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(extended), "INFLUENCE_RESULTS_DIR": str(folder / "results")},
        capture_output=True,
        text=True,
        timeout=280,
    )
    lines = [line.split(" ", 1)[1] for line in done.stdout.splitlines() if line.startswith("ended ")]
    return [json.loads(line) for line in lines], folder / "results", done.stderr


@pytest.mark.parametrize(("place", "command"), list(enumerate([*COMMANDS, EVALUATION])))
def test_a_command_of_the_page_runs(place: int, command: str, made: tuple[list[object], Path, str]) -> None:
    ended, _, errors = made
    assert not ended[place], f"{command}: {errors}"


def test_every_result_and_all_evidence_can_be_read(made: tuple[list[object], Path, str]) -> None:
    _, home, _ = made
    found = [path.parent for path in home.glob("*/manifest.json")]
    assert len(found) == len([line for line in COMMANDS if " evaluate " not in line])
    for result in found:
        assert results.read(result).manifest
    judged = {path.parent.name for path in home.glob("features/evidence/*/manifest.json")}
    assert judged == {"removal", "same-class"}


def test_every_family_of_the_page_is_pasted() -> None:
    pasted = [text.splitlines()[0] for kind, text in BLOCKS if kind == "python"]
    for folder in ("datasets", "learners", "datamodels/estimators", "methods"):
        assert len([path for path in pasted if path.startswith(f"# influence/{folder}/")]) == 1
