"""What the command line says where names, locales and disks are not the usual ones."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from influence import homes, results
from influence.errors import InfluenceError
from tests.cli.driving import QUICK, influence

ROOT = Path(__file__).parents[2]
NAMES = ["naïve", "数据 1", "Ωmega"]
LOCALE = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


# Runs one command after the other, and tells how each ended.
SAY = """
import sys
from influence.cli.main import main
for line in sys.argv[1:]:
    sys.argv[1:] = line.split("\\n")
    try:
        main()
    except SystemExit as ended:
        print(f"[{ended.code or 0}]", flush=True)
        print(f"[{ended.code or 0}]", file=sys.stderr, flush=True)
"""


def said(*commands: tuple[str, ...], **env: str) -> list[tuple[int, bytes, bytes]]:
    """Bytes, as a terminal would get them; the arguments reach the process as UTF-8."""
    lines = ["\n".join(each).encode() for each in commands]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "PYTHONIO"))}
    ended = subprocess.run(
        [sys.executable, "-c", SAY, *lines], capture_output=True, timeout=200, cwd=ROOT, env=clean | env
    )
    assert b"Traceback" not in ended.stderr
    assert b"\\udc" not in ended.stdout + ended.stderr
    parts = [re.findall(rb"(.*?)\[(\d+)\]\n", stream, re.DOTALL) for stream in (ended.stdout, ended.stderr)]
    assert len(parts[0]) == len(parts[1]) == len(commands)
    return [(int(status), output, errors) for (output, status), (errors, _) in zip(*parts, strict=True)]


@pytest.mark.parametrize(
    ("env", "errors"),
    [
        ({"LC_ALL": "C.UTF-8"}, "utf-8"),
        (LOCALE, "utf-8"),
        (LOCALE | {"PYTHONIOENCODING": "ascii"}, "ascii"),
        ({"PYTHONIOENCODING": "ascii"}, "ascii"),
        ({"PYTHONIOENCODING": "latin-1"}, "latin-1"),
        (LOCALE | {"PYTHONIOENCODING": "utf-8"}, "utf-8"),
    ],
    ids=range(6),
)
def test_names_are_readable_in_every_locale(env: dict[str, str], errors: str, tmp_path: Path) -> None:
    commands: list[tuple[str, ...]] = []
    for name in NAMES:
        folder = tmp_path / name
        shutil.copytree(homes.precomputed_home() / "digits" / "datamodels-lasso", folder)
        commands += [("check", str(folder)), ("check", f"{folder}-gone"), ("data", name), (f"--{name}",)]
    found = iter(said(*commands, **env))
    for name in NAMES:
        shown = name.encode(errors, "backslashreplace")
        status, output, _ = next(found)
        assert status == 0
        assert b"/" + shown + b": datamodels on digits" in output
        for expected, words in (
            (1, b"/" + shown + b"-gone is not a result folder"),
            (1, b"There is no data set '" + shown + b"'"),
            (2, b"No such option: --" + shown),
        ):
            status, _, problem = next(found)
            assert status == expected
            assert words in problem


def test_help_prints_in_every_locale() -> None:
    helped = said(
        ("--help",), ("tracin", "--help"), ("evaluate", "removal", "--help"), **LOCALE, PYTHONIOENCODING="ascii"
    )
    assert [status for status, *_ in helped] == [0, 0, 0]


def test_events_are_json_in_every_locale() -> None:
    with open("/dev/zero", "rb") as endless:
        ended = subprocess.run(
            [sys.executable, "-m", "influence", "replay", "naïve".encode(), "--events"],
            stdin=endless,
            capture_output=True,
            timeout=200,
            env=os.environ | LOCALE | {"PYTHONIOENCODING": "ascii"},
        )
    (event,) = map(json.loads, ended.stdout.splitlines())
    assert event["error"].startswith("naïve is not")


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["check", ""], "after check"),
        (["check", " "], "after check"),
        (["replay", ""], "after replay"),
        (["data", ""], "after data"),
        (["", "digits"], ""),
        (["tracin", ""], "after tracin"),
        (["tracin", "digits", "--out", ""], "after --out"),
        (["tracin", "digits", "--out="], "after --out"),
        (["tracin", "digits", "--learner", ""], "after --learner"),
        (["evaluate", "lds", "", "--store", "x"], "after lds"),
        (["evaluate", "lds", "x", "--store", ""], "after --store"),
        (["evaluate", "mislabels", "digits", "--classes", ""], "after --classes"),
        (["datamodels", "verify", ""], "after verify"),
        (["datamodels", "collect", "digits", "--store=\t"], "after --store"),
    ],
)
def test_an_empty_argument_is_named_by_its_place(
    here, arguments: list[str], place: str, results_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    where = f" {place}" if place else ""
    expected = f"Error: The argument{where} is empty: give it a value, or leave it out.\n"
    assert here(*arguments) == (2, "", expected)
    assert list(tmp_path.iterdir()) == []


# Where a result can't be written


@pytest.fixture
def blocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which nothing can be made, as on a read-only disk, also for root."""
    make = Path.mkdir

    def mkdir(self: Path, *arguments: object, **options: object) -> None:
        if "blocked" in self.parts:
            raise OSError(30, "Read-only file system")
        make(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", mkdir)
    return tmp_path / "blocked"


def test_the_command_line_advises_its_option(here, blocked: Path, houses) -> None:
    status, _, errors = here(*QUICK, "--out", blocked / "one")
    assert status == 1
    assert f"{blocked / 'one'} can't be written to (Read-only file system)" in errors
    assert "--out" in errors
    assert errors.count("\n") == 1
    made = Path(shutil.copytree(homes.precomputed_home() / "digits" / "datamodels-lasso", blocked.parent / "made"))
    errors = here(*QUICK, "--out", made)[2]
    assert "exists already" in errors
    assert "--replace" in errors


def test_where_no_folder_can_be_made_no_hidden_name_is_told(here, houses) -> None:
    """Linux lets nobody make a folder in /proc, and says that there is no such one."""
    status, _, errors = here(*QUICK, "--out", "/proc/one")
    assert status == 1
    assert "/proc/one failed (No such file or directory)" in errors
    assert errors.endswith("--out.\n")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words", "told"),
    [
        (("tracin", "digits", "--classes"), " 0 , 1", "digits has no class 'wrong': "),
        (("datamodels", "run", "digits", "--classes"), "0, 1", "digits has no class 'wrong': "),
        (("evaluate", "mislabels", "digits", "--classes"), "3, 5", "digits has no class 'wrong': "),
        (("evaluate", "removal", "result", "--choices"), "helpful, random", "choice is 'wrong', but must be one of "),
        (("evaluate", "removal", "result", "--counts"), "1, 10", "--counts has 'wrong', which is no whole number: "),
        (("evaluate", "sizes", "result", "--sizes"), " 50, 100", "--sizes has 'wrong', which is no whole number: "),
    ],
)
def test_a_list_may_have_spaces(here, arguments: tuple[str, ...], words: str, told: str) -> None:
    """Only the last word of each list is wrong."""
    result = str(homes.precomputed_home() / "digits" / "datamodels")
    given = [result if each == "result" else each for each in arguments]
    status, _, errors = here(*given, f"{words} , wrong ")
    assert status == 1
    assert errors.startswith(f"Error: {told}")


