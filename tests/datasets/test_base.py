"""Splits, hashes, and what a data set refuses."""

from dataclasses import replace

import numpy as np
import pytest

from influence import Dataset, InfluenceError, Split, datasets
from influence.datasets import Facts, Regression

FACTS = Facts("small", Regression("price", "$"))


def split(n: int = 4, first: int = 100) -> Split:
    inputs = np.arange(2.0 * n).reshape(n, 2)
    return Split(np.arange(first, first + n, dtype=np.int32), inputs, np.arange(float(n)))


def dataset(**changes: Split) -> Dataset:
    return Dataset(replace(FACTS, columns=("rooms", "people")), **{"train": split(), "test": split(2, 0), **changes})


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="3 names, 2 inputs and 2 labels"):
        Split(np.arange(3), np.zeros((2, 1)), np.zeros(2))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_bad_feature_is_named_by_row_and_column(value):
    bad = split()
    bad.inputs[2, 1] = bad.inputs[3, 0] = value
    with pytest.raises(InfluenceError) as caught:
        dataset(train=bad)
    assert "people of training example 102 is not a finite number (2 such" in str(caught.value)


def test_a_bad_feature_of_a_test_example_without_feature_names():
    bad = split(2, 0)
    bad.inputs[1, 0] = np.nan
    with pytest.raises(InfluenceError, match="small: feature 0 of test example 1 is not a finite number"):
        Dataset(FACTS, split(), bad)


def test_a_bad_label():
    bad = split()
    bad.labels[0] = np.nan
    with pytest.raises(InfluenceError, match="label of training example 100 is not a finite"):
        dataset(train=bad)


def test_the_hash_follows_the_content_and_nothing_else():
    assert dataset().content_hash == dataset().content_hash
    seen = {dataset().content_hash, dataset(train=split(first=101)).content_hash, dataset(train=split(5)).content_hash}
    inputs, labels = split(), split()
    inputs.inputs[0, 0] = labels.labels[0] = 9
    seen |= {dataset(train=inputs).content_hash, dataset(train=labels).content_hash}
    assert len(seen) == 5


def test_a_known_hash_is_believed_and_not_passed_on():
    known = Dataset(FACTS, split(), split(2, 0), known_hash="f" * 64)
    assert known.content_hash == "f" * 64
    assert replace(known, test=split(2, 0)).content_hash == dataset().content_hash


def test_whole_numbers_are_not_read_to_find_them_finite(monkeypatch):
    inputs = np.zeros((4, 2), dtype=np.uint8)
    whole = Split(np.arange(4, dtype=np.int32), inputs, np.zeros(4, dtype=np.int64))
    monkeypatch.setattr(np, "isfinite", None)
    assert len(Dataset(FACTS, whole, whole).train) == 4


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("california-houses", " Did you mean california-housing?"),
        ("cifar", " Did you mean cifar10?"),
        ("zebra", ""),
        ("", ""),
    ],
)
def test_an_unknown_name_gets_a_suggestion(name, hint):
    for function in (datasets.load, datasets.fetch, datasets.is_present, datasets.check_name):
        with pytest.raises(InfluenceError) as caught:
            function(name)
        known = "california-housing, cifar10, digits"
        message = f"There is no data set {name!r}; the data sets are {known}.{hint}"
        assert str(caught.value) == message


@pytest.mark.parametrize("name", ["california-housing", "cifar10"])  # digits comes inside scikit-learn
def test_a_missing_data_set_says_how_to_get_it(name, no_houses, tmp_path, monkeypatch):
    monkeypatch.setenv("INFLUENCE_DATA_DIR", str(tmp_path))
    assert not datasets.is_present(name)
    with pytest.raises(InfluenceError) as caught:
        datasets.load(name)
    assert f"run `python -m influence data {name}`" in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []  # nothing was downloaded or made
