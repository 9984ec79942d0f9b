"""What would give wrong scores is refused, of every kind in many members; what is right is not, however it rounds."""

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from influence import Checkpoint, Examples, InfluenceError, TracInCP, tracin_ideal
from influence.gradients.factors import FactorExtractor
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

Forward = Callable[[nn.Module, Tensor], Tensor]
COMPANIONS = "depends on the other examples of its batch"
RANDOM = "not the same twice"
ELSEWHERE = "not made by its inputs and outputs alone"


class Model(nn.Module):
    """A layer and a head of float64; how they are used is given."""

    def __init__(self, forward: Forward, width_out: int = 1) -> None:
        super().__init__()
        self.body = nn.Linear(5, 5, dtype=torch.float64)
        self.head = nn.Linear(5, width_out, dtype=torch.float64)
        self.given = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.given(self, x)


def tail(model: nn.Module, h: Tensor) -> Tensor:
    return model.head(torch.tanh(h))


def refuses(
    model: nn.Module, loss: Callable[..., Tensor], match: str, data: Callable[..., Examples] = regression
) -> None:
    """Scores, groups and self-influences, each with a scorer of its own."""
    checkpoints, train, targets = checkpoints_of(model), data(40, seed=1), data(12, seed=2)
    for call in (
        lambda: TracInCP(model, checkpoints, loss).scores(train, targets),
        lambda: TracInCP(model, checkpoints, loss).group(train, targets),
        lambda: TracInCP(model, checkpoints, loss).self_influence(train),
        lambda: FactorExtractor(model, loss)(*train),
    ):
        with pytest.raises(InfluenceError, match=match) as caught:
            call()
        assert "\n" not in str(caught.value)


def exact(model: nn.Module, loss: Callable[..., Tensor], train: Examples, targets: Examples) -> None:
    checkpoints = checkpoints_of(model)
    expected, scale = brute_force(model, checkpoints, loss, train, targets)
    scorer = TracInCP(model, checkpoints, loss)
    assert_close(scorer.scores(train, targets), expected, scale, 1e-12)
    assert_close(scorer.group(train, targets), expected.sum(0), scale.sum(0), 1e-12)
    both, norms = brute_force(model, checkpoints, loss, train, train)
    assert_close(scorer.self_influence(train), both.diagonal(), norms.diagonal(), 1e-12)


# A: examples that meet, or change places


def by_length(model: nn.Module, x: Tensor) -> Tensor:
    order = x.norm(dim=1).argsort()
    return tail(model, model.body(x[order])[order.argsort()])


def attention(model: nn.Module, x: Tensor) -> Tensor:
    h = model.body(x)
    return tail(model, F.softmax(h @ h.T, dim=1) @ h)


def train_mode(model: nn.Module, x: Tensor) -> Tensor:
    h = model.body(x)
    return tail(model, F.batch_norm(h, None, None, training=True) if len(h) > 1 else h)


MEETING: dict[str, Forward] = {
    "sorted by length": by_length,
    "flipped for a layer": lambda m, x: tail(m, m.body(x.flip(0)).flip(0)),
    "rolled": lambda m, x: tail(m, m.body(x.roll(1, 0))),
    "rows exchanged after": lambda m, x: tail(m, m.body(x)).flip(0),
    "mean taken off": lambda m, x: tail(m, (h := m.body(x)) - h.mean(0)),
    "mean taken off lightly": lambda m, x: tail(m, (h := m.body(x)) - 1e-3 * h.mean(0)),
    "detached mean taken off": lambda m, x: tail(m, (h := m.body(x)) - h.mean(0).detach()),
    "statistics by function": train_mode,
    "scaled by the largest": lambda m, x: tail(m, (h := m.body(x)) / h.abs().max()),
    "unit columns": lambda m, x: tail(m, F.normalize(m.body(x), dim=0)),
    "attention": attention,
    "cumulative": lambda m, x: tail(m, m.body(x).cumsum(0)),
    "softmax over the batch": lambda m, x: tail(m, m.body(x)) * F.softmax(m.body.bias.new_zeros(len(x)), 0)[:, None],
    "inputs standardised": lambda m, x: tail(m, m.body((x - x.mean(0)) / (1 + x.std(0, correction=0)))),
    "previous example": lambda m, x: tail(m, m.body(x) + 0.1 * x.roll(1, 0)),
    "ranks": lambda m, x: tail(m, m.body(x) * x[:, :1].argsort(0).argsort(0)),
    "only for a large batch": lambda m, x: tail(m, (h := m.body(x)) - (h.mean(0) if len(x) > 30 else 0)),
    "only beside an extreme one": lambda m, x: tail(m, m.body(x) * (2 if x.abs().max() > 2.3 else 1)),
}


