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
import json, sys
from influence.cli.main import main
for line in sys.argv[1:]:
    python, dash, influence, *sys.argv[1:] = json.loads(line)
    assert (python, dash, influence) == ("python", "-m", "influence")
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise
"""
COMMANDS = [text.splitlines() for kind, text in BLOCKS if kind == "sh"]


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
    return folder


@pytest.mark.parametrize("commands", COMMANDS, ids=range(len(COMMANDS)))
def test_the_commands_of_the_page_run(commands: list[str], extended: Path, results_home: Path, tmp_path: Path) -> None:
    def run(*lines: str) -> None:
        """In one process, which saves importing torch for each."""
        given = [json.dumps(shlex.split(line)) for line in lines]
        done = subprocess.run(
            [sys.executable, "-c", ONE_AFTER_THE_OTHER, *given],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(extended)},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr

    run(*commands)
    made = [path.parent for home in (results_home, tmp_path / "results") for path in home.glob("*/manifest.json")]
    assert made
    for result in made:
        assert results.read(result).manifest
    evaluated = [each for each in commands if " evaluate " in each]
    assert len([path for result in made for path in result.glob("evidence/*/manifest.json")]) == len(evaluated)


def test_every_file_is_pasted_and_every_command_is_there() -> None:
    assert [kind for kind, _ in BLOCKS].count("python") >= 2
    assert len(COMMANDS) >= 3
