"""`python -m influence evaluate ...`, as people use it."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from influence import evidence, results
from influence.datamodels.outcomes import OutcomeConfig
from influence.evidence import Evaluated
from influence.learners.mlp import Mlp
from influence.methods.datamodels import Datamodels, DatamodelsConfig
from tests.cli.driving import influence

pytestmark = pytest.mark.usefixtures("warm")

FEW = ("--targets", 2, "--counts", "2,20", "--seeds", 2, "--feature-models", 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A result and its store."""
    folder = tmp_path_factory.mktemp("evaluate")
    outcomes = OutcomeConfig(learner=Mlp(width=8, epochs=1))
    config = DatamodelsConfig(outcomes=outcomes, models=30, held_out=20, estimator="ridge", k=5)
    return Datamodels.run(config, folder / "result", store=str(folder / "store")), folder / "store"


def evaluated(result: Path) -> Evaluated:
    found = evidence.read(results.read(result))
    assert found.problems == []
    return found


def test_every_kind(here, made: tuple[Path, Path], tmp_path: Path) -> None:
    result, store = made
    status, output, errors = here("evaluate", "lds", result, "--store", store, "--bootstrap", 20, "--models", "0:15")
    assert (status, output, errors) == (0, f"Result: {result / 'evidence' / 'lds'}\n", "")
    assert here("evaluate", "removal", result, *FEW, "--choices", "helpful,random", "--store", store)[0] == 0
    assert here("evaluate", "mislabels", result, "--models", 1, "--subset-models", 20)[0] == 0
    quick = ("--targets", 8, "--lasso-targets", 3, "--bootstrap", 10, "--feature-models", 1, "--sizes", "20,500")
    assert here("evaluate", "scaling", result, "--store", store, *quick)[0] == 0
    found = evaluated(result)
    assert found.scaling is not None
    assert set(found.scaling.scores["models"]) == {0, 16, 20, 30}
    assert found.lds is not None
    assert found.lds.held_out == 15
    assert found.removal is not None
    assert found.removal.config["counts"] == [2, 20]
    assert found.removal.config["choices"] == ["helpful", "random"]
    assert found.mislabels is not None
    assert found.mislabels.config["learner"]["width"] == 8
    assert "Complete and undamaged" in here("check", result)[1]


def test_mislabels_of_a_data_set_go_where_they_are_told(here, tmp_path: Path, results_home: Path) -> None:
    quick = ("--setting", "width=4", "--setting", "epochs=1", "--models", 1, "--subset-models", 20, "--share", 0.2)
    part = ("--classes", "3,8", "--train-size", 200)
    assert here("evaluate", "mislabels", "digits", *quick, *part, "--out", tmp_path / "one")[0] == 0
    manifest, tables = evidence.read_one(tmp_path / "one", "mislabels")
    assert (manifest.figures.flipped, manifest.figures.train) == (40, 200)
    assert set(tables["examples"]["true"]) == {3, 8}
    assert here("evaluate", "mislabels", "digits", *quick)[0] == 0
    assert (results_home / ".evidence" / "digits" / "evidence" / "mislabels").is_dir()


def test_progress_as_events(made: tuple[Path, Path]) -> None:
    result, _ = made
    with open("/dev/zero", "rb") as endless:
        ended = influence(
            "evaluate", "removal", result, *FEW, "--counts", "2,5", "--out", result, "--events", stdin=endless
        )
    assert ended.returncode == 0, ended.stderr
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert events[-1] == {"result": str(result / "evidence" / "removal")}
    shares = [event["progress"] for event in events[:-1]]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert any("models," in event["what"] for event in events[:-1])


