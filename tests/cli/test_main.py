"""The command line as people use it: a process, its exit status, and what it prints."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from influence import homes, library, results
from tests.cli.driving import QUICK, SMALL, influence, refused

pytestmark = pytest.mark.usefixtures("warm")

VERBS = ("app", "data", "doctor", "tracin", "replay", "check")


@pytest.fixture(scope="module")
def short(warm, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """One run of two epochs, on a small part of a data set."""
    out = tmp_path_factory.mktemp("cli") / "short"
    return out, influence(*SMALL, "--seed", 3, "--out", out)


def test_a_run_prints_where_its_result_is_and_no_progress_bar(short):
    out, ended = short
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"Result: {out}\n"


def test_a_run_leaves_a_whole_result(short):
    out, _ = short
    assert os.listdir(out.parent) == ["short"]
    read = results.read(out)
    assert (len(read.targets), len(read.train), len(read.influences)) == (360, 200, 360 * 10)
    config = read.manifest.as_dict()["config"]
    assert (config["seed"], config["checkpoint_every"]) == (3, 1)
    assert (config["learner"]["epochs"], config["learner"]["width"]) == (2, 8)
    assert (out / "checkpoints" / "epoch-0001.safetensors").is_file()


def test_a_run_on_images(here, results_home):
    """Settings of the learner, part of the data set, and checkpoints at a sixth of the epochs."""
    arguments = ["--classes", "3,8", "--train-size", "200", "--setting", "width=8", "--epochs", "12", "--k", "5"]
    status, output, errors = here("tracin", "digits", *arguments, "--out", results_home / "one")
    assert (status, output, errors) == (0, f"Result: {results_home / 'one'}\n", "")
    read = results.read(results_home / "one")
    assert len(read.train) == 200
    assert read.manifest.as_dict()["checkpoint_epochs"] == [2, 4, 6, 8, 10, 12]
    assert read.manifest.as_dict()["config"]["learner"]["width"] == 8


def test_check(short, tmp_path):
    out, _ = short
    ended = influence("check", out)
    assert ended.returncode == 0
    assert "360 targets, 200 training examples, 3,600 scores" in ended.stdout
    shutil.copytree(out, tmp_path / "copy")
    with open(tmp_path / "copy" / "train.parquet", "r+b") as file:
        file.truncate(1_000)
    assert "train.parquet is damaged" in refused("check", tmp_path / "copy")
    assert "is not a result folder" in refused("check", tmp_path)


@pytest.fixture
def copy(tmp_path):
    """A shipped result with evidence of four kinds."""
    return Path(shutil.copytree(homes.precomputed_home() / "digits" / "datamodels", tmp_path / "copy"))


@pytest.mark.parametrize("part", ["", "evidence/lds", "evidence/removal", "evidence/mislabels"])
def test_check_notices_a_changed_byte_of_any_manifest(here, copy, part):
    path = copy / part / "manifest.json"
    whole = bytearray(path.read_bytes())
    for place in (0, 30, len(whole) // 2, len(whole) - 100, len(whole) - 20, len(whole) - 1):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        status, output, errors = here("check", copy)
        assert (status, output) == (1, "")
        assert str(copy / part) in errors
        assert errors.startswith("Error: ")
    path.write_bytes(whole)
    assert "Complete and undamaged.\n" in here("check", copy)[1]


def test_check_notices_a_damaged_table_of_evidence(here, copy):
    with open(copy / "evidence" / "removal" / "effects.parquet", "r+b") as file:
        file.truncate(1_000)
    status, output, errors = here("check", copy)
    assert (status, output) == (1, "")
    assert "effects.parquet is damaged" in errors


def test_check_says_which_manifests_have_no_digest_and_they_can_be_given_one(here, copy):
    path = copy / "evidence" / "lds" / "manifest.json"
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    for old in (copy / "manifest.json", path):
        values = json.loads(old.read_text())
        del values["manifest_sha256"]
        old.write_text(json.dumps(values, indent=2) + "\n")
    status, output, errors = here("check", copy)
    assert (status, errors) == (0, "")
    assert "undamaged" in output
    assert "older version" in output
    assert here("add-digest", copy)[0] == 0
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
    assert "An older version" not in here("check", copy)[1]


def test_a_replay_makes_the_same_tables(short, tmp_path):
    out, _ = short
    ended = influence("replay", out, "--out", tmp_path / "again")
    assert ended.returncode == 0, ended.stderr
    assert (
        results.read_manifest(tmp_path / "again").as_dict()["tables"] == results.read_manifest(out).as_dict()["tables"]
    )


def test_an_existing_result_is_kept(short):
    out, _ = short
    before = (out / "manifest.json").read_bytes()
    assert f"{out} exists already" in refused(*SMALL, "--out", out)
    assert (out / "manifest.json").read_bytes() == before


def test_help_lists_the_verbs():
    ended = influence("--help")
    assert ended.returncode == 0
    assert all(verb in ended.stdout for verb in VERBS)


def test_no_verb_is_help(here):
    assert here() == here("--help")
    assert "california" not in here()[1]
    assert all(verb in here()[1] for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_an_example(here, verb, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    status, output, errors = here(verb, "--help")
    assert (status, errors) == (0, "")
    assert f"Example: python -m influence {verb}" in output


def test_an_unknown_verb():
    assert refused("tracing", status=2) == "No such command 'tracing'. Did you mean 'tracin'?"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tracin", "california-housing", "--epoch", "3"], "No such option: --epoch"),
        (["tracin", "california-housing", "--epochs", "many"], "Invalid value for '--epochs'"),
        (["tracin"], "Missing argument"),
        (["check"], "Missing argument"),
        (["check", "a", "b"], "unexpected extra argument"),
    ],
)
def test_a_mistyped_command(here, arguments, message):
    status, output, errors = here(*arguments)
    assert (status, output) == (2, "")
    assert message in errors
    assert errors.startswith("Error: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tracin", "california"], "id you mean california-housing?"),
        (["data", "cifra10"], "id you mean cifar10?"),
        (["tracin", "cifar10", "--learner", "convent"], "id you mean convnet?"),
        (["tracin", "california-housing", "--classes", "4"], "none, it has values"),
        (["tracin", "california-housing", "--layers", "first"], "layers is 'first', but must be one of all, last."),
        (["tracin", "digits", "--setting", "width"], "--setting 'width' is not NAME=VALUE"),
        (["tracin", "digits", "--epochs", "0"], "epochs is 0, but must be at least 1."),
        (["tracin", "digits", "--checkpoint-every", "0"], "checkpoint_every is 0, but must be at least 1."),
        (["tracin", "california-housing", "--epochs", "5"], "checkpoint_every is 20 and epochs is 5, which leaves no"),
        (["tracin", "california-housing", "--epochs", "0"], "epochs is 0, but must be at least 1."),
        (["tracin", "california-housing", "--learning-rate", "nan"], "learning_rate is nan, but must be above 0"),
        (["tracin", "california-housing", "--learning-rate", "-1"], "learning_rate is -1.0, but must be above 0"),
        (["tracin", "california-housing", "--seed", "-1"], "seed is -1, but must be at least 0"),
        (["replay", "no/such/result"], "no/such/result is not a result folder"),
    ],
)
def test_bad_values(here, arguments, message, results_home):
    status, output, errors = here(*arguments)
    assert (status, output) == (1, "")
    assert message in errors
    assert errors.startswith("Error: ")
    assert errors.count("\n") == 1
    assert not results_home.exists()


def test_k_larger_than_the_training_set(houses, results_home):
    text = refused("tracin", "california-housing", "--k", 16_513)
    assert "16513" in text
    assert "16512" in text
    assert not results_home.exists()


def test_a_missing_data_set(here, no_houses):
    status, _, errors = here(*QUICK)
    assert status == 1
    assert "run `python -m influence data california-housing`" in errors


def test_a_place_that_cannot_be_written_to(here, houses):
    status, output, errors = here(*QUICK, "--out", "/proc/results")
    assert (status, output) == (1, "")
    assert errors.startswith(("Error: /proc/results can't be written to", "Error: Writing to /proc/results failed"))


def test_divergence(here, houses, results_home):
    status, output, errors = here(*QUICK, "--learning-rate", "1e20")
    assert (status, output) == (1, "")
    assert "Training diverged in epoch 1" in errors
    assert os.listdir(results_home) == []


def test_a_write_that_the_system_stops(houses, results_home):
    """A file-size limit below a checkpoint's 676 KB: a real failing write, as on a full disk."""
    text = refused(
        *QUICK,
        "--out",
        results_home / "one",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)),
    )
    assert "is full: nothing was kept" in text
    assert os.listdir(results_home) == []


