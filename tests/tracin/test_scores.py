"""TracInCP against its definition, against captum, and against itself cut into other blocks."""

import copy
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from captum.influence import TracInCP as CaptumTracInCP
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from influence import Checkpoint, Examples, InfluenceError, Projection, TracInCP
from influence.gradients import products
from influence.gradients.products import add_inner_products
from influence.ranking import check_k, strongest
from influence.tracin import scores as scores_module
from tests.tracin import problems
from tests.tracin.problems import assert_close, brute_force, checkpoints_of, classification, mlp, regression

EXACT = 1e-12  # of float64, relative to the gradients' norms
SINGLE = 1e-5  # of float32


class Residual(nn.Module):
    """A skip connection, the head registered before the body, and a functional in-place activation."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(5, 1, dtype=torch.float64)
        self.body = nn.Linear(5, 5, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x + torch.relu_(self.body(x)))


class InPlace(Residual):
    """Standardises what it is given, in that place."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mul_(2).sub_(1))


class ByKeyword(Residual):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(input=x + torch.relu(self.body(input=x)))


class Aside(Residual):
    """A layer that runs, as one for another task does, and does not reach the loss."""

    def forward(self, x: Tensor) -> Tensor:
        self.body(x)
        return self.head(x)


class ToDouble(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.double() / 255


def frozen(model: nn.Module, *names: str) -> nn.Module:
    for name in names:
        model.get_parameter(name).requires_grad_(False)
    return model


def with_norm() -> nn.Module:
    """A batch norm that is frozen: allowed, and it works with its running statistics."""
    model = nn.Sequential(
        nn.Linear(5, 6), nn.BatchNorm1d(6).requires_grad_(False), nn.Tanh(), nn.Dropout(), nn.Linear(6, 1)
    )
    return model.double()


REGRESSION = {
    "with bias": lambda: mlp(5, 7, 6, 1),
    "without bias": lambda: mlp(5, 7, 6, 1, bias=False),
    "one layer": lambda: mlp(5, 1),
    "one input": lambda: mlp(1, 6, 1),
    "narrow middle": lambda: mlp(5, 1, 6, 1),
    "in-place ReLU": lambda: mlp(5, 7, 6, 1, inplace=True),
    "frozen bias": lambda: frozen(mlp(5, 7, 6, 1), "0.bias", "4.bias"),
    "frozen layer": lambda: frozen(mlp(5, 7, 6, 1), "2.weight", "2.bias"),
    "frozen first layer": lambda: frozen(mlp(5, 7, 6, 1), "0.weight", "0.bias"),
    "dropout": lambda: nn.Sequential(mlp(5, 7), nn.Dropout(0.5), nn.Tanh(), mlp(7, 1)),
    "residual": Residual,
    "inputs changed in place": InPlace,
    "called by keyword": ByKeyword,
}


@pytest.fixture(params=REGRESSION)
def problem(request: pytest.FixtureRequest) -> tuple[nn.Module, list[Checkpoint], Examples, Examples]:
    model = REGRESSION[request.param]()
    width = 1 if request.param == "one input" else 5
    return model, checkpoints_of(model), regression(23, width, seed=1), regression(9, width, seed=2)


def small() -> tuple[nn.Module, list[Checkpoint], Examples, Examples]:
    model = mlp(5, 7, 6, 1)
    return model, checkpoints_of(model), regression(40, seed=1), regression(13, seed=2)


# Exact, by the definition


def test_every_kind_of_score_is_the_definitions(problem):
    model, checkpoints, train, targets = problem
    expected, scale = brute_force(model, checkpoints, problems.squared_error, train, targets)
    scorer = TracInCP(model, checkpoints, problems.squared_error)

    before = [part.clone() for part in (*train, *targets)]
    assert_close(scorer.scores(train, targets), expected, scale, EXACT)
    assert_close(scorer.group(train, targets), expected.sum(0), scale.sum(0), EXACT)
    assert all(torch.equal(part, copy) for part, copy in zip((*train, *targets), before, strict=True))
    both, norms = brute_force(model, checkpoints, problems.squared_error, train, train)
    assert_close(scorer.self_influence(train), both.diagonal(), norms.diagonal(), EXACT)

    top = scorer.top_k(train, targets, 4)
    order = expected.argsort(dim=1)
    assert top.proponents.tolist() == order.flip(1)[:, :4].tolist()
    assert top.opponents.tolist() == order[:, :4].tolist()
    assert_close(top.proponent_scores, expected.gather(1, top.proponents), scale.amax(1, True), EXACT)
    assert_close(top.opponent_scores, expected.gather(1, top.opponents), scale.amax(1, True), EXACT)


@pytest.mark.parametrize(
    ("loss", "classes"), [(problems.cross_entropy, 4), (problems.squared_error_all, 3)], ids=["entropy", "squares"]
)
def test_several_outputs(loss, classes):
    model = mlp(5, 8, classes)
    make = classification if loss is problems.cross_entropy else regression
    train, targets = make(20, seed=1), make(6, seed=2)
    checkpoints = checkpoints_of(model)
    expected, scale = brute_force(model, checkpoints, loss, train, targets)
    scorer = TracInCP(model, checkpoints, loss)
    assert_close(scorer.scores(train, targets), expected, scale, EXACT)
    assert_close(scorer.group(train, targets), expected.sum(0), scale.sum(0), EXACT)


def test_a_frozen_layer_of_another_kind_is_passed_through():
    model = with_norm()
    state = copy.deepcopy(model.state_dict())
    state["1.running_mean"] += 0.3
    state["1.running_var"] *= 2
    checkpoints = [Checkpoint(state, 0.1, 1)]
    train, targets = regression(20, seed=1), regression(6, seed=2)
    expected, scale = brute_force(model, checkpoints, problems.squared_error, train, targets)
    scorer = TracInCP(model, checkpoints, problems.squared_error)
    assert_close(scorer.scores(train, targets), expected, scale, EXACT)


def test_single_precision():
    model = mlp(5, 64, 32, 1, dtype=torch.float32)
    checkpoints = checkpoints_of(model)
    train, targets = regression(200, dtype=torch.float32, seed=1), regression(30, dtype=torch.float32, seed=2)
    doubles = [replace(c, state={k: v.double() for k, v in c.state.items()}) for c in checkpoints]
    expected, scale = brute_force(
        mlp(5, 64, 32, 1),
        doubles,
        problems.squared_error,
        *(Examples(*(p.double() for p in e)) for e in (train, targets)),
    )
    scorer = TracInCP(model, checkpoints, problems.squared_error)
    scores = scorer.scores(train, targets)
    assert scores.dtype == torch.float32
    assert_close(scores, expected, scale, SINGLE)
    assert_close(scorer.group(train, targets), expected.sum(0), scale.sum(0), SINGLE)


def test_inputs_of_whole_numbers():
    """Images come as bytes; the scores are what the model computes in."""
    model = nn.Sequential(ToDouble(), mlp(5, 7, 1))
    checkpoints = checkpoints_of(model)
    train, targets = (Examples((20 * e.inputs.abs()).byte(), e.labels) for e in (regression(20, seed=1), regression(6)))
    expected, scale = brute_force(model, checkpoints, problems.squared_error, train, targets)
    scorer = TracInCP(model, checkpoints, problems.squared_error)
    assert_close(scorer.scores(train, targets), expected, scale, EXACT)
    assert_close(scorer.group(train, targets), expected.sum(0), scale.sum(0), EXACT)
    own = scorer.self_influence(train)
    torch.testing.assert_close(own, scorer.scores(train, train).diagonal(), rtol=1e-10, atol=0)


def test_a_layer_that_does_not_reach_the_loss_scores_zero():
    model = Aside()
    checkpoints, train, targets = checkpoints_of(model), regression(20, seed=1), regression(6, seed=2)
    alone = frozen(Aside(), "body.weight", "body.bias")
    expected, scale = brute_force(alone, checkpoints, problems.squared_error, train, targets)
    scorer = TracInCP(model, checkpoints, problems.squared_error)
    assert_close(scorer.scores(train, targets), expected, scale, EXACT)
    assert_close(scorer.group(train, targets), expected.sum(0), scale.sum(0), EXACT)


def test_the_sign_positive_helps():
    # One weight, no bias: a step on the train example moves the output of a target on the same side towards it.
    model = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    checkpoint = Checkpoint({"weight": torch.zeros(1, 1, dtype=torch.float64)}, 0.5, 1)
    train = Examples(torch.tensor([[1.0], [1.0]], dtype=torch.float64), torch.tensor([2.0, -2.0], dtype=torch.float64))
    target = Examples(torch.tensor([[3.0]], dtype=torch.float64), torch.tensor([1.0], dtype=torch.float64))
    # Gradients by hand: 2 (0 - y) x = -4 and 4 for the training examples, -6 for the target; times 0.5.
    assert TracInCP(model, [checkpoint], problems.squared_error).scores(train, target).tolist() == [[12.0, -12.0]]


def test_models_are_neither_changed_nor_read():
    model, checkpoints, train, targets = small()
    model.train()
    before = copy.deepcopy(model.state_dict())
    scores = TracInCP(model, checkpoints, problems.squared_error).scores(train, targets)
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
        value.zero_()
    assert torch.equal(TracInCP(model, checkpoints, problems.squared_error).scores(train, targets), scores)


# Against captum


def captums(
    model: nn.Module, checkpoints: list[Checkpoint], train: Examples, loss: Any = None, **options: Any
) -> CaptumTracInCP:
    by_name = {str(number): checkpoint for number, checkpoint in enumerate(checkpoints)}

    def load(model: nn.Module, name: str) -> float:
        model.load_state_dict(by_name[name].state)
        model.eval()
        return by_name[name].learning_rate

    def squared_error(outputs: Tensor, labels: Tensor) -> Tensor:
        return (outputs[:, 0] - labels).square().sum()

    squared_error.reduction = "sum"  # type: ignore[attr-defined]
    return CaptumTracInCP(
        copy.deepcopy(model),
        TensorDataset(*train),
        list(by_name),
        load,
        loss_fn=loss or squared_error,
        batch_size=16,
        sample_wise_grads_per_batch=True,
        **options,
    )


@pytest.mark.parametrize("bias", [True, False])
def test_captum_agrees(bias):
    model = mlp(5, 7, 6, 1, bias=bias)
    checkpoints, train, targets = checkpoints_of(model), regression(40, seed=1), regression(13, seed=2)
    _, scale = brute_force(model, checkpoints, problems.squared_error, train, targets)
    scorer = TracInCP(model, checkpoints, problems.squared_error)
    theirs = captums(model, checkpoints, train)

    assert_close(scorer.scores(train, targets), theirs.influence(tuple(targets)), scale, 1e-10)
    _, norms = brute_force(model, checkpoints, problems.squared_error, train, train)
    assert_close(scorer.self_influence(train), theirs.self_influence(), norms.diagonal(), 1e-10)
    found = theirs.influence(tuple(targets), k=5, proponents=True)
    assert torch.equal(scorer.top_k(train, targets, 5).proponents, found.indices)
    found = theirs.influence(tuple(targets), k=5, proponents=False)
    assert torch.equal(scorer.top_k(train, targets, 5).opponents, found.indices)


def test_captum_agrees_on_the_last_layer():
    model, checkpoints, train, targets = small()
    _, scale = brute_force(model, checkpoints, problems.squared_error, train, targets)
    theirs = captums(model, checkpoints, train, layers=["4"])
    ours = TracInCP(model, checkpoints, problems.squared_error, layers="last")
    assert_close(ours.scores(train, targets), theirs.influence(tuple(targets)), scale, 1e-10)


# Laws


@pytest.mark.parametrize("memory", [1, 2_000, 6_000])
def test_memory_changes_the_blocks_and_never_the_scores(memory, monkeypatch):
    model, checkpoints, train, targets = small()
    whole = TracInCP(model, checkpoints, problems.squared_error)
    expected, top = whole.scores(train, targets), whole.top_k(train, targets, 3)
    assert len(list(whole.blocks(train, targets))) == 1

    for module, name, rows in (
        (scores_module, "_TRAIN_ROWS", 7),
        (products, "_TARGET_ROWS", 3),
        (scores_module, "_PASS_ROWS", 11),
    ):
        monkeypatch.setattr(module, name, rows)
    cut = TracInCP(model, checkpoints, problems.squared_error, memory=memory)
    assert len(list(cut.blocks(train, targets))) > 1
    torch.testing.assert_close(cut.scores(train, targets), expected, rtol=1e-10, atol=1e-12)
    assert torch.equal(cut.top_k(train, targets, 3).proponents, top.proponents)
    assert torch.equal(cut.top_k(train, targets, 3).opponents, top.opponents)
    torch.testing.assert_close(cut.self_influence(train), whole.self_influence(train), rtol=1e-10, atol=0)
    torch.testing.assert_close(cut.group(train, targets), whole.group(train, targets), rtol=1e-10, atol=1e-12)


def test_the_order_of_targets_and_training_examples_only_permutes_the_scores():
    model, checkpoints, train, targets = small()
    scorer = TracInCP(model, checkpoints, problems.squared_error)
    rows, columns = torch.randperm(len(targets.inputs)), torch.randperm(len(train.inputs))
    shuffled = scorer.scores(Examples(*(p[columns] for p in train)), Examples(*(p[rows] for p in targets)))
    expected = scorer.scores(train, targets)[rows][:, columns]
    torch.testing.assert_close(shuffled, expected, rtol=1e-10, atol=1e-12)


def test_checkpoints_add_up_and_learning_rates_scale():
    model, checkpoints, train, targets = small()

    def scores(*some: Checkpoint) -> Tensor:
        return TracInCP(model, some, problems.squared_error).scores(train, targets)

    torch.testing.assert_close(scores(*checkpoints), sum(scores(c) for c in checkpoints), rtol=1e-10, atol=1e-12)
    first = checkpoints[0]
    doubled = replace(first, learning_rate=2 * first.learning_rate)
    torch.testing.assert_close(scores(doubled), 2 * scores(first), rtol=1e-12, atol=0)


def test_self_influence_is_the_diagonal_and_never_negative():
    model, checkpoints, train, _ = small()
    scorer = TracInCP(model, checkpoints, problems.squared_error)
    self_influence = scorer.self_influence(train)
    assert (self_influence >= 0).all()
    torch.testing.assert_close(self_influence, scorer.scores(train, train).diagonal(), rtol=1e-10, atol=0)


def test_a_group_is_the_sum_of_its_targets():
    model, checkpoints, train, targets = small()
    scorer = TracInCP(model, checkpoints, problems.squared_error)
    expected = scorer.scores(train, targets).sum(0)
    torch.testing.assert_close(scorer.group(train, targets), expected, rtol=1e-10, atol=1e-12)


# Memory


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("memory", [200_000, 1_000_000])
def test_a_block_and_its_factors_fit_the_memory(dtype, memory, monkeypatch):
    model = mlp(5, 7, 6, 1, dtype=dtype)
    train, targets = regression(1_000, dtype=dtype, seed=1), regression(300, dtype=dtype, seed=2)
    scorer = TracInCP(model, checkpoints_of(model), problems.squared_error, memory=memory)
    held: list[int] = []

    def measured(out: Tensor, left: Any, right: Any, weight: float) -> None:
        factors = [factor for layer in left for factor in layer]
        held.append(out.untyped_storage().nbytes() + sum(f.numel() * f.element_size() for f in factors))
        add_inner_products(out, left, right, weight)

    monkeypatch.setattr(scores_module, "add_inner_products", measured)
    scorer.scores(train, targets)
    assert memory / 2 < max(held) <= memory


class Counting(nn.Sequential):
    """Records how many examples every pass takes, in copies of itself too."""

    passes: ClassVar[list[int]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.passes.append(len(x))
        return super().forward(x)


@pytest.fixture
def passes() -> list[int]:
    Counting.passes.clear()
    return Counting.passes


@pytest.mark.parametrize("memory", [1_000, 2**30])
def test_no_pass_grows_with_the_number_of_targets(passes, memory):
    """A projected target is small, but on the way there its factors are not; nor are a group's gradients."""
    model = Counting(*mlp(5, 30, 1))
    checkpoints, train = checkpoints_of(model), regression(10, seed=1)
    projected = TracInCP(model, checkpoints, problems.squared_error, projection=Projection(2), memory=memory)
    whole = TracInCP(model, checkpoints, problems.squared_error, memory=memory)
    largest = {}
    for n in (2_500, 5_000):
        targets = regression(n, seed=2)
        if memory > 1_000_000:  # a target a block takes a pass each
            projected.scores(train, targets)
        else:
            blocks = projected.blocks(train, targets)
            assert len(next(blocks)[1]) < 10
            blocks.close()
        whole.group(train, targets)
        largest[n] = max(passes)
        passes.clear()
    assert largest[2_500] == largest[5_000] < 2_500


def test_weights_are_not_loaded_for_each_part_of_the_training_examples(monkeypatch):
    """For a large model, loading weights takes longer than a pass; so each checkpoint is loaded for a block and again
    for the last look at it, and the first for the probe."""
    model = mlp(5, 7, 1)
    scorer = TracInCP(model, checkpoints_of(model), problems.squared_error)
    loads = []
    load = scores_module.load
    monkeypatch.setattr(scores_module, "load", lambda *arguments: (loads.append(1), load(*arguments))[1])
    scorer.scores(regression(2_000, seed=1), regression(5, seed=2))
    assert len(loads) == 2 * 3 + 1


def test_blocks_do_not_grow_with_the_number_of_targets():
    model = mlp(5, 7, 6, 1)
    train = regression(500, seed=1)
    scorer = TracInCP(model, checkpoints_of(model), problems.squared_error, memory=100_000)
    sizes = {n: max(len(b) for _, b in scorer.blocks(train, regression(n, seed=2))) for n in (50, 100, 400)}
    assert max(sizes.values()) < 25
    covered = [r for rows, _ in scorer.blocks(train, regression(101)) for r in range(rows.start, rows.stop)]
    assert covered == list(range(101))


def test_progress_ends_at_one_and_never_goes_back():
    model, checkpoints, train, targets = small()
    scorer = TracInCP(model, checkpoints, problems.squared_error, memory=2_000)
    seen: list[float] = []
    list(scorer.blocks(train, targets, seen.append))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    seen.clear()
    scorer.self_influence(train, seen.append)
    assert seen[-1] == 1.0


# Top-k


def test_ties_go_to_the_lower_position():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 3, (20, 300), generator=generator).float()  # far more ties than k: the cut falls in one
    top = strongest(scores, 7)
    positions = range(scores.shape[1])
    for row, proponents, opponents in zip(scores.tolist(), top.proponents, top.opponents, strict=True):
        assert proponents.tolist() == sorted(positions, key=lambda i: (-row[i], i))[:7]
        assert opponents.tolist() == sorted(positions, key=lambda i: (row[i], i))[:7]
    assert torch.equal(top.proponent_scores, scores.gather(1, top.proponents))
    assert torch.equal(top.opponent_scores, scores.gather(1, top.opponents))


def test_all_scores_equal():
    assert strongest(torch.zeros(2, 5), 3).proponents.tolist() == [[0, 1, 2]] * 2
    assert strongest(torch.zeros(2, 5), 3).opponents.tolist() == [[0, 1, 2]] * 2


@pytest.mark.parametrize("k", [1, 40])
def test_k_from_one_to_all(k):
    model, checkpoints, train, targets = small()
    scorer = TracInCP(model, checkpoints, problems.squared_error)
    top = scorer.top_k(train, targets, k)
    assert all(part.shape == (13, k) for part in top)
    expected = scorer.scores(train, targets).sort(dim=1).values
    torch.testing.assert_close(top.opponent_scores, expected[:, :k])
    torch.testing.assert_close(top.proponent_scores, expected.flip(1)[:, :k])


@pytest.mark.parametrize("k", [0, -1, 41])
def test_k_out_of_range(k):
    model, checkpoints, train, targets = small()
    scorer = TracInCP(model, checkpoints, problems.squared_error)
    with pytest.raises(InfluenceError) as caught:
        scorer.top_k(train, targets, k)
    assert f"k is {k}, but must lie between 1 and the 40" in str(caught.value)


def test_k_larger_than_a_results_ranks_can_count():
    model = mlp(1, 1, bias=False)
    scorer = TracInCP(model, checkpoints_of(model), problems.squared_error)
    train, targets = regression(40_000, 1, seed=1), regression(1, 1, seed=2)
    with pytest.raises(InfluenceError) as caught:
        scorer.top_k(train, targets, 32_768)
    assert "k is 32768, but no more than 32767" in str(caught.value)
    check_k(32_767, 40_000)


def test_inputs_and_labels_of_different_length():
    model, checkpoints, good, _ = small()
    bad = Examples(good.inputs, good.labels[:-1])
    scorer = TracInCP(model, checkpoints, problems.squared_error)
    calls = [scorer.scores, scorer.group, lambda *both: scorer.top_k(*both, 3)]
    for call in (*calls, lambda train, targets: scorer.self_influence(bad)):
        for train, targets in ((good, bad), (bad, good)):
            with pytest.raises(InfluenceError) as caught:
                call(train, targets)
            assert "40 inputs and 39 labels" in str(caught.value)


def test_no_targets():
    model, checkpoints, train, _ = small()
    scorer = TracInCP(model, checkpoints, problems.squared_error)
    none = regression(0)
    assert scorer.scores(train, none).shape == (0, 40)
    assert [part.shape for part in scorer.top_k(train, none, 3)] == [(0, 3)] * 4
    assert scorer.group(train, none).tolist() == [0.0] * 40


# The named approximations


@pytest.mark.parametrize(("build", "head"), [(lambda: mlp(5, 7, 6, 1), "4."), (Residual, "head.")])
def test_last_layer_is_the_layer_that_runs_last(build, head):
    model = build()
    checkpoints, train, targets = checkpoints_of(model), regression(40, seed=1), regression(13, seed=2)
    alone = build()
    for name, parameter in alone.named_parameters():
        parameter.requires_grad_(name.startswith(head))
    expected, scale = brute_force(alone, checkpoints, problems.squared_error, train, targets)
    scorer = TracInCP(model, checkpoints, problems.squared_error, layers="last")
    assert_close(scorer.scores(train, targets), expected, scale, EXACT)
    assert_close(scorer.group(train, targets), expected.sum(0), scale.sum(0), EXACT)


def projected(dimension: int, seed: int = 0) -> TracInCP:
    model, checkpoints, _, _ = small()
    return TracInCP(model, checkpoints, problems.squared_error, projection=Projection(dimension, seed))


def test_projections_average_to_the_exact_scores():
    model, checkpoints, train, targets = small()
    exact = TracInCP(model, checkpoints, problems.squared_error).scores(train, targets)
    draws = torch.stack([projected(4, seed).scores(train, targets) for seed in range(100)])
    # The mean of 100 draws lies within 5 of its own standard errors for every one of the 520 pairs.
    error = draws.std(0) / len(draws) ** 0.5
    assert ((draws.mean(0) - exact).abs() <= 5 * error + 1e-12).all()
    assert (draws.mean(0) - exact).norm() < 0.3 * exact.norm()
    assert (draws[0] - exact).norm() > 0.3 * exact.norm()


def test_a_wider_projection_errs_less():
    _, _, train, targets = small()
    model, checkpoints, _, _ = small()
    exact = TracInCP(model, checkpoints, problems.squared_error).scores(train, targets)

    def error(dimension: int) -> float:
        return float(sum((projected(dimension, s).scores(train, targets) - exact).square().mean() for s in range(12)))

    assert error(4) < 0.7 * error(1)


def test_a_projection_no_narrower_than_every_factor_is_exact():
    model, checkpoints, train, targets = small()
    exact = TracInCP(model, checkpoints, problems.squared_error)
    assert torch.equal(projected(8).scores(train, targets), exact.scores(train, targets))
    assert not torch.equal(projected(7).scores(train, targets), exact.scores(train, targets))
    assert torch.equal(projected(8).self_influence(train), exact.self_influence(train))


def test_a_projection_follows_from_its_seed():
    _, _, train, targets = small()
    assert torch.equal(projected(3, 1).scores(train, targets), projected(3, 1).scores(train, targets))
    assert not torch.allclose(projected(3, 1).scores(train, targets), projected(3, 2).scores(train, targets))


def test_projected_self_influence_is_the_diagonal():
    _, _, train, _ = small()
    scorer = projected(3)
    torch.testing.assert_close(scorer.self_influence(train), scorer.scores(train, train).diagonal())


# Errors


class TiedAtTimes(Residual):
    """Uses a weight without its layer too, which the first examples do not show."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + (x[:, :1] > 1) * nn.functional.linear(x, self.body.weight)[:, :1]


@pytest.mark.parametrize("call", ["scores", "group", "self_influence"])
def test_a_weight_that_is_used_elsewhere_too(call):
    model = TiedAtTimes()
    train, targets = regression(40, seed=1), regression(40, seed=2)
    for examples in (train, targets):
        examples.inputs[0] = 0
    scorer = TracInCP(model, checkpoints_of(model), problems.squared_error)
    arguments = (train,) if call == "self_influence" else (train, targets)
    with pytest.raises(InfluenceError, match="layer body is not made by its inputs"):
        getattr(scorer, call)(*arguments)


def test_layers_is_all_or_last():
    model, checkpoints, _, _ = small()
    with pytest.raises(InfluenceError, match="layers is 'lasst', but must be 'all' or 'last'"):
        TracInCP(model, checkpoints, problems.squared_error, layers="lasst")


def test_no_checkpoint():
    with pytest.raises(InfluenceError, match="there is none: give at least one"):
        TracInCP(mlp(5, 1), [], problems.squared_error)


def test_a_checkpoint_of_another_architecture():
    with pytest.raises(InfluenceError) as caught:
        TracInCP(mlp(5, 1), checkpoints_of(mlp(6, 1)), problems.squared_error)
    assert "checkpoint of epoch 1 does not fit the model" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("where", ["checkpoint", "train", "target"])
def test_nan_is_an_error_and_never_a_score(where):
    model, checkpoints, train, targets = small()
    {"checkpoint": checkpoints[1].state["0.weight"], "train": train.inputs, "target": targets.inputs}[where][0, 0] = (
        float("nan")
    )
    scorer = TracInCP(model, checkpoints, problems.squared_error)
    with pytest.raises(InfluenceError, match="not finite"):
        scorer.scores(train, targets)
    with pytest.raises(InfluenceError, match="not finite"):
        scorer.top_k(train, targets, 2)
    with pytest.raises(InfluenceError, match="not finite"):
        scorer.group(train, targets)
    if where != "target":
        with pytest.raises(InfluenceError, match="not finite"):
            scorer.self_influence(train)


def test_a_group_cannot_be_projected():
    _, _, train, targets = small()
    with pytest.raises(InfluenceError, match="without a projection"):
        projected(3).group(train, targets)


def test_a_projection_without_dimensions():
    with pytest.raises(InfluenceError, match="dimension is 0, but must be at least 1"):
        Projection(0)


# The real data


@pytest.mark.parametrize("n_targets", [11])
def test_the_houses_scores_are_the_definitions(houses, n_targets):
    from influence.datasets.california_housing import is_palo_alto
    from influence.learners.regression import networks as learner
    from influence.learners.toolkit.outputs import squared_error

    data = learner.Standardised.of(houses)
    eleven = torch.as_tensor(is_palo_alto(houses.test))
    assert eleven.sum() == n_targets
    train = Examples(data.train_inputs[::400], data.train_labels[::400])
    targets = Examples(data.test_inputs[eleven], data.test_labels[eleven])
    model = learner.build(8)
    checkpoints = checkpoints_of(model, (1e-3, 2e-3))
    doubles = [replace(c, state={k: v.double() for k, v in c.state.items()}) for c in checkpoints]
    expected, scale = brute_force(
        learner.build(8).double(),
        doubles,
        problems.squared_error,
        *(Examples(*(part.double() for part in e)) for e in (train, targets)),
    )
    scorer = TracInCP(model, checkpoints, squared_error)
    assert_close(scorer.scores(train, targets), expected, scale, SINGLE)
