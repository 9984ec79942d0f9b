"""TracInIdeal: what really happened to the losses, which the first-order score predicts while steps are small."""

import copy

import pytest
import torch
from torch import Tensor, nn

from influence import Checkpoint, Examples, InfluenceError, tracin_ideal
from tests.tracin.problems import brute_force, mlp, regression, squared_error


def visits(n_train: int, epochs: int) -> list[int]:
    generator = torch.Generator().manual_seed(0)
    return torch.cat([torch.randperm(n_train, generator=generator) for _ in range(epochs)]).tolist()


def test_rows_sum_to_the_change_of_loss_over_training():
    model, train, targets = mlp(5, 16, 8, 1), regression(30, seed=1), regression(10, seed=2)
    order, rate = visits(30, 5), 0.01
    ideal = tracin_ideal(model, squared_error, train, targets, order, rate)

    trained = copy.deepcopy(model)
    optimizer = torch.optim.SGD(trained.parameters(), lr=rate)
    for i in order:
        optimizer.zero_grad()
        squared_error(trained(train.inputs[i : i + 1]), train.labels[i : i + 1]).sum().backward()
        optimizer.step()
    with torch.no_grad():
        total = squared_error(model(targets.inputs), targets.labels) - squared_error(
            trained(targets.inputs), targets.labels
        )

    scores = ideal.scores(30)
    assert scores.shape == (10, 30)
    torch.testing.assert_close(scores.sum(1), total, rtol=1e-6, atol=1e-12)
    assert total.abs().min() > 1e-3  # something was learned, so the sum says something


def test_first_order_predicts_the_change_of_every_step():
    model, train, targets = mlp(5, 16, 8, 1), regression(30, seed=1), regression(10, seed=2)
    ideal = tracin_ideal(model, squared_error, train, targets, visits(30, 4), 1e-3)
    correlation = torch.corrcoef(torch.stack([ideal.first_order.flatten(), ideal.change.flatten()]))[0, 1]
    assert correlation >= 0.97


def test_the_prediction_gets_worse_as_steps_grow():
    model, train, targets = mlp(5, 16, 8, 1), regression(30, seed=1), regression(10, seed=2)

    def error(rate: float) -> float:
        ideal = tracin_ideal(model, squared_error, train, targets, range(30), rate)
        return float((ideal.first_order - ideal.change).norm() / ideal.change.norm())

    assert error(1e-5) < 1e-3
    assert error(1e-5) < error(1e-3) < error(3e-2)


def test_the_first_step_is_tracincp_of_one_checkpoint():
    model, train, targets = mlp(5, 16, 8, 1), regression(6, seed=1), regression(10, seed=2)
    ideal = tracin_ideal(model, squared_error, train, targets, [4], 0.02)
    expected, _ = brute_force(model, [Checkpoint(model.state_dict(), 0.02, 0)], squared_error, train, targets)
    torch.testing.assert_close(ideal.first_order[0], expected[:, 4], rtol=1e-10, atol=1e-14)


def test_an_example_that_is_never_visited_has_no_influence_and_repeats_add_up():
    model, train, targets = mlp(5, 16, 8, 1), regression(6, seed=1), regression(10, seed=2)
    ideal = tracin_ideal(model, squared_error, train, targets, [2, 0, 2], 0.01)
    scores = ideal.scores(6)
    assert (scores[:, [1, 3, 4, 5]] == 0).all()
    torch.testing.assert_close(scores[:, 2], ideal.change[0] + ideal.change[2])


def test_the_model_is_left_alone():
    model, train, targets = mlp(5, 16, 8, 1), regression(6, seed=1), regression(10, seed=2)
    before = copy.deepcopy(model.state_dict())
    tracin_ideal(model, squared_error, train, targets, [0, 1], 0.1)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_no_visits():
    with pytest.raises(InfluenceError) as caught:
        tracin_ideal(mlp(5, 1), squared_error, regression(6), regression(3), [], 0.1)
    assert str(caught.value) == "There is no step to follow: visits is empty."


def test_inputs_and_labels_of_different_length():
    good, bad = regression(6), Examples(regression(6).inputs, regression(5).labels)
    for train, targets in ((good, bad), (bad, good)):
        with pytest.raises(InfluenceError, match="There are 6 inputs and 5 labels"):
            tracin_ideal(mlp(5, 1), squared_error, train, targets, [0], 0.1)


def test_inputs_of_whole_numbers():
    class ToDouble(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.double() / 255

    model = nn.Sequential(ToDouble(), mlp(5, 7, 1))
    examples = Examples((50 * regression(6).inputs.abs()).byte(), regression(6).labels)
    ideal = tracin_ideal(model, squared_error, examples, examples, [2], 1e-4)
    expected, _ = brute_force(model, [Checkpoint(model.state_dict(), 1e-4, 0)], squared_error, examples, examples)
    torch.testing.assert_close(ideal.first_order[0], expected[:, 2], rtol=1e-10, atol=1e-14)


def test_a_model_that_changes_its_inputs_in_place_changes_nothing_else():
    class InPlace(nn.Module):
        def __init__(self, in_place: bool) -> None:
            super().__init__()
            self.body, self.in_place = mlp(5, 7, 1), in_place

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x.mul_(2) if self.in_place else 2 * x)

    plain, in_place = InPlace(False), InPlace(True)
    in_place.load_state_dict(plain.state_dict())
    train, targets = regression(6, seed=1), regression(10, seed=2)
    expected = tracin_ideal(plain, squared_error, train, targets, [1, 0, 1], 0.01)
    before = [tensor.clone() for tensor in (*train, *targets)]
    found = tracin_ideal(in_place, squared_error, train, targets, [1, 0, 1], 0.01)
    assert all(torch.equal(*both) for both in zip((*train, *targets), before, strict=True))
    torch.testing.assert_close(found.change, expected.change)
    torch.testing.assert_close(found.first_order, expected.first_order)


def test_a_layer_that_runs_but_does_not_reach_the_loss_stays_as_it_is():
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.aside, self.head = mlp(5, 3), mlp(5, 1)

        def forward(self, x: Tensor) -> Tensor:
            self.aside(x)
            return self.head(x)

    model, train = Aside(), regression(6)
    ideal = tracin_ideal(model, squared_error, train, train, [0, 1], 0.01)
    alone = tracin_ideal(model.head, squared_error, train, train, [0, 1], 0.01)
    torch.testing.assert_close(ideal.change, alone.change)
    torch.testing.assert_close(ideal.first_order, alone.first_order)


def test_a_step_on_an_example_helps_that_example():
    model, train = mlp(5, 16, 8, 1), regression(6, seed=1)
    ideal = tracin_ideal(model, squared_error, train, train, [3], 1e-3)
    assert ideal.change[0, 3] > 0
    assert ideal.change[0, 3] == pytest.approx(float(ideal.first_order[0, 3]), rel=0.05)
