"""The prior's parts against autograd and explicit matrices, and what it is for: a better datamodel from few models."""

import numpy as np
import pytest
import torch

from influence import datasets
from influence.datamodels import PriorInformed, Ridge
from influence.datamodels.outcomes import OutcomeConfig, collect, read, reproduce
from influence.datamodels.priors import Prior, tangent_prior
from influence.datamodels.priors.margins import margin_gradients
from influence.datamodels.priors.sketches import Sketch
from influence.datamodels.priors.tangent import linearised, tangent_kernel
from influence.errors import InfluenceError
from influence.learners.base import margins
from influence.learners.mlp import Mlp
from influence.measures.lds import lds


def torch_margin(logits, label):
    others = torch.cat([logits[:label], logits[label + 1 :]])
    return logits[label] - torch.logsumexp(others, dim=0)


def test_margin_gradients_are_autograds():
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=3, size=(2, 9, 5)).astype(np.float32)
    labels = rng.integers(5, size=9)
    gradients, p = margin_gradients(logits, labels)
    for k in range(2):
        for i in range(9):
            z = torch.tensor(logits[k, i], requires_grad=True)
            margin = torch_margin(z, int(labels[i]))
            margin.backward()
            np.testing.assert_allclose(gradients[k, i], z.grad, atol=1e-6)
            assert p[k, i] == pytest.approx(torch.sigmoid(margin).item(), abs=1e-6)


def test_the_tangent_kernel_is_the_inner_product_of_whole_gradients(small):
    digits = datasets.load("digits")
    models, _ = reproduce(small, np.arange(2))
    inputs, labels = digits.test.inputs[:12], digits.test.labels[:12]
    logits = models.logits(inputs)
    gradients, _ = margin_gradients(logits, labels)
    kernel = tangent_kernel([(a[1], d[1]) for a, d in models.factors(inputs, gradients)])

    w1, w2 = models.w1[1].clone().requires_grad_(), models.w2[1].clone().requires_grad_()
    x = (torch.from_numpy(inputs.reshape(12, -1).astype(np.float32)) - models.mean) / models.scale
    rows = []
    for i in range(12):
        hidden = torch.relu(x[i] @ w1[:-1] + w1[-1])
        own = hidden @ w2[:-1] + w2[-1]
        np.testing.assert_allclose(own.detach(), logits[1, i], atol=1e-4)
        rows.append(torch.cat([g.ravel() for g in torch.autograd.grad(torch_margin(own, int(labels[i])), (w1, w2))]))
    explicit = torch.stack(rows)
    np.testing.assert_allclose(kernel, explicit @ explicit.T, rtol=1e-3, atol=1e-2)


def test_the_prior_mean_is_what_the_linearised_model_would_learn():
    rng = np.random.default_rng(1)
    phi, phi_t = (torch.from_numpy(rng.normal(size=(n, 6))) for n in (15, 4))
    own, across = phi @ phi.T, phi_t @ phi.T
    d = 0.3 * own.diagonal().mean()
    primal = phi_t @ torch.linalg.solve(phi.T @ phi + d * torch.eye(6, dtype=torch.float64), phi.T)
    np.testing.assert_allclose(linearised(own, across, 0.3), primal, atol=1e-10)


def test_few_models_go_a_long_way(tmp_path):
    """200 models, and 100 held out: far better than ridge, and the prior mean alone is better than chance."""
    config = OutcomeConfig(learner=Mlp(width=16, epochs=10))
    collect(config, str(tmp_path / "store"), 300)
    outcomes = read(str(tmp_path / "store"))
    prior = tangent_prior(config, models=4)
    assert np.linalg.eigvalsh(prior.kernel.astype(float)).min() > -1e-3
    assert np.diagonal(prior.kernel).mean() == pytest.approx(1, rel=1e-4)
    fitted, held_out = slice(0, 200), slice(200, 300)
    scores = {}
    for name, estimator in {"ridge": Ridge(), "prior": PriorInformed()}.items():
        datamodel = estimator.fit(outcomes.masks[fitted], outcomes.margins[fitted], prior)
        predicted = datamodel.predict(outcomes.masks[held_out])
        scores[name] = lds(predicted, outcomes.margins[held_out], bootstrap=1).mean
    prior_mean = lds(outcomes.masks[held_out] @ prior.mean.T, outcomes.margins[held_out], bootstrap=1).mean
    assert scores["prior"] > scores["ridge"] + 0.15
    assert prior_mean > 0.2


