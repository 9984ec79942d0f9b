"""The most alike training examples, against correlations of all pairs by numpy."""

import numpy as np
import pytest

from influence.measures import likeness
from influence.measures.likeness import most_alike


def pictures(seed: int, n: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape)).astype(np.uint8)


def by_hand(targets: np.ndarray, train: np.ndarray, mirrored: bool) -> np.ndarray:
    """(n, n_train, 2): correlations as they are and mirrored; -2 where mirrors do not count."""
    both = np.full((len(targets), len(train), 2), -2.0)
    for row, one in enumerate(targets):
        for place, other in enumerate(train):
            both[row, place, 0] = np.corrcoef(one.ravel(), other.ravel())[0, 1]
            if mirrored:
                both[row, place, 1] = np.corrcoef(one[:, ::-1].ravel(), other.ravel())[0, 1]
    return both


@pytest.mark.parametrize("shape", [(4, 6, 3), (5, 5, 3), (3, 4), (2, 1)], ids=str)
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_most_alike_are_those_of_all_pairs(
    shape: tuple[int, ...], mirrored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likeness, "_TARGETS", 4)
    monkeypatch.setattr(likeness, "_TRAIN", 7)
    targets, train = pictures(0, 9, *shape), pictures(1, 40, *shape)
    with np.errstate(invalid="ignore"):
        both = np.nan_to_num(by_hand(targets, train, mirrored), nan=0.0)  # of inputs whose numbers are all equal
    found = most_alike(targets, train, 5, mirrored)
    whole = both.max(axis=2)
    np.testing.assert_allclose(found.similarity, np.sort(whole, axis=1)[:, ::-1][:, :5], atol=2e-6)
    np.testing.assert_allclose(np.take_along_axis(whole, found.places, axis=1), found.similarity, atol=2e-6)
    clear = np.abs(both[..., 0] - both[..., 1]) > 1e-5
    for row, place in np.argwhere(np.take_along_axis(clear, found.places, axis=1)):
        own = both[row, found.places[row, place]]
        assert found.mirrored[row, place] == (own[1] > own[0])
    assert all(len(set(each)) == 5 for each in found.places.tolist())


def test_a_copy_is_found_also_in_another_light_and_mirrored() -> None:
    train = pictures(2, 30, 8, 8, 3)
    targets = np.stack([train[17] // 2 + 40, train[4][:, ::-1]])
    found = most_alike(targets, train, 1, mirrored=True)
    assert found.places[:, 0].tolist() == [17, 4]
    assert found.mirrored[:, 0].tolist() == [False, True]
    assert found.similarity.min() > 0.999


def test_of_equals_the_first_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "_TRAIN", 4)
    one, others = pictures(3, 1, 4, 4), pictures(4, 9, 4, 4)
    train = np.concatenate([others[:5], one, others[5:], one, one])
    found = most_alike(one, train, 3)
    assert found.places.tolist() == [[5, 10, 11]]
    np.testing.assert_allclose(found.similarity, 1, atol=1e-6)


def test_no_more_than_there_are() -> None:
    told: list[float] = []
    found = most_alike(pictures(0, 2, 3, 3), pictures(1, 4, 3, 3), 10, progress=told.append)
    assert found.places.shape == (2, 4)
    assert told == [1.0]
