"""Estimators against scikit-learn, brute force and explicit formulas."""

import numpy as np
import pytest
import sklearn.linear_model
import torch
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from influence.datamodels import DifferenceInMeans, PriorInformed, Ridge
from influence.datamodels.priors import Prior
from influence.errors import InfluenceError
from influence.measures.lds import lds


def problem(seed, m=60, n=25, n_targets=4, noise=1.0, weights=None):
    rng = np.random.default_rng(seed)
    masks = np.zeros((m, n), bool)
    for row in masks:
        row[rng.permutation(n)[: n // 2]] = True
    weights = rng.normal(size=(n_targets, n)) if weights is None else weights
    margins = masks @ weights.T + 3 + noise * rng.normal(size=(m, len(weights)))
    return masks, margins


def kernel_of(seed, n):
    points = np.random.default_rng(seed).normal(size=(n, 3))
    distance = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    return np.exp(-distance / 4).astype(np.float32)


def test_difference_in_means():
    masks, margins = problem(0)
    model = DifferenceInMeans().fit(masks, margins)
    expected = [[margins[masks[:, i], t].mean() - margins[~masks[:, i], t].mean() for i in range(25)] for t in range(4)]
    np.testing.assert_allclose(model.coef_, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict(masks).mean(axis=0), margins.mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize(("m", "n"), [(60, 25), (30, 80)])
@pytest.mark.parametrize("choose", ["overall", "target"])
def test_ridge_is_scikit_learns(m, n, choose):
    masks, margins = problem(1, m, n)
    model = Ridge(choose=choose).fit(masks, margins)
    for t in range(4):
        reference = sklearn.linear_model.Ridge(alpha=model.penalty_[t]).fit(masks, margins[:, t])
        np.testing.assert_allclose(model.coef_[t], reference.coef_, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(model.intercept_[t], reference.intercept_, rtol=1e-5)
        np.testing.assert_allclose(model.predict(masks)[:, t], reference.predict(masks), rtol=1e-4, atol=1e-4)


def test_ridge_knows_its_leave_one_out_error():
    masks, margins = problem(2)
    penalties = (0.03, 0.3, 3.0)
    model = Ridge(choose="target", penalties=penalties).fit(masks, margins)
    scale = np.square(masks - masks.mean(axis=0)).sum() / len(masks)
    errors = np.empty((3, 4))
    for p, penalty in enumerate(penalties):
        reference = sklearn.linear_model.Ridge(alpha=penalty * scale)
        predicted = cross_val_predict(reference, masks, margins, cv=LeaveOneOut())
        errors[p] = np.square(predicted - margins).mean(axis=0) / margins.var(axis=0)
    np.testing.assert_allclose(model.loo_error_, errors.min(axis=0), rtol=1e-6)
    np.testing.assert_allclose(model.penalty_, np.array(penalties)[errors.argmin(axis=0)] * scale)
    overall = Ridge(choose="overall", penalties=penalties).fit(masks, margins)
    best = errors.mean(axis=1).argmin()
    np.testing.assert_allclose(overall.penalty_, penalties[best] * scale)
    np.testing.assert_allclose(overall.loo_error_, errors[best], rtol=1e-6)


@pytest.mark.parametrize(("m", "n"), [(60, 25), (30, 80)])
def test_prior_informed_is_the_posterior_mean(m, n):
    masks, margins = problem(3, m, n)
    rng = np.random.default_rng(0)
    prior = Prior(5 * kernel_of(0, n), rng.normal(size=(4, n)).astype(np.float32))
    model = PriorInformed(mixes=(2.0,)).fit(masks, margins, prior)
    covariance = np.eye(n) + 2 * kernel_of(0, n).astype(float)  # the kernel's scale does not count
    a, y = masks - masks.mean(axis=0), margins - margins.mean(axis=0)
    expected_outputs = a @ prior.mean.T.astype(float)
    beta = (expected_outputs * y).sum() / (expected_outputs**2).sum()
    assert model.beta_ == pytest.approx(beta, rel=1e-6)
    precision = a.T @ a + model.penalty_[0] * np.linalg.inv(covariance)
    expected = beta * prior.mean + np.linalg.solve(precision, a.T @ (y - beta * expected_outputs)).T
    np.testing.assert_allclose(model.coef_, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(model.coef(np.array([2, 0])), expected[[2, 0]], rtol=1e-3, atol=1e-4)
    predicted = a @ expected.T + margins.mean(axis=0)
    np.testing.assert_allclose(model.predict(masks), predicted, rtol=1e-3, atol=1e-3)


def test_prior_informed_knows_its_leave_one_out_error():
    masks, margins = problem(4, m=40)
    kernel = kernel_of(1, 25)
    model = PriorInformed(mixes=(3.0,), penalties=(0.1,)).fit(masks, margins, Prior(kernel))
    root = np.linalg.cholesky(np.eye(25) + 3 * kernel.astype(float))  # ridge on masks @ root has this prior
    reference = sklearn.linear_model.Ridge(alpha=model.penalty_[0])
    predicted = cross_val_predict(reference, masks @ root, margins, cv=LeaveOneOut())
    expected = np.square(predicted - margins).mean(axis=0) / margins.var(axis=0)
    np.testing.assert_allclose(model.loo_error_, expected, rtol=1e-5)


def test_without_a_prior_it_is_ridge():
    masks, margins = problem(5)
    ridge = Ridge().fit(masks, margins)
    model = PriorInformed(mixes=(0.0,)).fit(masks, margins, Prior(kernel_of(0, 25)))
    np.testing.assert_allclose(model.coef_, ridge.coef_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.intercept_, ridge.intercept_)


@pytest.mark.parametrize("seed", range(5))
def test_a_true_prior_helps_and_a_false_one_is_left_aside(seed):
    rng = np.random.default_rng(seed)
    n, kernel = 150, kernel_of(seed, 150)
    weights = rng.multivariate_normal(np.zeros(n), kernel + 1e-6 * np.eye(n), size=20, method="cholesky")
    masks, margins = problem(seed, 160, n, noise=5.0, weights=weights)
    fitted, held_out = slice(0, 100), slice(100, 160)

    def score(estimator, prior=None):
        predicted = estimator.fit(masks[fitted], margins[fitted], prior).predict(masks[held_out])
        return lds(predicted, margins[held_out], bootstrap=1).mean

    ridge = score(Ridge())
    assert score(PriorInformed(), Prior(kernel)) > ridge + 0.05
    shuffled = rng.permutation(n)
    assert score(PriorInformed(), Prior(kernel[np.ix_(shuffled, shuffled)])) > ridge - 0.05
    mean = (weights + rng.normal(size=weights.shape)).astype(np.float32)
    assert score(PriorInformed(), Prior(kernel, mean)) > ridge + 0.05


@pytest.mark.parametrize("estimator", [DifferenceInMeans, Ridge, PriorInformed])
def test_what_is_held_does_not_grow_with_training_examples_times_targets(estimator):
    model = estimator().fit(*problem(9, m=12, n=60, n_targets=80), Prior(kernel_of(0, 60)))
    held = [value for value in vars(model).values() if isinstance(value, (np.ndarray, torch.Tensor))]
    assert sum(len(value.reshape(-1)) for value in held) < 60 * 80 / 2


@pytest.mark.parametrize("estimator", [DifferenceInMeans, Ridge, PriorInformed])
def test_a_constant_target_has_no_weights(estimator):
    masks, margins = problem(6)
    margins[:, 1] = 2.5
    model = estimator().fit(masks, margins, Prior(kernel_of(0, 25)))
    np.testing.assert_allclose(model.coef_[1], 0, atol=1e-6)
    assert model.intercept_[1] == pytest.approx(2.5)


@pytest.mark.parametrize("estimator", [DifferenceInMeans, Ridge, PriorInformed])
def test_bad_outcomes_are_refused(estimator):
    masks, margins = problem(7)
    with pytest.raises(InfluenceError, match=r"1 model\(s\), .* at least 2"):
        estimator().fit(masks[:1], margins[:1], Prior(kernel_of(0, 25)))
    broken = margins.copy()
    broken[[3, 8], 0] = np.nan
    with pytest.raises(InfluenceError, match=r"2 model\(s\) .* not finite .* row 3"):
        estimator().fit(masks, broken, Prior(kernel_of(0, 25)))
    always = masks.copy()
    always[:, 4] = True
    with pytest.raises(InfluenceError, match=r"1 training example\(s\) .* none of the 60"):
        estimator().fit(always, margins, Prior(kernel_of(0, 25)))
    with pytest.raises(ValueError, match="masks"):
        estimator().fit(masks.astype(float), margins, Prior(kernel_of(0, 25)))


def test_bad_settings_are_refused():
    masks, margins = problem(8)
    with pytest.raises(InfluenceError, match="choose is 'each', but must be one of overall, target"):
        Ridge(choose="each")
    with pytest.raises(InfluenceError, match=r"mixes is \(-1.0,\)"):
        PriorInformed(mixes=(-1.0,))
    for wrong in ((), (0.0,), (1.0, -1.0)):
        for estimator in (Ridge, PriorInformed):
            with pytest.raises(InfluenceError, match=r"at least one number, .* positive"):
                estimator(penalties=wrong)
    with pytest.raises(InfluenceError, match=r"shape \(9, 9\), .* \(25, 25\)"):
        PriorInformed().fit(masks, margins, Prior(kernel_of(0, 9)))
    with pytest.raises(InfluenceError, match=r"prior's mean .* not finite"):
        PriorInformed().fit(masks, margins, Prior(kernel_of(0, 25), np.full((4, 25), np.nan, np.float32)))
    with pytest.raises(InfluenceError, match=r"needs a prior: .* tangent_prior"):
        PriorInformed().fit(masks, margins)