def started(results_home: Path) -> subprocess.Popen[str]:
    """A long run that has begun to work."""
    command = [sys.executable, "-m", "influence", *QUICK[:2], "--epochs", "1000", "--out", str(results_home / "one")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(results_home.glob(".partial-*/")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


def test_a_killed_run_leaves_nothing_that_is_seen(houses, results_home):
    process = started(results_home)
    process.kill()
    process.communicate()
    assert [path.name[:9] for path in results_home.iterdir()] == [".partial-"]
    assert library.of_method("california-housing", "tracin")[0][1:] == []
    results.sweep(results_home)
    assert os.listdir(results_home) == []


def test_ctrl_c_is_one_sentence_and_leaves_nothing(houses, results_home):
    process = started(results_home)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (output, errors) == ("", "Stopped; nothing was kept of this run.\n")
    assert os.listdir(results_home) == []


def test_data_verifies_what_is_there(houses):
    ended = influence("data", "california-housing")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "16,512 training and 4,128 test" in ended.stdout


def test_data_tells_a_server_how_it_goes(houses):
    read, write = os.pipe()  # a standard input that stays open
    ended = influence("data", "california-housing", "--events", stdin=read)
    os.close(read)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (0, "")
    first, *_, last = map(json.loads, ended.stdout.splitlines())
    assert first == {"progress": 0.0, "what": "verifying"}
    assert "verified" in last["said"]