@pytest.mark.parametrize("forward", MEETING.values(), ids=MEETING)
def test_examples_that_meet_in_the_model(forward):
    refuses(Model(forward), squared_error, COMPANIONS)


def weighted(outputs: Tensor, labels: Tensor) -> Tensor:
    weights = torch.tensor([0.5, 1, 2, 3], dtype=outputs.dtype)
    return F.cross_entropy(outputs, labels, weights, reduction="none") / weights[labels].sum()


LOSSES: dict[str, tuple[Callable[..., Tensor], Callable[..., Examples], int]] = {
    "by their number": (lambda o, y: squared_error(o, y) / len(y), regression, 1),
    "cross-entropy by their number": (lambda o, y: cross_entropy(o, y) / len(y), classification, 4),
    "by the weights of classes": (weighted, classification, 4),
    "broadcast": (lambda o, y: (o - y).square().mean(1), regression, 1),
    "less the mean": (lambda o, y: (loss := squared_error(o, y)) - loss.mean(), regression, 1),
    "less the detached mean": (lambda o, y: (loss := squared_error(o, y)) - loss.mean().detach(), regression, 1),
    "one mean for all": (lambda o, y: squared_error(o, y).mean().expand(len(y)), regression, 1),
    "exchanged": (lambda o, y: squared_error(o, y).flip(0), regression, 1),
    "labels exchanged": (lambda o, y: squared_error(o, y.roll(1)), regression, 1),
    "sorted": (lambda o, y: squared_error(o, y).sort().values, regression, 1),
    "cumulative": (lambda o, y: squared_error(o, y).cumsum(0), regression, 1),
    "by the spread of labels": (lambda o, y: squared_error(o, y) / (1 + y.std(correction=0)), regression, 1),
    "contrastive": (lambda o, y: F.cross_entropy(o @ o.T, torch.arange(len(y)), reduction="none"), regression, 5),
    "of the hardest": (lambda o, y: (loss := squared_error(o, y)) * (loss >= loss.median()), regression, 1),
}


@pytest.mark.parametrize(("loss", "data", "width"), LOSSES.values(), ids=LOSSES)
def test_examples_that_meet_in_the_loss(loss, data, width):
    refuses(mlp(5, 6, width), loss, COMPANIONS, data)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("layers", ["all", "last"])
def test_few_examples_are_enough_to_see_it(n, layers):
    model = mlp(5, 6, 1)
    for train, targets in ((regression(40), regression(n, seed=2)), (regression(n, seed=2), regression(40))):
        scorer = TracInCP(model, checkpoints_of(model), LOSSES["by their number"][0], layers=layers)
        with pytest.raises(InfluenceError, match=COMPANIONS):
            scorer.scores(train, targets)


def test_only_the_last_smaller_pass_is_another(monkeypatch):
    from influence.tracin import scores

    monkeypatch.setattr(scores, "_TRAIN_ROWS", 16)
    model = Model(lambda m, x: tail(m, m.body(x) * (2 if len(x) == 7 else 1)))
    with pytest.raises(InfluenceError, match=COMPANIONS):
        TracInCP(model, checkpoints_of(model), squared_error).scores(regression(71), regression(16, seed=2))


def test_a_model_that_pads_to_the_longest_is_exact():
    """How many columns there are depends on the batch, and no result does."""
    model = Model(lambda m, x: tail(m, m.body(F.pad(x[:, : int((x != 0).any(0).sum())], (0, 5))[:, :5])))
    train, targets = regression(23, seed=1), regression(9, seed=2)
    for examples in (train, targets):
        examples.inputs[::2, 3:] = 0
    exact(model, squared_error, train, targets)


# A batch of one