def test_a_killed_removal_goes_on(made: tuple[Path, Path], results_home: Path) -> None:
    """Killed outright while it trains, then interrupted by Ctrl-C: what was trained stays, nothing else is there."""
    result, _ = made
    arguments = ("evaluate", "removal", str(result), "--targets", "60", "--seeds", "40", "--feature-models", "1")
    kept = 0
    for sign in (signal.SIGKILL, signal.SIGINT):
        command = [sys.executable, "-m", "influence", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        while trained(results_home) <= kept:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(sign)
        _, errors = process.communicate(timeout=60)
        if sign == signal.SIGINT:
            assert process.returncode == 130
            assert "are kept" in errors
        assert trained(results_home) > kept
        kept = trained(results_home)
    assert kept % 50 == 0  # whole batches alone


def trained(home: Path) -> int:
    try:
        (path,) = (home / ".trainings").glob("*.sqlite")
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            return int(connection.execute("select count(*) from said").fetchone()[0])
    except (ValueError, sqlite3.Error):
        return 0


def test_sizes_is_the_former_name_of_scaling(here, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on, with the same options, and the list of verbs leaves it out."""
    monkeypatch.setenv("COLUMNS", "200")
    verbs = here("evaluate", "--help")[1]
    assert "scaling" in verbs
    assert "sizes" not in verbs
    former, today = (here("evaluate", verb, "--help")[1] for verb in ("sizes", "scaling"))
    assert former.replace("evaluate sizes", "evaluate scaling").split() == today.split()


@pytest.mark.parametrize("verb", ["lds", "removal", "mislabels", "scaling", "sizes"])
def test_every_verb_has_an_example(here, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    status, output, errors = here("evaluate", verb, "--help")
    assert (status, errors) == (0, "")
    assert f"Example: python -m influence evaluate {verb}" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lds", "nowhere", "--store", "x"], "nowhere is not a result folder"),
        (["sizes", "RESULT", "--store", "nowhere"], "There is no outcome store at nowhere"),
        (["scaling", "RESULT", "--sizes", "1,5"], "each at least 2"),
        (["sizes", "RESULT", "--sizes", "many"], "--sizes"),
        (["lds", "RESULT", "--store", "nowhere"], "There is no outcome store at nowhere"),
        (["lds", "RESULT", "--store", "STORE", "--models", "5"], "--models '5' is not FIRST:STOP"),
        (["lds", "RESULT", "--store", "STORE", "--models", "0:5"], "has 5 finished model(s) that may judge"),
        (["lds", "RESULT", "--store", "STORE", "--models", "10:30"], "saw the subsets of the models 20 to 49"),
        (["lds", "RESULT", "--store", "STORE", "--ceiling-store", "no"], "no store of them at no: collect them with"),
        (["lds", "RESULT", "--store", "STORE", "--ceiling-store", "a b"], "--store 'a b'` and this store's settings"),
        (["lds", "RESULT", "--store", "STORE", "--bootstrap", "1"], "bootstrap is 1, but must be at least 10"),
        (["removal", "nowhere"], "nowhere is not a result folder"),
        (["removal", "RESULT", "--counts", "1,two"], "--counts has 'two', which is no whole number"),
        (["removal", "RESULT", "--counts", "0,5"], "--counts must lie between 1 and the 138"),
        (["removal", "RESULT", "--choices", "best"], "choice is 'best', but must be one of helpful"),
        (["removal", "RESULT", "--seeds", "0"], "seeds is 0, but must be at least 1"),
        (["mislabels", "digit"], "There is no data set 'digit'"),
        (["mislabels", "california-housing"], "has no classes, and so no labels to flip"),
        (["mislabels", "digits", "--share", "0.7"], "share is 0.7, but must be above 0 and at most 0.5"),
        (["mislabels", "digits", "--alpha", "1"], "alpha is 1.0, but must be above 0"),
        (["mislabels", "digits", "--classes", "3"], "training examples are of one class"),
        (["mislabels", "RESULT", "--learner", "mlp"], "A result has its own learner and data"),
        (["mislabels", "precomputed/california-housing/tracin"], "does not say which learner of images made it"),
    ],
)
def test_bad_values(here, made: tuple[Path, Path], arguments: list[str], message: str) -> None:
    given = [{"RESULT": str(made[0]), "STORE": str(made[1])}.get(each, each) for each in arguments]
    before = sorted(made[0].rglob("*"))
    status, output, errors = here("evaluate", *given)
    assert (status, output) == (1, "")
    assert message in errors
    assert errors.startswith("Error: ")
    assert errors.count("\n") == 1
    assert sorted(made[0].rglob("*")) == before
