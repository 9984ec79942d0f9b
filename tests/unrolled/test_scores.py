"""The interface for users' own networks."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import influence
from influence import SGD, Examples, InfluenceError, ModuleTraining, Unrolled, shuffled
from tests.unrolled.retraining import retrained


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(outputs, labels, reduction="none")


def first_over_second(outputs: Tensor, labels: Tensor) -> Tensor:
    return outputs[:, 0] - outputs[:, 1]


def training(weights: Tensor | None = None, rate: float = 0.1) -> ModuleTraining:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    inputs, labels = torch.randn(20, 4, dtype=torch.float64), torch.arange(20) % 3
    return ModuleTraining(model, cross_entropy, inputs, labels, shuffled(20, 5, 4, rate, 1), SGD(0.9), weights)


@pytest.fixture
def targets() -> Examples:
    torch.manual_seed(1)
    return Examples(torch.randn(7, 4, dtype=torch.float64), torch.arange(7) % 3)


def test_removals_are_predicted_in_the_outputs_unit(targets: Examples) -> None:
    own = training(rate=0.03)
    unrolled = Unrolled(own, first_over_second)
    scores = unrolled.scores(targets)
    before = first_over_second(unrolled.outputs(targets.inputs), targets.labels)
    for removed in ([3], [11, 5]):
        weights = own.weights.clone()
        weights[removed] = 0
        after = first_over_second(retrained(own, weights)(targets.inputs), targets.labels).detach()
        predicted = -scores[:, removed].sum(1)
        # Over ten seeds of network and data the correlation is .989 at least.
        assert torch.corrcoef(torch.stack([after - before, predicted]))[0, 1] > 0.95


def test_blocks_and_top_k(targets: Examples) -> None:
    own = training()
    whole = Unrolled(own, first_over_second)
    by_one = Unrolled(own, first_over_second, memory=1)
    scores = whole.scores(targets)
    assert [rows for rows, _ in by_one.blocks(targets)] == [slice(i, i + 1) for i in range(7)]
    torch.testing.assert_close(by_one.scores(targets), scores)
    top = whole.top_k(targets, 2)
    assert torch.equal(top.proponents[:, 0], scores.argmax(1))
    assert torch.equal(top.opponents[:, 0], scores.argmin(1))
    torch.testing.assert_close(whole.group(targets), scores.sum(0))


def test_the_model_stays_as_it_is(targets: Examples) -> None:
    own = training()
    before = [each.clone() for each in own.model.parameters()]
    Unrolled(own, first_over_second).scores(targets)
    assert all(map(torch.equal, before, own.model.parameters()))


def test_progress_rises_to_one(targets: Examples) -> None:
    trained: list[float] = []
    scored: list[float] = []
    unrolled = Unrolled(training(), first_over_second, memory=1, on_progress=trained.append)
    list(unrolled.blocks(targets, scored.append))
    for shares in (trained, scored):
        assert shares == sorted(shares)
        assert shares[-1] == 1


def test_refusals(targets: Examples) -> None:
    own = training()
    with pytest.raises(InfluenceError, match="7 targets and 6 labels"):
        Unrolled(own, first_over_second).scores((targets.inputs, targets.labels[:6]))
    with pytest.raises(InfluenceError, match="between 1 and the 20"):
        Unrolled(own, first_over_second).top_k(targets, 21)
    with pytest.raises(InfluenceError, match=r"weights have shape \(3,\)"):
        training(torch.ones(3))
    with pytest.raises(InfluenceError, match="diverged"):
        Unrolled(training(rate=1e308), first_over_second)
    with pytest.raises(InfluenceError, match="memory is 0"):
        Unrolled(own, first_over_second, memory=0)
    with pytest.raises(InfluenceError, match="no trained parameter"):
        ModuleTraining(nn.Linear(2, 2).requires_grad_(False), cross_entropy, torch.ones(1, 2), torch.ones(1), own.steps)
    with pytest.raises(InfluenceError, match="averaged is 0"):
        ModuleTraining(own.model, cross_entropy, own.inputs, own.labels, own.steps, averaged=0)
    with pytest.raises(InfluenceError, match="20 inputs and 19 labels"):
        ModuleTraining(own.model, cross_entropy, own.inputs, own.labels[:19], own.steps)


def test_it_is_public() -> None:
    assert {"Unrolled", "ModuleTraining", "SGD", "Adam", "Step", "shuffled"} <= set(influence.__all__)
    assert influence.Unrolled is Unrolled


def test_the_documented_example_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "methods.md").read_text()
    (code,) = (block.partition("```")[0] for block in page.split("```python")[1:] if "Unrolled" in block)
    torch.manual_seed(0)
    inputs, test_inputs = torch.randn(60, 4), torch.randn(5, 4)
    names: dict[str, Any] = {
        "model": nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)),
        "loss": cross_entropy,
        "inputs": inputs,
        "labels": torch.arange(60) % 3,
        "test_inputs": test_inputs,
        "test_labels": torch.arange(5) % 3,
    }
    exec(code, names)
    assert names["scores"].shape == (5, 60)
    assert names["best"].proponents.shape == (5, 20)
