"""`python -m influence datamodels ...`, as people use it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from influence import results
from influence.datamodels import outcomes
from tests.cli.driving import influence, refused

pytestmark = pytest.mark.usefixtures("warm")

QUICK = ("--setting", "width=8", "--setting", "epochs=1")
SMALL = (*QUICK, "--models", 60, "--held-out", 40, "--estimator", "ridge", "--k", 5)


def test_collect_fit_verify(tmp_path: Path) -> None:
    """The long way, in processes of their own."""
    store, out = tmp_path / "store", tmp_path / "result"
    ended = influence("datamodels", "collect", "digits", "--models", 100, *QUICK, "--store", store)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "100 models trained, 0 of them diverged" in ended.stdout
    ended = influence("datamodels", "verify", store)
    assert (ended.returncode, ended.stdout) == (
        0,
        f"{store}: 100 models: 100 done, 0 diverged, 0 missing, 0 damaged.\n",
    )
    lasso = ("--estimator", "lasso", "--estimator-setting", "lambdas=20")
    ended = influence("datamodels", "fit", store, "--held-out", 40, *lasso, "--out", out)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"Result: {out}\n"
    manifest = results.read(out).manifest.as_dict()
    assert manifest["quality"]["fitted"] == 60
    assert manifest["config"]["outcomes"]["learner"]["epochs"] == 1
    assert manifest["config"]["settings"] == {"lambdas": 20}
    ended = influence("check", out)
    assert "360 targets, 1,437 training examples" in ended.stdout


def test_run_in_one_go_prints_events(tmp_path: Path) -> None:
    out = tmp_path / "result"
    with open("/dev/zero", "rb") as endless:
        ended = influence("datamodels", "run", "digits", *SMALL, "--out", out, "--events", stdin=endless)
    assert ended.returncode == 0, ended.stderr
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert events[-1] == {"result": str(out)}
    assert any("of 100 models" in str(event.get("what")) for event in events)
    assert results.read(out).manifest.as_dict()["quality"]["fitted"] == 60
    assert Path(os.environ["INFLUENCE_RESULTS_DIR"], ".outcomes").is_dir()


def test_collect_resumes_extends_and_shards(here, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    collect = ("datamodels", "collect", "digits", *QUICK, "--store", store)
    assert here(*collect, "--models", 200, "--range", "50:100")[0] == 0
    assert outcomes.verify(store).done == 50
    assert "150 models trained" in here(*collect, "--models", 200)[1]
    assert "0 models trained, 0 of them diverged; 200 are there" in here(*collect, "--models", 200)[1]
    assert "50 models trained" in here(*collect, "--models", 250)[1]
    assert outcomes.read_config(store).learner.epochs == 1  # type: ignore[attr-defined]


def test_verify_repairs(here, tmp_path: Path) -> None:
    store = tmp_path / "store"
    collect = ("datamodels", "collect", "digits", *QUICK, "--models", 50, "--store", store)
    assert here(*collect)[0] == 0
    next(path for path in (store / "margins" / "c").rglob("*") if path.is_file()).write_bytes(b"junk")
    status, output, _ = here("datamodels", "verify", store)
    assert status == 1
    assert "50 damaged (0-49)" in output
    assert here("datamodels", "verify", store, "--repair")[0] == 0
    assert "50 models trained" in here(*collect)[1]
    assert here("datamodels", "verify", store)[0] == 0


@pytest.mark.parametrize("verb", ["collect", "fit", "verify", "run"])
def test_every_verb_has_an_example(here, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    status, output, errors = here("datamodels", verb, "--help")
    assert (status, errors) == (0, "")
    assert f"Example: python -m influence datamodels {verb}" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "digits", "--alpha", "1"], "alpha is 1.0, but must be above 0 and below 1"),
        (["run", "digits", "--alpha", "0"], "alpha is 0.0"),
        (["run", "digits", "--seeds", "none"], "seeds is 'none', but must be one of fresh, common"),
        (["run", "digits", "--seed", "-1"], "seed is -1"),
        (["run", "digits", "--estimator", "magic"], "There is no estimator 'magic': the estimators are"),
        (["run", "digits", "--models", "1"], "models is 1, but must be at least 2"),
        (["run", "digits", "--held-out", "5"], "held_out is 5, but must be at least 10"),
        (["run", "digits", "--k", "2000"], "k is 2000, but must lie between 1 and the 1437"),
        (["run", "digit"], "There is no data set 'digit'"),
        (["run", "california-housing"], "has no classes"),
        (["run", "digits", "--learner", "mpl"], "Did you mean mlp?"),
        (["run", "digits", "--setting", "epochs"], "--setting 'epochs' is not NAME=VALUE"),
        (["run", "digits", "--setting", "colour=3"], "has no setting"),
        (["run", "digits", "--estimator-setting", "choose"], "--estimator-setting 'choose' is not NAME=VALUE"),
        (["run", "digits", "--estimator-setting", "lambdas=9"], "prior-informed has no setting 'lambdas': it has"),
        (
            ["run", "digits", "--estimator", "lasso", "--estimator-setting", "ratio=2"],
            "ratio is 2, but must be above 0 and below 1",
        ),
        (["run", "digits", "--classes", "one"], "digits has no class 'one'"),
        (["run", "digits", "--backend", "cloud"], "backend is 'cloud'"),
        (["run", "digits", "--backend", "dask"], "A scheduler's address belongs to the dask backend"),
        (["collect", "digits", "--range", "5"], "--range '5' is not FIRST:STOP"),
        (["collect", "digits", "--range", "7:50"], "cuts through models"),
        (["fit", "nowhere"], "There is no outcome store at nowhere"),
        (["verify", "nowhere"], "There is no outcome store at nowhere"),
    ],
)
def test_bad_values(here, arguments: list[str], message: str, results_home: Path) -> None:
    status, output, errors = here("datamodels", *arguments)
    assert (status, output) == (1, "")
    assert message in errors
    assert errors.startswith("Error: ")
    assert errors.count("\n") == 1
    assert not [path for path in results_home.glob("*") if path.name != ".outcomes"]


def test_a_store_of_another_config(tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert influence("datamodels", "collect", "digits", "--models", 5, *QUICK, "--store", store).returncode == 0
    text = refused("datamodels", "collect", "digits", "--models", 5, *QUICK, "--alpha", 0.4, "--store", store)
    assert "subsets.alpha is 0.5 there and 0.4 here" in text


def test_ctrl_c_keeps_the_models_that_were_trained(results_home: Path) -> None:
    command = [sys.executable, "-m", "influence", "datamodels", "run", "digits", "--models", "20000", *QUICK]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 90
    while not list(results_home.glob(".outcomes/*/margins/c/*/*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, "")
    assert "are kept" in errors
    (store,) = (results_home / ".outcomes").iterdir()
    assert outcomes.verify(str(store)).damaged == []
    assert [path.name for path in results_home.iterdir()] == [".outcomes"]
