import numpy as np
import pytest

from influence.measures.baselines import Neighbours, flat, same_class
from influence.measures.bootstrap import of_means, resampled


def test_same_class() -> None:
    np.testing.assert_array_equal(same_class(np.array([1, 2]), np.array([2, 1, 1])), [[0, 1, 1], [1, 0, 0]])


def test_neighbours_are_the_mean_cosine_of_centred_features() -> None:
    rng = np.random.default_rng(0)
    targets, train = rng.normal(size=(3, 4, 6)), rng.normal(size=(3, 9, 6))
    found = Neighbours(targets, train).rows(np.array([2, 0]))
    for row, place in enumerate((2, 0)):
        for other in range(9):
            cosines = []
            for model in range(3):
                centre = train[model].mean(axis=0)
                a, b = targets[model, place] - centre, train[model, other] - centre
                cosines.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
            assert found[row, other] == pytest.approx(np.mean(cosines), abs=1e-6)


def test_neighbours_of_another_class_count_against() -> None:
    rng = np.random.default_rng(1)
    targets, train = rng.normal(size=(1, 2, 3)), rng.normal(size=(1, 8, 3))
    labels = np.arange(8) % 2
    plain = Neighbours(targets, train).rows(np.array([1]))[0]
    signed = Neighbours(targets, train, np.array([0, 1]), labels).rows(np.array([1]))[0]
    np.testing.assert_allclose(signed, np.where(labels == 1, 1, -1) * np.maximum(plain, 0))


def test_pixels_are_features_of_one_model() -> None:
    assert flat(np.zeros((5, 2, 3), np.uint8)).shape == (1, 5, 6)


def test_intervals_of_means_cover_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        (figure,) = of_means(rng.normal(size=(40, 1)), times=200, level=0.9)
        covered += figure.low <= 0 <= figure.high
    assert 160 <= covered <= 195  # 90 % is 180; five standard deviations are 21


def test_rows_of_a_unit_are_drawn_together() -> None:
    units = np.repeat([5, 1, 3], 4)
    seen: list[set[int]] = []

    def statistic(rows: np.ndarray) -> np.ndarray:
        seen.append(set(np.bincount(units[rows], minlength=6)[[1, 3, 5]] % 4))
        return np.array([float(len(rows))])

    (figure,) = resampled(statistic, units, times=50)
    assert all(each == {0} for each in seen)
    assert (figure.mean, figure.low, figure.high) == (12, 12, 12)