def test_the_prior_mean_points_the_way_training_goes(small):
    """Taking a target's best examples away lowers its margin more than taking its worst."""
    config = small.replace(learner=Mlp(width=16, epochs=10))
    digits = datasets.load("digits")
    mean = tangent_prior(config, models=4).mean
    ranked = np.argsort(mean, axis=1)
    from influence.learners.base import Subsets

    changes = []
    for target in range(0, 360, 30):
        masks = np.ones((2, 1437), bool)
        masks[0, ranked[target, -100:]] = False
        masks[1, ranked[target, :100]] = False
        models = config.learner.fit(digits.train, Subsets(masks, np.zeros(2, np.uint64), common=True))
        best_gone, worst_gone = margins(models.logits(digits.test.inputs), digits.test.labels)[:, target]
        changes.append(worst_gone - best_gone)
    assert np.mean(np.array(changes) > 0) >= 0.9


def test_bad_priors_are_refused(small, monkeypatch):
    with pytest.raises(InfluenceError, match="models is 0, but a prior needs at least 1"):
        tangent_prior(small, models=0)
    with pytest.raises(InfluenceError, match=r"damping is 0.0, but must be a positive number"):
        tangent_prior(small, damping=0.0)
    diverging = small.replace(learner=Mlp(width=8, epochs=1, learning_rate=1e9))
    with pytest.raises(InfluenceError, match="All 3 models of the prior diverged"):
        tangent_prior(diverging, models=3)


def test_bad_priors_are_refused_with_sketches_too(small, monkeypatch):
    monkeypatch.setattr("influence.datamodels.priors.tangent.MOST_DENSE", 1000)
    diverging = small.replace(learner=Mlp(width=8, epochs=1, learning_rate=1e9))
    with pytest.raises(InfluenceError, match="All 3 models of the prior diverged"):
        tangent_prior(diverging, models=3)


def test_a_sketch_that_drops_nothing_is_the_gradient_itself():
    """Inner products of sketches are those of the whole gradients, of a plain layer and of one with positions."""
    rng = np.random.default_rng(3)
    plain = (rng.normal(size=(9, 5)), rng.normal(size=(9, 4)))
    placed = (rng.normal(size=(9, 6, 3)), rng.normal(size=(9, 6, 2)))
    factors = [(a.astype(np.float32), delta.astype(np.float32)) for a, delta in (plain, placed)]
    whole = np.concatenate(
        [np.einsum("ni,no->nio", *plain).reshape(9, -1), np.einsum("npi,npo->nio", *placed).reshape(9, -1)], axis=1
    )
    sketches = Sketch.fitted(factors, 100)(factors)
    assert sketches.shape == (9, 5 * 4 + 3 * 2)
    np.testing.assert_allclose(sketches @ sketches.T, whole @ whole.T, rtol=1e-4, atol=1e-4)


def test_a_sketch_keeps_the_directions_that_vary():
    rng = np.random.default_rng(4)
    a = rng.normal(size=(200, 8)) * 0.5 ** np.arange(8)
    delta = rng.normal(size=(200, 3))
    factors = [(a.astype(np.float32), delta.astype(np.float32))]
    sketches = Sketch.fitted(factors, 9)(factors)
    assert sketches.shape == (200, 9)
    whole = np.einsum("ni,no->nio", a, delta).reshape(200, -1)
    assert sketches.square().sum() > 0.97 * np.square(whole).sum()


def test_the_sketched_prior_does_as_well_as_the_dense_one(tmp_path, monkeypatch):
    """On digits, where both can be had."""
    config = OutcomeConfig(learner=Mlp(width=16, epochs=10))
    collect(config, str(tmp_path / "store"), 300)
    outcomes = read(str(tmp_path / "store"))
    fitted, held_out = slice(0, 200), slice(200, 300)

    def scores(prior):
        datamodel = PriorInformed().fit(outcomes.masks[fitted], outcomes.margins[fitted], prior)
        predictions = datamodel.predict(outcomes.masks[held_out]), outcomes.masks[held_out] @ prior.mean.T
        return [lds(each, outcomes.margins[held_out], bootstrap=1).mean for each in predictions]

    dense = scores(tangent_prior(config, models=4))
    monkeypatch.setattr("influence.datamodels.priors.tangent.MOST_DENSE", 1000)
    prior = tangent_prior(config, models=4)
    assert prior.kernel is None
    sketched = scores(prior)
    assert sketched[0] > dense[0] - 0.05
    assert sketched[1] > dense[1] - 0.05


def test_features_are_a_kernel_in_another_form():
    rng = np.random.default_rng(5)
    features = rng.normal(size=(20, 3)).astype(np.float32)
    right = torch.from_numpy(rng.normal(size=(20, 4)))
    np.testing.assert_allclose(
        Prior(None, features=features).times(right), Prior(features @ features.T).times(right), rtol=1e-4, atol=1e-5
    )
    with pytest.raises(ValueError, match="either a kernel or features"):
        Prior(None)