@pytest.mark.parametrize("n_train", [1, 2, 11, 513, 1025])
@pytest.mark.parametrize("n_targets", [1, 2, 5])
def test_a_model_that_takes_no_batch_of_one(n_train, n_targets):
    """With squeeze(), the loss of a single output gets a number that has no dimension."""

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        return (outputs[:] - labels).square()

    squeezed = Model(lambda m, x: tail(m, m.body(x)).squeeze())
    plain = Model(lambda m, x: tail(m, m.body(x)))
    train, targets = regression(n_train, seed=1), regression(n_targets, seed=2)
    checkpoints = checkpoints_of(plain, [0.1])
    expected = TracInCP(plain, checkpoints, squared_error)
    scorer = TracInCP(squeezed, checkpoints, loss)
    torch.testing.assert_close(scorer.scores(train, targets), expected.scores(train, targets), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(scorer.self_influence(train), expected.self_influence(train), rtol=1e-10, atol=0)


def test_outputs_that_have_lost_their_examples_are_said():
    model = Model(lambda m, x: tail(m, m.body(x)).sum(0))
    with pytest.raises(InfluenceError, match=r"outputs have shape \(1,\)"):
        FactorExtractor(model, lambda o, y: (o - y).square().mean())(*regression(4))


# B: chance


def own_generator(generator: object) -> Forward:
    def forward(model: nn.Module, x: Tensor) -> Tensor:
        if isinstance(generator, torch.Generator):
            noise = torch.rand(len(x), 1, generator=generator, dtype=x.dtype)
        elif isinstance(generator, random.Random):
            noise = torch.tensor([[generator.random()] for _ in x], dtype=x.dtype)
        else:
            noise = torch.as_tensor(generator.standard_normal((len(x), 1)))  # type: ignore[attr-defined]
        return tail(model, model.body(x) + noise)

    return forward


RANDOM_ONES: dict[str, Forward] = {
    "dropout": lambda m, x: tail(m, F.dropout(m.body(x), 0.5)),
    "rare dropout": lambda m, x: tail(m, F.dropout(m.body(x), 1e-6)),
    "dropout of channels": lambda m, x: tail(m, F.feature_alpha_dropout(m.body(x), 0.3, training=True)),
    "noise": lambda m, x: tail(m, m.body(x) + torch.randn_like(x)),
    "light noise": lambda m, x: tail(m, m.body(x) + 1e-9 * torch.randn_like(x)),
    "one number for the batch": lambda m, x: tail(m, m.body(x) * (1 + torch.rand(()))),
    "Python's": lambda m, x: tail(m, m.body(x) * random.uniform(0.9, 1.1)),
    "seldom": lambda m, x: tail(m, m.body(x) * (2 if random.random() < 1e-9 else 1)),
    "NumPy's": lambda m, x: tail(m, m.body(x) + float(np.random.normal())),  # noqa: NPY002
    "random flips": lambda m, x: tail(m, m.body(torch.where(torch.rand(len(x), 1) < 0.5, x, x.flip(1)))),
    "torch's own": own_generator(torch.Generator().manual_seed(0)),
    "NumPy's own": own_generator(np.random.default_rng(0)),
    "Python's own": own_generator(random.Random(0)),
}


@pytest.mark.parametrize("forward", RANDOM_ONES.values(), ids=RANDOM_ONES)
def test_a_random_pass(forward):
    refuses(Model(forward), squared_error, RANDOM)


@pytest.mark.parametrize("lightly", [1e-5, 1e-7])
def test_companions_that_hardly_matter(lightly):
    """In float64, where rounding is smaller still."""
    refuses(Model(lambda m, x: tail(m, m.body(x) + lightly * x.mean(0))), squared_error, COMPANIONS)


def test_a_random_loss():
    refuses(mlp(5, 6, 1), lambda o, y: squared_error(o, y) * torch.rand(len(y)), RANDOM)


class Counts(Model):
    """Changes a buffer in the forward pass, as batch normalisation in training mode does."""

    def __init__(self) -> None:
        super().__init__(lambda m, x: tail(m, m.body(x) / m.passes))
        self.register_buffer("passes", torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return super().forward(x)


class AlwaysTrains(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        self.train()
        return super().forward(x)


@pytest.mark.parametrize(
    "model",
    [Counts(), AlwaysTrains(mlp(5, 6), nn.BatchNorm1d(6), nn.ReLU(), mlp(6, 1)).double()],
    ids=["count", "norm"],
)
def test_buffers_that_change(model):
    refuses(model, squared_error, RANDOM)


def test_what_another_thread_draws_is_no_matter(monkeypatch):
    drawn = []

    def forward(model: nn.Module, x: Tensor) -> Tensor:
        if not drawn:
            drawn.append(torch.rand(()))
        return tail(model, model.body(x))

    exact(Model(forward), squared_error, regression(11, seed=1), regression(5, seed=2))


# C and D: weights that act in two ways


class Extra(Model):
    def __init__(self, forward: Forward) -> None:
        super().__init__(forward)
        self.body.scale = nn.Parameter(torch.full((1,), 2.0, dtype=torch.float64))


ELSEWHERE_TOO: dict[str, tuple[Forward, str]] = {
    "lightly": (lambda m, x: tail(m, m.body(x) + 1e-9 * F.linear(x, m.body.weight)), ELSEWHERE),
    "the bias": (lambda m, x: tail(m, m.body(x)) + m.body.bias.sum(), ELSEWHERE),
    "for one example": (
        lambda m, x: tail(m, m.body(x) + (F.linear(x, m.body.weight) if (x[:, 0] > 2.1).any() else 0)),
        ELSEWHERE,
    ),
    "by parts": (lambda m, x: tail(m, m.body(x)) + x[:, :1] * m.body.weight[0, 0], ELSEWHERE),
    "the norm": (lambda m, x: tail(m, m.body(x) / m.body.weight.norm()), ELSEWHERE),
    "called twice": (lambda m, x: tail(m, m.body(m.body(x))), "more than once"),
    "called twice for some": (
        lambda m, x: tail(m, m.body(m.body(x)) if (x[:, 0] > 2.1).any() else m.body(x)),
        "more than once",
    ),
    "for some alone": (
        lambda m, x: (
            tail(m, torch.where(x[:, :1] > 0, m.body(x[:]), x) if (x > -9).all() else x)
            + m.head(m.body(x[x[:, 0] > 1])).sum()
        ),
        "more than once",
    ),
    "rows left out": (
        lambda m, x: tail(m, x.index_put((x[:, 0] > 0,), m.body(x[x[:, 0] > 0]))),
        "gets inputs of shape",
    ),
}


@pytest.mark.parametrize(("forward", "match"), ELSEWHERE_TOO.values(), ids=ELSEWHERE_TOO)
def test_a_weight_that_acts_in_two_ways(forward, match):
    refuses(Model(forward), squared_error, match)


@pytest.mark.parametrize("epoch", [1, 2, 3])
@pytest.mark.parametrize("where", ["train", "targets"])
@pytest.mark.parametrize("row", [0, 577, 1099])
def test_one_example_at_one_checkpoint(epoch, where, row):
    """A weight acts twice where the input and a buffer of the checkpoint say so."""

    def forward(model: nn.Module, x: Tensor) -> Tensor:
        h = model.body(x)
        return tail(model, h + (0.3 * F.linear(h, model.body.weight) if model.on and x.max() > 50 else 0))

    model = Model(forward)
    model.register_buffer("on", torch.tensor(False))
    checkpoints = [
        Checkpoint(c.state | {"on": torch.tensor(c.epoch == epoch)}, c.learning_rate, c.epoch)
        for c in checkpoints_of(model)
    ]
    parts = {"train": regression(1_100, seed=1), "targets": regression(1_100, seed=2)}
    scorer = TracInCP(model, checkpoints, squared_error)
    scorer.scores(*parts.values())
    parts[where].inputs[row, 0] = 60
    with pytest.raises(InfluenceError, match="layer body"):
        scorer.scores(*parts.values())


def test_a_parameter_more_in_a_layer_is_named():
    model = Extra(lambda m, x: tail(m, m.body(x) * m.body.scale))
    with pytest.raises(InfluenceError, match=r"Layer body \(Linear\) .*\(scale\)"):
        TracInCP(model, checkpoints_of(model), squared_error)
    model.body.scale.requires_grad_(False)
    exact(model, squared_error, regression(11, seed=1), regression(5, seed=2))


def test_a_forward_of_its_own_is_refused():
    model = mlp(5, 6, 1)
    model[0].forward = lambda x: 2 * F.linear(x, model[0].weight, model[0].bias)
    with pytest.raises(InfluenceError, match=r"Layer 0 \(Linear\) has a forward\(\) of its own"):
        FactorExtractor(model, squared_error)(*regression(9))


@pytest.mark.parametrize("kind", ["after", "before"])
def test_hooks_that_change_what_a_layer_gets_or_gives_are_exact(kind):
    model = mlp(5, 6, 1)
    if kind == "after":
        model[0].register_forward_hook(lambda module, inputs, output: 3 * output.sin())
    else:
        model[2].register_forward_pre_hook(lambda module, inputs: (3 * inputs[0].sin(),))
    exact(model, squared_error, regression(11, seed=1), regression(5, seed=2))


def test_a_hook_on_a_gradient_is_refused():
    model = mlp(5, 6, 1)
    model[0].weight.register_hook(lambda gradient: gradient * 0)
    with pytest.raises(InfluenceError, match=r"The parameter 0\.weight has a hook"):
        TracInCP(model, checkpoints_of(model), squared_error)
    with pytest.raises(InfluenceError, match=r"The parameter 0\.weight has a hook"):
        FactorExtractor(model, squared_error)


def test_a_loss_with_trainable_tensors_of_its_own():
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    model = mlp(5, 6, 1)
    penalty = model[0].weight
    for loss, match in (
        (lambda o, y: squared_error(o, y) * scale, "that is no parameter of the model"),
        (lambda o, y: squared_error(o, y) + penalty.square().sum(), "uses the module that you gave"),
    ):
        with pytest.raises(InfluenceError, match=match):
            TracInCP(model, checkpoints_of(model), loss).scores(regression(9), regression(4))


def test_the_ideal_refuses_chance_too():
    model = Model(RANDOM_ONES["dropout"])
    with pytest.raises(InfluenceError, match=RANDOM):
        tracin_ideal(model, squared_error, regression(9), regression(4), [0, 1], 0.1)
