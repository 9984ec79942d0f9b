import numpy as np
import pytest
import torch

from influence.errors import InfluenceError
from influence.learners.base import Learner, Subsets, margins
from influence.learners.mlp import Mlp


def test_margin_is_the_log_odds_of_the_correct_class():
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=5, size=(3, 20, 10)).astype(np.float32)
    labels = rng.integers(10, size=20)
    p = torch.softmax(torch.from_numpy(logits).double(), dim=2).numpy()[:, np.arange(20), labels]
    np.testing.assert_allclose(margins(logits, labels), np.log(p / (1 - p)), rtol=1e-4, atol=1e-4)


def test_margin_of_large_logits_does_not_overflow():
    logits = np.array([[[1000.0, 0.0, -1000.0]]], np.float32)
    assert margins(logits, np.array([0])) == pytest.approx(1000)
    assert margins(logits, np.array([2])) == pytest.approx(-2000)


def test_margin_of_a_diverged_model_is_not_finite():
    logits = np.full((1, 2, 3), np.nan, np.float32)
    assert not np.isfinite(margins(logits, np.array([0, 1]))).any()


def test_learners_survive_the_way_through_a_dict():
    learner = Mlp(width=7, momentum=0.5)
    assert Learner.parse(learner.as_dict()) == learner


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"name": "mpl"},
            "There is no learner 'mpl': the learners are convnet, mlp, patchnet, regression. Did you mean mlp?",
        ),
        ({"name": "mlp", "depth": 3}, "mlp has no setting 'depth': it has epochs, width, "),
        ({}, "These settings name no learner: add name, one of "),
    ],
)
def test_an_unknown_learner_or_setting_is_named(values, sentence):
    with pytest.raises(InfluenceError) as caught:
        Learner.parse(values and {**Mlp().as_dict(), **values})
    assert str(caught.value).startswith(sentence)


def test_subsets_are_checked():
    mask = np.ones((2, 3), bool)
    with pytest.raises(ValueError, match="empty"):
        Subsets(np.zeros((1, 3), bool), np.zeros(1, np.uint64))
    with pytest.raises(ValueError, match="seeds differ"):
        Subsets(mask, np.array([0, 1], np.uint64), common=True)
    with pytest.raises(ValueError, match="masks"):
        Subsets(mask, np.zeros(3, np.uint64))
