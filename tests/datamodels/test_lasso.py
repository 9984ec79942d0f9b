"""The batched LASSO against scikit-learn's, and its path against the same path walked with scikit-learn."""

import warnings

import numpy as np
import pytest
import sklearn.linear_model
import torch
from sklearn.exceptions import ConvergenceWarning

from influence.datamodels.estimators.lasso import Lasso
from influence.datamodels.estimators.lasso import path as walk
from influence.datamodels.estimators.lasso.path import Problem, duality_gap
from influence.errors import InfluenceError
from tests.datamodels.test_estimators import problem

EXACT = {"tolerance": 1e-12, "path_tolerance": 1e-12, "max_iterations": 20_000}


def objective(masks, y, weights, intercept, lam):
    return np.square(y - intercept - masks @ weights).sum() / (2 * len(y)) + lam * np.abs(weights).sum()


def sparse_problem(seed, m, n):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(6, n)) * (rng.random((6, n)) < 0.2)
    return problem(seed, m, n, noise=0.5, weights=weights)


@pytest.mark.parametrize(("m", "n"), [(80, 30), (40, 30), (40, 100)])  # the last has no Gram matrix
@pytest.mark.parametrize("share", [0.5, 0.05, 0.01])
def test_solutions_are_scikit_learns(m, n, share):
    masks, margins = sparse_problem(0, m, n)
    shared = Problem.of(masks, torch.float64)
    assert (shared.gram is None) == (n > 2 * m)
    targets = shared.targets(torch.from_numpy(margins.T))
    lam = share * targets.largest
    solution = shared.solve(targets, lam, torch.zeros_like(targets.right), 1e-12, 50_000)
    assert solution.converged.all()
    for t in range(6):
        reference = sklearn.linear_model.Lasso(alpha=float(lam[t]), tol=1e-12, max_iter=100_000)
        reference.fit(masks, margins[:, t])
        weights = solution.weights[t].numpy()
        intercept = margins[:, t].mean() - masks.mean(axis=0) @ weights
        ours = objective(masks, margins[:, t], weights, intercept, float(lam[t]))
        theirs = objective(masks, margins[:, t], reference.coef_, reference.intercept_, float(lam[t]))
        assert ours <= theirs * (1 + 1e-6)
        np.testing.assert_allclose(weights, reference.coef_, atol=1e-4)


@pytest.mark.parametrize("sweeps", [1, 3, 1000])
def test_the_duality_gap_is_scikit_learns(sweeps):
    masks, margins = sparse_problem(0, 80, 30)
    shared = Problem.of(masks, torch.float64)
    targets = shared.targets(torch.from_numpy(margins.T))
    lam = 0.05 * targets.largest
    references = [sklearn.linear_model.Lasso(alpha=float(each), tol=1e-4, max_iter=sweeps) for each in lam]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for t, reference in enumerate(references):
            reference.fit(masks, margins[:, t])
    weights = torch.from_numpy(np.stack([reference.coef_ for reference in references]))
    gap = duality_gap(targets, lam, weights, targets.right - shared.times(weights))
    np.testing.assert_allclose(gap, [reference.dual_gap_ for reference in references], rtol=1e-6)


def test_the_path_is_the_one_walked_with_scikit_learn():
    masks, margins = sparse_problem(1, 80, 30)
    settings = {"lambdas": 12, "ratio": 0.01, "held_out": 0.25, "patience": 12, "seed": 5}
    lasso = Lasso(**settings, **EXACT)
    model = walk.fit(lasso, masks, margins, dtype=torch.float64)
    fitted, held_out = walk.split(lasso, 80)
    assert (len(fitted), len(held_out), len({*fitted, *held_out})) == (60, 20, 80)
    a = masks[fitted] - masks[fitted].mean(axis=0)
    for t in range(6):
        y = margins[fitted, t]
        largest = np.abs(a.T @ (y - y.mean())).max() / 60
        path = largest * 0.01 ** (np.arange(12) / 11)
        errors = []
        for lam in path:
            reference = sklearn.linear_model.Lasso(alpha=lam, tol=1e-12, max_iter=100_000).fit(masks[fitted], y)
            errors.append(np.square(reference.predict(masks[held_out]) - margins[held_out, t]).mean())
        assert model.lambda_[t] == pytest.approx(path[np.argmin(errors)], rel=1e-6)
        assert model.held_out_error_[t] == pytest.approx(min(errors) / margins[held_out, t].var(), rel=1e-5)
        final = sklearn.linear_model.Lasso(alpha=model.lambda_[t], tol=1e-12, max_iter=100_000).fit(
            masks, margins[:, t]
        )
        np.testing.assert_allclose(model.coef_[t], final.coef_, atol=1e-4)
        np.testing.assert_allclose(model.intercept_[t], final.intercept_, atol=1e-3)
        np.testing.assert_allclose(model.predict(masks)[:, t], final.predict(masks), atol=1e-3)


def test_single_precision_blocks_and_early_leaving_change_little():
    masks, margins = sparse_problem(2, 200, 50)
    exact = walk.fit(Lasso(patience=50, **EXACT), masks, margins, dtype=torch.float64)
    quick = walk.fit(Lasso(patience=50, tolerance=1e-5, path_tolerance=1e-4), masks, margins, block=4)
    np.testing.assert_allclose(quick.lambda_, exact.lambda_, rtol=0.3)  # neighbours on the path may tie
    close = np.isclose(quick.lambda_, exact.lambda_, rtol=1e-3)
    assert close.sum() >= 4
    np.testing.assert_allclose(quick.coef_[close], exact.coef_[close], atol=1e-3)
    assert quick.weights_.nnz < 0.9 * quick.coef_.size


def test_zeros_are_found():
    rng = np.random.default_rng(3)
    weights = np.zeros((5, 60))
    for row in weights:
        row[rng.permutation(60)[:6]] = rng.choice([-1.0, 1.0], 6)
    masks, margins = problem(3, 400, 60, noise=0.2, weights=weights)
    fitted = Lasso().fit(masks, margins).coef_
    # The fixed size of the subsets leaves the weights' common level to the penalty, which prefers zeros: they stay.
    assert (np.abs(fitted[weights == 0]) < 0.1).all()
    np.testing.assert_allclose(fitted[weights != 0], weights[weights != 0], atol=0.2)


def test_a_constant_target_has_no_weights():
    masks, margins = sparse_problem(4, 80, 30)
    margins[:, 1] = 2.5
    model = Lasso().fit(masks, margins)
    assert not model.coef_[1].any()
    assert model.intercept_[1] == pytest.approx(2.5)
    assert np.isfinite(model.held_out_error_).all()


def test_what_did_not_converge_is_said():
    masks, margins = sparse_problem(5, 80, 30)
    with pytest.warns(ConvergenceWarning, match=r"[1-6] targets did not converge in 1 iterations"):
        Lasso(max_iterations=1, tolerance=1e-9).fit(masks, margins)


def test_bad_settings_and_too_few_models_are_refused():
    masks, margins = sparse_problem(6, 80, 30)
    with pytest.raises(InfluenceError, match=r"9 model\(s\), .* at least 10"):
        Lasso().fit(masks[:9], margins[:9])
    with pytest.raises(InfluenceError, match=r"ratio is 1.0, but must be above 0 and below 1"):
        Lasso(ratio=1.0)
    with pytest.raises(InfluenceError, match=r"held_out is 0, but"):
        Lasso(held_out=0)
    with pytest.raises(InfluenceError, match=r"lambdas is 0, but must be at least 1"):
        Lasso(lambdas=0)
