"""Faults that a few examples, one pass or the module's own memory do not show: each is refused all the same."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from influence import Checkpoint, Examples, InfluenceError, TracInCP
from tests.tracin.problems import assert_close, brute_force, checkpoints_of, squared_error

Mid = Callable[[Tensor], Tensor]


class Model(nn.Module):
    """Two layers of float64; what happens between them is given."""

    def __init__(self, between: Mid = torch.tanh) -> None:
        super().__init__()
        self.body = nn.Linear(5, 5, dtype=torch.float64)
        self.head = nn.Linear(5, 1, dtype=torch.float64)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.between(self.body(x)))


def data(n: int) -> Examples:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(n, 5, generator=generator, dtype=torch.float64)
    return Examples(inputs, torch.randn(n, generator=generator, dtype=torch.float64))


def refused(model: nn.Module, loss: Callable[..., Tensor], examples: Examples, match: str) -> None:
    """By scores, groups and self-influences."""
    checkpoints, few = checkpoints_of(model), Examples(examples.inputs[:7], examples.labels[:7])
    for call in (
        lambda: TracInCP(model, checkpoints, loss).self_influence(examples),
        lambda: TracInCP(model, checkpoints, loss).scores(examples, few),
        lambda: TracInCP(model, checkpoints, loss).group(examples, few),
    ):
        with pytest.raises(InfluenceError, match=match) as caught:
            call()
        assert "\n" not in str(caught.value)


# Statistics of one example are NaN or infinite


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize(
    "between",
    [
        lambda h: (h - h.mean(0)) / (h.std(0) + 1e-5),
        lambda h: h / h.var(0),
        lambda h: (h - h.amin(0)) / (h.amax(0) - h.amin(0)),
        lambda h: (h.sum(0) - h) / (len(h) - 1),
        lambda h: h @ torch.cov(h.T),
    ],
    ids=["std", "var", "minmax", "leave-one-out", "cov"],
)
@pytest.mark.parametrize("n", [40, 1100])
def test_statistics_that_one_example_has_not(between, n):
    refused(Model(between), squared_error, data(n), "examples of its batch")


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize(
    "loss",
    [
        lambda o, y: squared_error(o, y) / y.std(),
        lambda o, y: squared_error(o, y) / (len(y) - 1),
        lambda o, y: squared_error(o, y) / o.var(),
        lambda o, y: (squared_error(o, y) - squared_error(o, y).amin()) / squared_error(o, y).std(),
    ],
    ids=["std", "n-1", "var", "minmax"],
)
def test_losses_that_one_example_has_not(loss):
    refused(Model(), loss, data(40), "examples of its batch")


# Companions and randomness that touch few examples


def rare_class(outputs: Tensor, labels: Tensor) -> Tensor:
    rare = labels > 2.8
    return squared_error(outputs, labels) * torch.where(rare, 1 / rare.sum(), 1.0)


def longest(x: Tensor) -> Tensor:
    used = max(int((x > 2.5).any(0).nonzero().amax()) + 1 if (x > 2.5).any() else 1, 1)
    return torch.tanh(x) * x[:, :used].mean(1, keepdim=True)


def noise(rate: float) -> Mid:
    rng = np.random.default_rng(0)
    return lambda h: torch.tanh(h) * torch.as_tensor(rng.random(tuple(h.shape)) > rate)


def reseeded(h: Tensor) -> Tensor:
    with torch.random.fork_rng():
        torch.seed()
        return F.dropout(torch.tanh(h), 5e-3)


class Counting:
    calls = 0

    def __call__(self, h: Tensor) -> Tensor:
        self.calls += 1
        return torch.tanh(h) * (1 + self.calls // 3)


@pytest.mark.parametrize(
    ("between", "loss"),
    [
        (lambda: torch.tanh, rare_class),
        (lambda: longest, squared_error),
        (lambda: noise(5e-3), squared_error),
        (lambda: reseeded, squared_error),
        (lambda: Counting(), squared_error),
    ],
    ids=["rare class", "trimmed", "generator of nobody", "own seed", "counter"],
)
def test_what_touches_few_examples_or_comes_late(between, loss):
    examples = data(3000)
    for call in (
        lambda scorer: scorer.self_influence(examples),
        lambda scorer: scorer.scores(examples, Examples(*(part[:7] for part in examples))),
    ):
        model = Model(between())
        with pytest.raises(InfluenceError, match=r"another batch|examples of its batch|not the same twice"):
            call(TracInCP(model, checkpoints_of(model), loss))


def test_a_generator_in_a_list_is_watched():
    class Noisy(Model):
        def __init__(self) -> None:
            super().__init__()
            self.generators = {"all": [torch.Generator()]}

        def forward(self, x: Tensor) -> Tensor:
            h = self.body(x)
            return self.head(h * (torch.rand(h.shape, generator=self.generators["all"][0]) > 1e-9))

    refused(Noisy(), squared_error, data(40), "not the same twice")


def test_what_is_set_by_the_first_examples():
    class First(Model):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("middle", torch.zeros(5, dtype=torch.float64))
            self.is_set = False

        def forward(self, x: Tensor) -> Tensor:
            h = self.body(x)
            if not self.is_set:
                self.middle.copy_(h.detach().mean(0))
                self.is_set = True
            return self.head(torch.tanh(h - self.middle))

    refused(First(), squared_error, data(40), "sees them again")


# What a checkpoint's weights do not reach


@pytest.mark.parametrize(
    "view", [lambda w: w.t(), lambda w: w.detach().t(), lambda w: w.data.t(), lambda w: [w.detach()], lambda w: 2 * w]
)
def test_a_tensor_made_of_a_parameter(view):
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(5, 1, dtype=torch.float64)
            self.other = view(self.body.weight)

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x)

    refused(Tied(), squared_error, data(40), "other is a tensor made of the model's parameters")


def hooked(model: Model) -> Callable[..., Tensor]:
    model.head.register_forward_hook(lambda module, inputs, output: output * model.scale)
    return squared_error


def in_the_loss(model: Model) -> Callable[..., Tensor]:
    return lambda o, y: squared_error(o * model.scale, y)


def in_a_comparison(model: Model) -> Callable[..., Tensor]:
    return lambda o, y: squared_error(o, y) * (1 if model.scale > 0 else 2)


def replaced(model: Model) -> Callable[..., Tensor]:
    model.forward = lambda x: model.head(model.body(x))  # type: ignore[method-assign]
    return squared_error


@pytest.mark.parametrize("use", [hooked, in_the_loss, in_a_comparison, replaced])
def test_a_use_of_the_module_that_was_passed(use):
    model = Model()
    model.register_buffer("scale", torch.full((1,), 2.0, dtype=torch.float64))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    refused(model, use(model), data(40), "uses the module that you gave")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_hook_that_uses_its_own_module_is_exact():
    model = Model()
    model.head.register_buffer("scale", torch.full((1,), 2.0, dtype=torch.float64))
    model.head.register_forward_hook(lambda module, inputs, output: output * module.scale)
    checkpoints, train, targets = checkpoints_of(model), data(40), data(7)
    expected, scale = brute_force(model, checkpoints, squared_error, train, targets)
    assert_close(TracInCP(model, checkpoints, squared_error).scores(train, targets), expected, scale, 1e-12)


# The layer that runs last


class Heads(Model):
    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Linear(5, 1, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.body(x))
        return self.other(h) if x[0, 0] > 0 else self.head(h)


class Auxiliary(Heads):
    def forward(self, x: Tensor) -> Tensor:
        output = Model.forward(self, x)
        self.other(x)
        return output


def test_the_last_layer_is_one_and_gives_the_outputs():
    inputs, labels = data(40)
    inputs = torch.cat([inputs[:20].abs(), -inputs[20:].abs()])
    model = Heads()
    scorer = TracInCP(model, checkpoints_of(model), squared_error, layers="last")
    with pytest.raises(InfluenceError, match=r"head for some examples and other|other for some examples and head"):
        scorer.scores(Examples(inputs[:20], labels[:20]), Examples(inputs[20:], labels[20:]))
    model = Auxiliary()
    with pytest.raises(InfluenceError, match="do not depend on layer other"):
        TracInCP(model, checkpoints_of(model), squared_error, layers="last").self_influence(Examples(inputs, labels))


# What is right is not refused


@pytest.mark.parametrize(
    "model",
    [
        Model(lambda h: F.group_norm(h, 5)),
        Model(lambda h: F.normalize(h)[:, :1].abs() ** 0 * h),
        Model(lambda h: torch.softmax(h, 1).sum(1, keepdim=True) * torch.ones(5, dtype=torch.float64)),
    ],
    ids=["group norm of one", "power of nought", "softmax's sum"],
)
def test_gradients_that_are_truly_nought(model):
    TracInCP(model, checkpoints_of(model), squared_error).self_influence(data(40))


def test_inputs_may_be_made_to_need_gradients():
    model = Model()
    train, targets = data(40), data(7)
    expected, scale = brute_force(model, checkpoints_of(model), squared_error, train, targets)

    class Asking(Model):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.requires_grad_())

    asking = Asking()
    found = TracInCP(asking, checkpoints_of(model), squared_error).scores(train, targets)
    assert_close(found, expected, scale, 1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_many_checkpoints_add_up_in_coarse_types(dtype):
    model = nn.Linear(5, 1, dtype=dtype)
    inputs, labels = (part.to(dtype) for part in data(20))
    saved = [Checkpoint(model.state_dict(), 0.1, epoch) for epoch in range(1, 201)]
    one = TracInCP(model, saved[:1], squared_error).self_influence(Examples(inputs, labels))
    many = TracInCP(model, saved, squared_error).self_influence(Examples(inputs, labels))
    assert torch.allclose(many, 200 * one, rtol=1e-4)


# What fails in the backward pass, and scores that their type can't hold


def backward_hook(error: Exception) -> Mid:
    def fail(gradient: Tensor) -> None:
        raise error

    def between(h: Tensor) -> Tensor:
        h.register_hook(fail)
        return torch.tanh(h)

    return between


@pytest.mark.parametrize("error", [TypeError("no grad_input"), ValueError("wrong"), KeyError("x"), IndexError("3")])
def test_whatever_a_backward_hook_raises_is_told(error):
    refused(Model(backward_hook(error)), squared_error, data(20), "backward pass fails")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("factor", [1e-22, 1e-30])
def test_scores_that_become_nought_are_refused(dtype, factor):
    examples = Examples(*(part.to(dtype) for part in data(20)))
    refused(Model().to(dtype), lambda o, y: squared_error(o, y) * factor, examples, "too small")


def test_small_scores_that_their_type_holds_are_exact():
    model, examples = Model(), data(20)
    checkpoints = checkpoints_of(model)
    single = Examples(*(part.float() for part in examples))
    exact = TracInCP(model, checkpoints, squared_error).self_influence(examples)
    small = TracInCP(model.float(), checkpoints, lambda o, y: squared_error(o, y) * 1e-15).self_influence(single)
    assert torch.allclose(small.double() * 1e30, exact, rtol=1e-4)


@pytest.mark.parametrize("rates", [(0.0, 0.0), (0.1,)])
def test_scores_that_are_truly_nought_are_no_fault(rates):
    model = Model().float()
    examples = Examples(*(part.float() for part in data(20)))
    loss = squared_error if not any(rates) else lambda o, y: squared_error(o, y) * 0
    assert not TracInCP(model, checkpoints_of(model, rates), loss).self_influence(examples).any()
