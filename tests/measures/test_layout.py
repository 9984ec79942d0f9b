"""Maps by influence: groups that the same examples help lie apart, and training examples where their targets are."""

import numpy as np
import pytest
from scipy import optimize, sparse

from influence.errors import InfluenceError
from influence.measures.layout import lay_out, medians

GROUPS, EACH = 3, 30


@pytest.fixture(scope="module")
def scores() -> sparse.csr_array:
    """Three groups of 30 targets, which training examples of their own help and others hurt; the last 10 do nothing."""
    rng = np.random.default_rng(0)
    values = np.zeros((GROUPS * EACH, GROUPS * 40 + 10))
    for row in range(len(values)):
        group = row // EACH
        helps = 40 * group + rng.choice(40, 15, replace=False)
        hurts = 40 * ((group + 1) % GROUPS) + rng.choice(40, 5, replace=False)
        values[row, helps], values[row, hurts] = rng.uniform(0.5, 1, 15), -rng.uniform(0.5, 1, 5)
    return sparse.csr_array(values * rng.uniform(0.1, 10, len(values))[:, None])


def test_groups_lie_apart_and_training_examples_where_they_help(scores: sparse.csr_array) -> None:
    layout = lay_out(scores, directions=10)
    assert layout.targets.dtype == layout.train.dtype == np.float32
    assert np.abs(layout.targets).max() == 1
    group = np.repeat(np.arange(GROUPS), EACH)
    apart = np.linalg.norm(layout.targets[:, None] - layout.targets, axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (group[apart.argmin(axis=1)] == group).mean() > 0.95
    nearest = np.linalg.norm(layout.train[:120, None] - layout.targets, axis=2).argmin(axis=1)
    assert (group[nearest] == np.repeat(np.arange(GROUPS), 40)).mean() > 0.95
    assert np.isnan(layout.train[120:]).all()
    assert layout.neighbours > 0.3  # 10 / 89 at random
    assert 0 < layout.explained <= 1
    assert layout.directions == 10


def test_a_seed_gives_one_map_and_another_seed_another(scores: sparse.csr_array) -> None:
    one, again, other = (lay_out(scores, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.targets, again.targets)
    np.testing.assert_array_equal(one.train, again.train)
    assert not np.allclose(one.targets, other.targets)
    assert one.directions == 50


def test_a_median_is_where_the_sum_of_distances_is_least() -> None:
    rng = np.random.default_rng(1)
    places, weights = rng.uniform(-1, 1, (9, 2)), rng.uniform(0.1, 1, 9)
    table = sparse.csr_array(np.stack([weights, -weights, np.zeros(9), np.eye(9)[4]], axis=1))
    found = medians(places, table)
    least = optimize.minimize(lambda at: (weights * np.linalg.norm(places - at, axis=1)).sum(), [0, 0])
    np.testing.assert_allclose(found[0], least.x, atol=1e-3)
    assert np.isnan(found[1:3]).all()
    np.testing.assert_allclose(found[3], places[4])


def test_too_few_targets_make_no_map(scores: sparse.csr_array) -> None:
    with pytest.raises(InfluenceError, match="at least 8 targets, and there are 7"):
        lay_out(scores[:7])
    assert np.isfinite(lay_out(scores[:8]).targets).all()
