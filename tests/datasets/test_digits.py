import numpy as np
import pytest
from sklearn.datasets import load_digits

from influence import datasets
from influence.errors import InfluenceError


def test_digits_is_scikit_learns_split_once_and_for_all():
    digits = datasets.load("digits")
    images, labels = load_digits(return_X_y=True)
    assert (len(digits.train), len(digits.test)) == (1437, 360)
    assert sorted([*digits.train.index, *digits.test.index]) == list(range(1797))
    for split in (digits.train, digits.test):
        assert np.array_equal(split.inputs.reshape(-1, 64), images[split.index])
        assert np.array_equal(split.labels, labels[split.index])
        assert (np.diff(split.index) > 0).all()
    assert digits.content_hash == datasets.load("digits").content_hash
    assert digits.test.index[:5].tolist() == TEST_START


def test_digits_needs_no_download(monkeypatch, tmp_path):
    monkeypatch.setenv("INFLUENCE_DATA_DIR", str(tmp_path))
    datasets.fetch("digits")
    assert datasets.is_present("digits")
    assert not list(tmp_path.iterdir())


def test_a_part_keeps_names_and_labels():
    digits, part = datasets.load("digits"), datasets.load("digits", ("3", "8"), 100)
    assert set(part.train.labels) == set(part.test.labels) == {3, 8}
    assert len(part.train) == 100
    assert part.train.index.tolist() == digits.train.index[np.isin(digits.train.labels, [3, 8])][:100].tolist()
    rows = np.searchsorted(digits.train.index, part.train.index)
    assert np.array_equal(part.train.inputs, digits.train.inputs[rows])
    assert part.content_hash != digits.content_hash


def test_a_part_that_is_not_there_is_refused():
    with pytest.raises(InfluenceError, match="digits has no class 'three': Its classes are 0, 1, 2"):
        datasets.load("digits", ("three",))
    for size in (0, 1438):
        with pytest.raises(InfluenceError, match=f"train_size is {size}, but must lie between 1 and the 1437"):
            datasets.load("digits", train_size=size)


# Results name examples by these: a change of the split would silently give them other meanings.
TEST_START = [21, 24, 28, 34, 35]
