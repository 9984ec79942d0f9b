"""Rounding is no reason to refuse a model, in any type of numbers; a fault is one in all of them."""

import pytest
import torch
from torch import Tensor, nn

from influence import Checkpoint, Examples, InfluenceError, TracInCP
from tests.gradients.test_verification import COMPANIONS, LOSSES, MEETING, Model, tail
from tests.tracin.problems import (
    assert_close,
    brute_force,
    checkpoints_of,
    classification,
    cross_entropy,
    mlp,
    regression,
    squared_error,
)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("n", [1, 2, 5, 12, 32, 300])
def test_no_type_is_refused_for_its_rounding(dtype, n):
    for seed in range(3):
        torch.manual_seed(seed)
        model = mlp(5, 64, 64, 1, dtype=dtype)
        checkpoints = checkpoints_of(model, [0.1])
        train = regression(100, dtype=dtype, seed=seed)
        with torch.no_grad():
            fitted = train._replace(labels=TracInCP(model, checkpoints, squared_error).model(train.inputs)[:, 0] + 1e-3)
        for examples in (train, fitted):
            scorer = TracInCP(model, checkpoints, squared_error)
            scorer.scores(examples, regression(n, dtype=dtype, seed=9))
            scorer.self_influence(examples)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("confidence", [1, 20, 300])
def test_a_model_that_is_sure_of_its_classes(dtype, confidence):
    """Losses that are nearly zero are small differences of large numbers."""
    model = nn.Sequential(mlp(5, 16, dtype=dtype), nn.ReLU(), mlp(16, 4, dtype=dtype))
    (checkpoint,) = checkpoints_of(model, [0.1])
    state = checkpoint.state | {"2.0.weight": confidence * checkpoint.state["2.0.weight"]}
    model.load_state_dict(state)
    train = classification(60)
    train = Examples(train.inputs.to(dtype), model(train.inputs.to(dtype)).argmax(1))
    scorer = TracInCP(model, [Checkpoint(state, 0.1, 1)], cross_entropy)
    assert torch.isfinite(scorer.scores(train, train)).all()
    scorer.self_influence(train)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_fault_is_seen_in_every_type(dtype):
    loss = LOSSES["by their number"][0]
    for model in (mlp(5, 64, 1, dtype=dtype), Model(MEETING["mean taken off"]).to(dtype)):
        scorer = TracInCP(model, checkpoints_of(model, [0.1]), loss)
        with pytest.raises(InfluenceError, match=COMPANIONS):
            scorer.scores(regression(100, dtype=dtype), regression(12, dtype=dtype))


def test_half_precision_within_the_model():
    """The bfloat16 in the middle can't be made float64."""
    model = Model(lambda m, x: tail(m, m.body(x).bfloat16().double()))
    checkpoints, train, targets = checkpoints_of(model), regression(40, seed=1), regression(12, seed=2)
    expected, scale = brute_force(model, checkpoints, squared_error, train, targets)
    assert_close(TracInCP(model, checkpoints, squared_error).scores(train, targets), expected, scale, 0.02)


def test_layers_of_two_types():
    model = nn.Sequential(mlp(5, 6, dtype=torch.float32), nn.Tanh(), Cast(), mlp(6, 1)).train()
    checkpoints = checkpoints_of(model)
    train, targets = (Examples(e.inputs.float(), e.labels) for e in (regression(23, seed=1), regression(9, seed=2)))
    expected, scale = brute_force(model, checkpoints, squared_error, train, targets)
    assert_close(TracInCP(model, checkpoints, squared_error).scores(train, targets), expected, scale, 1e-5)


class Cast(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.double()
