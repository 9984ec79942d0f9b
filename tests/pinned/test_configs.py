"""Configs: their stored form, their digests and the stores' names; a digest never changes for the same training."""

import json
from pathlib import Path
from typing import Any

import pytest

from influence import datasets
from influence.datasets import Dataset
from tests.pinned import adapters
from tests.pinned.record import pinned

GIVEN: dict[str, dict[str, Any]] = {
    "digits": {"dataset": "digits"},
    "cifar10": {"dataset": "cifar10"},
    **{
        f"{dataset}, {learner}": {"dataset": dataset, "learner": learner}
        for dataset in ("digits", "cifar10")
        for learner in ("mlp", "convnet", "patchnet")
    },
    "classes": {"dataset": "digits", "classes": "3,8"},
    "classes of cifar10": {"dataset": "cifar10", "classes": "cat,dog"},
    "size": {"dataset": "digits", "train_size": 200},
    "alpha": {"dataset": "digits", "alpha": 0.25},
    "seed": {"dataset": "digits", "seed": 7},
    "common seeds": {"dataset": "digits", "seeds": "common"},
    "repeat": {"dataset": "digits", "repeat": 1},
    "second repeat": {"dataset": "cifar10", "seeds": "common", "repeat": 2},
    "setting": {"dataset": "digits", "settings": ["epochs=10", "width=8"]},
    "whole number for a real setting": {"dataset": "digits", "settings": ["learning_rate=1"]},
    "flag": {"dataset": "cifar10", "learner": "convnet", "settings": ["flip=false", "average=0"]},
    "everything": {
        "dataset": "digits",
        "learner": "patchnet",
        "settings": ["filters=8", "patch=3"],
        "classes": "1,7",
        "train_size": 150,
        "alpha": 0.4,
        "seed": 3,
        "seeds": "common",
        "repeat": 1,
    },
}


def observe() -> dict[str, Any]:
    configs = {name: adapters.outcome_config(**given) for name, given in GIVEN.items()}
    houses = datasets.load("california-housing")
    return {
        "outcomes": {
            name: {
                "config": adapters.outcome_config_as_json(config),
                "digest": adapters.digest(config),
                "store": adapters.default_store(config).name,
            }
            for name, config in configs.items()
        },
        "defaults": json.loads(json.dumps(adapters.default_configs())),
        "open settings": open_settings(houses),
        "trainings": training_names(houses),
    }


def open_settings(houses: Dataset | None = None) -> dict[str, Any]:
    """What an evaluation chooses for the settings that were left open."""
    chosen = {f"mislabels of {n:,}": adapters.completed_mislabels(n) for n in (1_437, 50_000)}
    for dataset in (datasets.load("digits"), houses):
        if dataset is not None:
            chosen[f"removal, {dataset.name}"] = adapters.completed_removal(dataset)
    values: dict[str, Any] = json.loads(json.dumps(chosen))
    return values


def training_names(houses: Dataset | None = None) -> dict[str, str]:
    """The files that hold finished trainings, and the keys of two trainings."""
    names = adapters.training_store_names(datasets.load("digits"), houses)
    return names | {f"key {removed} {seed}": adapters.training_key(removed, seed) for removed, seed in KEYS}


KEYS: list[tuple[list[int], int]] = [([], 0), ([1, 2, 300], 2**64 - 1)]


@pytest.fixture(scope="module")
def expected() -> Any:
    return pinned("configs")


@pytest.mark.parametrize("name", GIVEN)
def test_the_config_of_a_store(name: str, expected: Any, results_home: Path) -> None:
    pin = expected["outcomes"][name]
    config = adapters.outcome_config(**GIVEN[name])
    assert adapters.outcome_config_as_json(config) == pin["config"]
    again = adapters.outcome_config_from_json(pin["config"])
    assert again == config
    assert (adapters.digest(config), adapters.digest(again)) == (pin["digest"], pin["digest"])
    assert adapters.default_store(config) == results_home / ".outcomes" / pin["store"]


def test_no_two_trainings_share_a_digest(expected: Any) -> None:
    by_digest: dict[str, set[str]] = {}
    for pin in expected["outcomes"].values():
        by_digest.setdefault(pin["digest"], set()).add(json.dumps(pin["config"], sort_keys=True))
    assert all(len(configs) == 1 for configs in by_digest.values())
    assert len(by_digest) == len(GIVEN) - 2  # the default learners are given once by name, too


def test_default_settings(expected: Any) -> None:
    """No default may change or disappear; a new setting may appear."""
    defaults = json.loads(json.dumps(adapters.default_configs()))
    for name, pin in expected["defaults"].items():
        assert defaults[name].items() >= pin.items(), name


def test_open_settings_and_finished_trainings(expected: Any) -> None:
    """An evaluation that was stopped goes on: what it had trained is found again."""
    assert open_settings().items() <= expected["open settings"].items()
    assert training_names().items() <= expected["trainings"].items()


def test_open_settings_and_finished_trainings_on_houses(houses: Dataset, expected: Any) -> None:
    assert open_settings(houses) == expected["open settings"]
    assert training_names(houses) == expected["trainings"]
