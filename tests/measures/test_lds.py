import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from influence.errors import InfluenceError
from influence.measures.lds import _spearman, _tied_groups, lds, noise_ceiling, quality, random_baseline


def sample(seed, m=60, n_targets=7, noise=1.0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(m, n_targets))
    return truth, truth + noise * rng.normal(size=(m, n_targets))


@pytest.mark.parametrize("decimals", [8, 1, 0])  # 0 and 1 make ties
def test_scores_are_scipys_spearman(decimals):
    predicted, observed = (np.round(part, decimals) for part in sample(0))
    score = lds(predicted, observed, bootstrap=1)
    expected = [spearmanr(predicted[:, t], observed[:, t]).statistic for t in range(7)]
    np.testing.assert_allclose(score.per_target, expected, atol=1e-12)
    assert score.mean == pytest.approx(np.mean(expected))
    assert score.n_models == 60


def test_a_resample_is_scored_as_if_its_models_were_written_out():
    predicted, observed = (np.round(part, 1) for part in sample(1))
    rng = np.random.default_rng(0)
    rows = rng.integers(60, size=60)
    got = _spearman((_tied_groups(predicted), _tied_groups(observed)), np.bincount(rows, minlength=60))
    expected = [spearmanr(predicted[rows, t], observed[rows, t]).statistic for t in range(7)]
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """The score of 20,000 models stands for the truth; 60 samples of 100 models, intervals of 90 %."""
    truth = lds(*sample(99, m=20_000, n_targets=3), bootstrap=1).mean
    covered = sum(
        score.interval[0] <= truth <= score.interval[1]
        for score in (lds(*sample(seed, m=100, n_targets=3), bootstrap=200, level=0.9) for seed in range(60))
    )
    assert covered >= 45  # binomial with 0.9: below this once in 10,000; an interval of 50 % would give 30
    wide, narrow = (lds(*sample(0, m=m), bootstrap=200).interval for m in (50, 1000))
    assert narrow[1] - narrow[0] < wide[1] - wide[0]


def test_a_constant_says_nothing():
    predicted, observed = sample(2)
    predicted[:, 3] = 1.25
    assert lds(predicted, observed, bootstrap=5).per_target[3] == 0
    assert lds(observed, predicted, bootstrap=5).per_target[3] == 0
    assert np.isnan(quality(observed, predicted, bootstrap=5).error[3])


def test_an_increasing_function_changes_nothing():
    predicted, observed = sample(3)
    first, second = (lds(p, observed, bootstrap=20) for p in (predicted, np.exp(predicted)))
    assert first.mean == second.mean
    assert first.interval == second.interval


def test_quality_is_pearson_and_relative_error():
    predicted, observed = sample(4)
    result = quality(predicted, observed, bootstrap=5)
    expected = [pearsonr(predicted[:, t], observed[:, t]).statistic for t in range(7)]
    np.testing.assert_allclose(result.correlation, expected, atol=1e-12)
    np.testing.assert_allclose(result.error, ((predicted - observed) ** 2).mean(axis=0) / observed.var(axis=0))
    means = np.broadcast_to(observed.mean(axis=0), observed.shape)
    np.testing.assert_allclose(quality(means, observed, bootstrap=5).error, 1)


def test_knowing_nothing_scores_about_zero():
    rng = np.random.default_rng(5)
    masks = rng.random((400, 80)) < 0.5
    observed = masks @ rng.normal(size=(80, 50))
    score = random_baseline(masks, observed, bootstrap=200)
    # Each of 50 targets has a correlation of standard deviation 1/sqrt(80) by its weights: 0.1 is five of the mean's.
    assert abs(score.mean) < 0.1


def test_the_ceiling_is_the_share_of_variance_that_is_no_noise():
    rng = np.random.default_rng(6)
    truth = rng.normal(size=(3000, 20))
    first, second = (truth + rng.normal(size=truth.shape) for _ in range(2))
    ceiling = noise_ceiling(first, second, bootstrap=10).mean
    assert ceiling == pytest.approx(6 / np.pi * np.arcsin(0.5 / 2), abs=0.02)  # Spearman's of a normal pair with 0.5
    assert lds(truth, first, bootstrap=10).mean == pytest.approx(np.sqrt(0.5), abs=0.03)


def test_too_few_models_and_numbers_that_are_not_finite_are_refused():
    predicted, observed = sample(7, m=9)
    with pytest.raises(InfluenceError, match=r"9 model\(s\) .* at least 10"):
        lds(predicted, observed)
    predicted, observed = sample(7)
    observed[0, 0] = np.nan
    with pytest.raises(InfluenceError, match="not finite"):
        lds(predicted, observed)
