"""Estimators by name: what they can be set to, and what is refused."""

import json

import numpy as np
import pytest

from influence.datamodels import registry
from influence.datamodels.estimators import PriorInformed, Ridge
from influence.datamodels.lasso import Lasso
from influence.datamodels.priors import Prior
from influence.errors import InfluenceError
from tests.datamodels.test_estimators import kernel_of, problem


@pytest.mark.parametrize("name", registry.NAMES)
def test_defaults_are_what_json_can_hold_and_can_be_given(name):
    defaults = json.loads(json.dumps(registry.settings(name)))
    registry.check(name, {})
    registry.check(name, defaults)


def test_settings_reach_the_estimator():
    lasso = registry.make("lasso", {"lambdas": 7, "ratio": 0.1})
    assert isinstance(lasso, Lasso)
    assert (lasso.lambdas, lasso.ratio, lasso.patience) == (7, 0.1, Lasso().patience)
    ridge = registry.make("ridge", {"choose": "target", "penalties": [0.5]})
    assert isinstance(ridge, Ridge)
    assert (ridge.choose, ridge.penalties) == ("target", (0.5,))
    prior = Prior(kernel_of(0, 25))
    informed = registry.make("prior-informed", {"mixes": [0, 2.5]}, prior)
    assert isinstance(informed, PriorInformed)
    assert (informed.prior, informed.mixes) == (prior, (0, 2.5))


def test_a_fixed_penalty_is_kept():
    masks, margins = problem(1)
    model = registry.make("ridge", {"penalties": [0.25]}).fit(masks, margins)
    scale = np.square(masks - masks.mean(axis=0)).sum() / len(masks)
    np.testing.assert_allclose(model.penalty_, 0.25 * scale)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("lass", {}, "estimator is 'lass', but must be one of prior-informed, lasso, ridge, difference-in-means"),
        ("ridge", {"lambdas": 5}, "The estimator ridge has no setting 'lambdas': it has choose, penalties"),
        ("difference-in-means", {"choose": "target"}, "has no setting 'choose': it has none"),
        ("prior-informed", {"prior": 1}, "has no setting 'prior': it has choose, "),
        ("lasso", {"block": 1}, "has no setting 'block': it has lambdas, ratio, "),
        ("lasso", {"lambdas": 2.5}, "lambdas of lasso is 2.5, but must be a whole number"),
        ("lasso", {"lambdas": True}, "lambdas of lasso is True, but must be a whole number"),
        ("lasso", {"ratio": "small"}, "ratio of lasso is 'small', but must be a number"),
        ("lasso", {"lambdas": 0}, "lambdas is 0, but must be at least 1"),
        ("lasso", {"tolerance": 0}, "tolerance is 0, but must be a positive number"),
        ("lasso", {"seed": -1}, "seed is -1, but must lie between 0 and"),
        ("ridge", {"choose": "each"}, "choose of ridge is 'each', but must be one of overall, target"),
        ("ridge", {"penalties": []}, r"penalties of ridge is \[\], but must be a list of numbers, or null"),
        ("ridge", {"penalties": ["a"]}, "but must be a list of numbers, or null"),
        ("ridge", {"penalties": [1, -1]}, r"penalties is \(1, -1\), but must hold at least one number"),
    ],
)
def test_what_will_not_do_is_named(name, values, message):
    with pytest.raises(InfluenceError, match=message):
        registry.check(name, values)
