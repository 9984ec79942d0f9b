"""The command line as people use it: a process, its exit status, and what it prints."""

import subprocess
import sys

SMALL = ("tracin", "digits", "--train-size", "200", "--setting", "width=8", "--epochs", "2", "--k", "5")
QUICK = ("tracin", "california-housing", "--epochs", "1", "--checkpoint-every", "1", "--k", "5")


def influence(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "influence", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, **options)  # type: ignore[call-overload]


def refused(*arguments: object, status: int = 1, **options: object) -> str:
    """The one sentence on standard error with which a command ends, and nothing on standard output."""
    ended = influence(*arguments, **options)
    assert ended.returncode == status, ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert ended.stderr.startswith("Error: ")
    assert ended.stderr.count("\n") == 1
    return ended.stderr.removeprefix("Error: ").rstrip()
