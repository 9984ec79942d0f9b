"""``python -m influence doctor``: lines that follow what is on the machine."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from influence import doctor, homes
from influence.cli.main import main
from influence.datasets import sheets

ROOT = Path(__file__).parents[1]


def found() -> dict[str, str]:
    """What the lines say, by their names."""
    return dict(line.split("  ", 1) for line in doctor.report())


@pytest.fixture
def bare(no_houses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without data sets, results that ship, Chromium or an NVIDIA GPU; the folder is its PATH."""
    monkeypatch.setattr(sheets, "path_of", lambda name: tmp_path / "no-precomputed" / name)
    monkeypatch.setattr(homes, "precomputed_home", lambda: tmp_path / "no-precomputed")
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_ten_lines_and_what_ships_is_here() -> None:
    lines = doctor.report()
    assert len(lines) == 10
    said = found()
    assert said["california-housing"].strip() == "here"
    shipped = len(list((ROOT / "precomputed").glob("*/*/manifest.json")))
    assert said["Shipped results"].strip().startswith(f"{shipped} in ")


def test_what_is_missing_and_which_command_brings_it(bare: Path) -> None:
    said = found()
    for name in ("california-housing", "cifar10"):
        assert "missing" in said[name]
        assert f"python -m influence data {name}" in said[name]
    assert said["digits"].strip() == "here"
    assert "missing" in said["cifar10 pictures"]
    assert "none" in said["Shipped results"]
    assert "missing" in said["Chromium"]
    assert "no NVIDIA GPU" in said["GPU"]


def test_a_gpu_and_chromium_are_found(bare: Path) -> None:
    program(bare, "nvidia-smi", "echo A GPU; echo Another")
    program(bare, "chromium-browser", "")
    said = found()
    assert said["GPU"].strip() == "A GPU, Another"
    assert said["Chromium"].strip() == str(bare / "chromium-browser")


def test_a_driver_that_fails_is_no_gpu(bare: Path) -> None:
    program(bare, "nvidia-smi", "echo no devices were found; exit 6")
    assert "no NVIDIA GPU" in found()["GPU"]


def test_threads_and_disk(monkeypatch: pytest.MonkeyPatch, results_home: Path) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    said = found()
    assert "OMP_NUM_THREADS is 3" in said["Threads"]
    assert str(results_home.parent) in said["Disk"]  # which does not exist before the first run
    assert not results_home.exists()


def test_own_results_and_a_damaged_one(results_home: Path) -> None:
    assert found()["Your results"].strip().startswith("none")
    shipped = ROOT / "precomputed" / "digits" / "tracin"
    for name in ("good", "bad"):
        shutil.copytree(shipped, results_home / name)
    assert found()["Your results"].strip() == f"2 in {results_home}"
    (results_home / "bad" / "manifest.json").write_text("{")
    said = found()["Your results"]
    assert str(results_home / "bad") in said
    assert str(results_home / "good") not in said


def test_the_verb_prints_the_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["influence", "doctor"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert not caught.value.code
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if not line.startswith("Disk")] == [
        line for line in doctor.report() if not line.startswith("Disk")
    ]


def test_torch_is_not_imported() -> None:
    code = "import sys; from influence import doctor; doctor.report(); print('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, "False\n"), ended.stderr
