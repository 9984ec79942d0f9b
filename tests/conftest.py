"""Fixtures that all tests share. No test writes into the project's own results/."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from influence import datasets
from influence.datasets import Dataset, california_housing
from tests.warm import Mother, popen_of

# The problems are small, and threads that wait for each other make tests slow on a machine that does other work too.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"

HERE = Path(__file__).parent

# What `make quick` leaves out: tests that train models, start processes, or draw whole pages of the explorer, and take
# seconds, alone or together. They are listed here and not marked where they stand: one place shows what is left out.
SLOW = (
    "cli/test_evaluate.py",
    "cli/test_main.py",
    "cli/test_outcomes.py",
    "cli/test_words.py::test_names_are_readable",
    "datamodels/test_outcomes.py::test_a_full_disk",
    "datamodels/test_outcomes.py::test_colour_models",
    "datamodels/test_outcomes.py::test_damage_is_found_and_mended",
    "datamodels/test_outcomes.py::test_kill_anywhere",
    "datamodels/test_outcomes.py::test_loky",
    "datamodels/test_outcomes.py::test_resuming_extending_and_sharding",
    "datamodels/test_outcomes.py::test_writers_of_different_ranges",
    "datamodels/test_outcomes_elsewhere.py",
    "datamodels/test_priors.py::test_few_models_go_a_long_way",
    "datamodels/test_priors.py::test_the_prior_mean_points",
    "datamodels/test_priors.py::test_the_sketched_prior",
    "datamodels/test_adjoint.py",
    "datasets/test_california_housing.py::test_what_ships_can_be_made_again",
    "datasets/test_cifar10.py",
    "datasets/test_sheets.py::test_the_sheet_has_the_official_pixels",
    "measures/test_baselines.py::test_intervals_of_means",
    "measures/test_lds.py::test_the_interval_covers",
    "explorer/",
    "gradients/test_layers.py::test_a_convolution_in_single_precision",
    "gradients/test_layers.py::test_a_network_in_single_precision",
    "gradients/test_layers.py::test_passes_and_blocks",
    "gradients/test_layers.py::test_projections_average",
    "learners/test_convnet.py::test_it_learns_in_mixed_precision",
    "learners/test_regression.py::test_a_short_training_on_the_houses",
    "methods/test_datamodels.py",
    "methods/test_tracin",
    "test_doctor.py",
    "test_extending.py",
    "test_install.py",
    "test_notebook.py",
    "test_packaging.py",
    "results/test_killed.py::test_readers_never_notice_a_replacement",
    "test_runs.py",
    "test_serve.py",
    "test_stopping.py",
    "evaluation/test_",
    "retraining/",
    "tracin/test_scores.py::test_a_wider_projection",
    "tracin/test_scores.py::test_memory_changes_the_blocks",
    "tracin/test_scores.py::test_projections_average",
    "test_waiting.py::test_a_run_that_the_explorer_starts",
    "test_waiting.py::test_the_command_line_sets",
    "test_waiting.py::test_the_explorer_itself",
)

# A shell that starts the tests in the background has them ignore Ctrl-C, and nohup the terminal's end; what they start
# would ignore it too.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def results_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for results, for this process and those that it starts."""
    home = tmp_path / "results-of-this-test"
    monkeypatch.setenv("INFLUENCE_RESULTS_DIR", str(home))
    return home


@pytest.fixture(scope="session", autouse=True)
def _caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A place for caches that goes with the session, for this process and those that it starts."""
    home = tmp_path_factory.mktemp("cache")
    os.environ["XDG_CACHE_HOME"] = str(home)
    yield
    shutil.rmtree(home)  # a copy of CIFAR-10 may be in it


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def mother() -> Iterator[Mother]:
    one = Mother()
    yield one
    one.close()


@pytest.fixture(scope="module")
def warm(mother: Mother) -> Iterator[None]:
    """While a file's tests run, ``python -m influence`` is forked from a process that has imported everything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", popen_of(mother))
        yield


@pytest.fixture
def no_houses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No California housing, as where the package was installed from a wheel and nothing was downloaded."""
    monkeypatch.setattr(california_housing, "shipped", lambda: tmp_path / "no-precomputed")
    monkeypatch.setenv("INFLUENCE_DATA_DIR", str(tmp_path / "no-data"))


@pytest.fixture(scope="session")
def houses() -> Dataset:
    """California housing, which ships."""
    return datasets.load(california_housing.NAME)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where slow tests are left out, import no file that has nothing else."""
    place = collection_path.relative_to(HERE).as_posix() if collection_path.is_relative_to(HERE) else ""
    left_out = tuple(each for each in SLOW if "::" not in each) if "not slow" in config.option.markexpr else ()
    if "not browser" in config.option.markexpr:
        left_out += ("browser/",)
    return True if f"{place}/".startswith(left_out) else None


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what `SLOW` lists."""
    for item in items:
        if item.nodeid.removeprefix("tests/").startswith(SLOW):
            item.add_marker(pytest.mark.slow)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With INFLUENCE_NO_SKIPS set, as in CI, a skipped test is a failure: nothing goes unnoticed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("INFLUENCE_NO_SKIPS") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line("Tests were skipped, and INFLUENCE_NO_SKIPS is set: that is a failure.", red=True)