def test_the_browser_is_told_nothing_of_options(blocked: Path) -> None:
    """What its runs say comes as an event, which has no options."""
    with pytest.raises(InfluenceError) as caught, results.writing(blocked / "one"):
        pytest.fail("nothing can be made there")
    assert "set INFLUENCE_RESULTS_DIR" in str(caught.value)
    assert "--" not in str(caught.value)


def test_the_events_of_a_run_name_no_option(tmp_path: Path) -> None:
    made = Path(shutil.copytree(homes.precomputed_home() / "digits" / "datamodels-lasso", tmp_path / "made"))
    with open("/dev/zero", "rb") as endless:
        arguments = ("tracin", "digits", "--train-size", 50, "--epochs", 1, "--k", 2, "--out", made)
        ended = influence(*arguments, "--events", stdin=endless)
    assert ended.returncode == 1
    last = json.loads(ended.stdout.splitlines()[-1])
    assert last == {"error": f"{made} exists already: choose another folder."}


def test_a_file_that_takes_the_name_is_told_alike(here, houses, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("dear")
    status, _, errors = here(*QUICK, "--out", tmp_path / "one", "--replace")
    assert status == 1
    assert "not replaced" in errors
    assert errors.endswith("--out.\n")
    refused = pytest.raises(InfluenceError, match=r"not replaced: [^-]*$")
    with refused, results.writing(tmp_path / "one", replace=True):
        pytest.fail("it is dear")
