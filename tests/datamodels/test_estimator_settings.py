"""Estimators by name: what they can be set to, and what is refused."""

import json

import pytest

from influence.datamodels import Lasso, PriorInformed, Ridge
from influence.datamodels.estimators.base import ESTIMATORS
from influence.errors import InfluenceError
from tests.datamodels.test_estimators import problem


@pytest.mark.parametrize("name", ESTIMATORS)
def test_defaults_are_what_json_can_hold_and_can_be_given(name):
    estimator = ESTIMATORS[name]()
    defaults = json.loads(json.dumps(estimator.settings))
    assert ESTIMATORS[name](**defaults) == estimator
    assert estimator.title
    assert estimator.name == name


def test_settings_reach_the_estimator():
    lasso = ESTIMATORS["lasso"](lambdas=7, ratio=0.1)
    assert isinstance(lasso, Lasso)
    assert (lasso.lambdas, lasso.ratio, lasso.patience) == (7, 0.1, Lasso().patience)
    ridge = ESTIMATORS["ridge"](choose="target", penalties=[0.5])
    assert isinstance(ridge, Ridge)
    assert (ridge.choose, ridge.penalties) == ("target", (0.5,))
    informed = ESTIMATORS["prior-informed"](mixes=[0, 2.5])
    assert isinstance(informed, PriorInformed)
    assert informed.mixes == (0, 2.5)


def test_a_fixed_penalty_is_kept():
    masks, margins = problem(1)
    model = ESTIMATORS["ridge"](penalties=[0.25]).fit(masks, margins)
    scale = ((masks - masks.mean(axis=0)) ** 2).sum() / len(masks)
    assert model.penalty_ == pytest.approx([0.25 * scale] * 4)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("lass", {}, "There is no estimator 'lass': the estimators are .*lasso.* Did you mean lasso?"),
        ("ridge", {"lambdas": 5}, "ridge has no setting 'lambdas': it has choose, penalties"),
        ("difference-in-means", {"choose": "target"}, "has no setting 'choose': it has none"),
        ("prior-informed", {"prior": 1}, "has no setting 'prior': it has choose, "),
        ("lasso", {"block": 1}, "has no setting 'block': it has lambdas, ratio, "),
        ("lasso", {"lambdas": 2.5}, "lambdas is 2.5, but must be a whole number"),
        ("lasso", {"lambdas": True}, "lambdas is True, but must be a whole number"),
        ("lasso", {"ratio": "small"}, "ratio is 'small', but must be a number"),
        ("lasso", {"lambdas": 0}, "lambdas is 0, but must be at least 1"),
        ("lasso", {"tolerance": 0}, "tolerance is 0, but must be above 0"),
        ("lasso", {"seed": -1}, "seed is -1, but must be at least 0 and below"),
        ("ridge", {"choose": "each"}, "choose is 'each', but must be one of overall, target"),
        ("ridge", {"penalties": []}, r"penalties is \(\), but must hold at least one number"),
        ("ridge", {"penalties": ["a"]}, "but must be a list of numbers, or null"),
        ("ridge", {"penalties": [1, -1]}, r"penalties is \(1, -1\), but must hold at least one number"),
        ("prior-informed", {"choose_on": 0}, "choose_on is 0, but must be at least 1"),
    ],
)
def test_what_will_not_do_is_named(name, values, message):
    with pytest.raises(InfluenceError, match=message):
        ESTIMATORS[name](**values)
