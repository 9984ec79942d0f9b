"""Models and options that no scores can come from as they are: a sentence says what to do, and that works."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from influence import Checkpoint, InfluenceError, Projection, TracInCP
from influence.gradients.factors import FactorExtractor
from tests.tracin.problems import assert_close, brute_force, checkpoints_of, mlp, regression, squared_error

TRAIN, TARGETS = regression(23, seed=1), regression(9, seed=2)


def refuse(call: Callable[[], object], match: str) -> None:
    with pytest.raises(InfluenceError, match=match) as caught:
        call()
    assert "\n" not in str(caught.value)


def exact(model: nn.Module, checkpoints: list[Checkpoint]) -> None:
    expected, scale = brute_force(model, checkpoints, squared_error, TRAIN, TARGETS)
    assert_close(TracInCP(model, checkpoints, squared_error).scores(TRAIN, TARGETS), expected, scale, 1e-12)


# Models without numbers


LAZY = {
    "linear": lambda: nn.Sequential(nn.LazyLinear(6), nn.Tanh(), nn.Linear(6, 1)),
    "normalisation": lambda: nn.Sequential(nn.Linear(5, 6), nn.LazyBatchNorm1d(), nn.Linear(6, 1)),
    "buffers alone": lambda: nn.Sequential(nn.Linear(5, 6), nn.LazyBatchNorm1d(affine=False), nn.Linear(6, 1)),
}


@pytest.mark.parametrize("make", LAZY.values(), ids=LAZY)
def test_a_lazy_model_runs_once_first(make):
    model = make().double()
    other = checkpoints_of(mlp(5, 1))
    for call in (lambda: TracInCP(model, other, squared_error), lambda: FactorExtractor(model, squared_error)):
        refuse(call, r"Layer \d \(Lazy.* has not run yet.*pass some inputs through the model once")
    model(TRAIN.inputs)
    exact(model, checkpoints_of(model))


def test_a_lazy_model_with_loaded_weights_runs_once_too():
    model = LAZY["linear"]().double()
    state = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 1)).double().state_dict()
    model.load_state_dict(state)
    checkpoints = [Checkpoint(state, 0.1, 1)]
    refuse(lambda: TracInCP(model, checkpoints, squared_error), "Layer 0 .LazyLinear. has not run yet")
    model(TRAIN.inputs)
    exact(model, checkpoints)


def test_a_model_on_the_meta_device():
    checkpoints = checkpoints_of(mlp(5, 6, 1))
    with torch.device("meta"):
        model = mlp(5, 6, 1)
    for call in (lambda: TracInCP(model, checkpoints, squared_error), lambda: FactorExtractor(model, squared_error)):
        refuse(call, r"Layer 0 \(Linear\) is on the meta device.*build the model on the CPU.*to_empty")
    model.to_empty(device="cpu").load_state_dict(checkpoints[0].state)
    exact(model, checkpoints)


# Weights that the forward pass changes


class Looked(nn.Module):
    """The head sees a frozen embedding of a class that the inputs tell."""

    def __init__(self, embedding: nn.Embedding | nn.EmbeddingBag) -> None:
        super().__init__()
        self.embedding, self.head = embedding.requires_grad_(False), nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        index = (x[:, 0] > 0).long()
        return self.head(self.embedding(index[:, None] if isinstance(self.embedding, nn.EmbeddingBag) else index))


@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
@pytest.mark.parametrize("norm_type", [2.0, 1.0])
def test_an_embedding_that_bounds_its_norms(kind, norm_type):
    bounded = Looked(kind(2, 3, max_norm=0.5, norm_type=norm_type)).double()
    checkpoints = checkpoints_of(bounded)
    match = rf"Layer embedding \({kind.__name__}\) changes its weights .*max_norm=0.5.*set the layer's max_norm to None"
    refuse(lambda: TracInCP(bounded, checkpoints, squared_error), match)
    expected, scale = brute_force(bounded, checkpoints, squared_error, TRAIN, TARGETS)
    free = Looked(kind(2, 3)).double()
    for each in checkpoints:
        each.state["embedding.weight"] = torch.renorm(each.state["embedding.weight"], norm_type, 0, 0.5)
    found = TracInCP(free, checkpoints, squared_error).scores(TRAIN, TARGETS)
    assert_close(found, expected, scale, 1e-6)  # what renormalises adds 1e-7 to each norm


# States beside tensors


class Counting(nn.Sequential):
    """The factor is an extra state, of the type that it is given in."""

    factor: Any

    def get_extra_state(self) -> Any:
        return self.factor

    def set_extra_state(self, state: Any) -> None:
        self.factor = state

    def forward(self, x: Tensor) -> Tensor:
        factor = self.factor["value"] if isinstance(self.factor, Mapping) else self.factor
        return super().forward(x) * factor


@pytest.mark.parametrize("within", [False, True])
def test_an_extra_state_that_is_no_tensor(within):
    counting = Counting(*mlp(5, 6, 1))
    counting.factor = {"value": 3.0}
    model = nn.Sequential(counting) if within else counting
    name = "0._extra_state" if within else "_extra_state"
    refuse(lambda: Checkpoint(model.state_dict(), 0.1, 1), f"a dict named '{name}', which get_extra_state gave")
    state = {key: value for key, value in model.state_dict().items() if key != name}
    plain = mlp(5, 6, 1)
    plain.load_state_dict({key.removeprefix("0.") if within else key: value for key, value in state.items()})
    scores = TracInCP(model, [Checkpoint(state, 0.1, 1)], squared_error).scores(TRAIN, TARGETS)
    tripled = lambda outputs, labels: squared_error(3 * outputs, labels)  # noqa: E731
    expected, scale = brute_force(plain, [Checkpoint(plain.state_dict(), 0.1, 1)], tripled, TRAIN, TARGETS)
    assert_close(scores, expected, scale, 1e-12)


def test_an_extra_state_that_is_a_tensor_is_the_checkpoints():
    model = Counting(*mlp(5, 6, 1))
    checkpoints = []
    for epoch, factor in enumerate((2.0, 5.0), start=1):
        model.factor = torch.tensor(factor, dtype=torch.float64)
        checkpoints.append(Checkpoint(model.state_dict(), 0.1, epoch))
    exact(model, checkpoints)
    state = {name: value for name, value in checkpoints[0].state.items() if name != "_extra_state"}
    refuse(lambda: TracInCP(model, [Checkpoint(state, 0.1, 1)], squared_error), "does not fit the model.*_extra_state")


class Turning(nn.Sequential):
    """A complex number turns the outputs."""

    def __init__(self, *layers: nn.Module, persistent: bool) -> None:
        super().__init__(*layers)
        self.register_buffer("turn", torch.tensor(0.6 + 0.8j, dtype=torch.complex128), persistent=persistent)

    def forward(self, x: Tensor) -> Tensor:
        return (super().forward(x) * self.turn).real


def test_a_complex_buffer_stays_with_the_model():
    model = Turning(*mlp(5, 6, 1), persistent=True)
    refuse(lambda: Checkpoint(model.state_dict(), 0.1, 1), "The checkpoint's turn is a complex .*persistent=False")
    state = {name: value for name, value in model.state_dict().items() if name != "turn"}
    exact(Turning(*mlp(5, 6, 1), persistent=False), [Checkpoint(state, 0.1, 1)])


# Options


@pytest.mark.parametrize("memory", [None, 0, -1, "1", 1e9, True])
def test_memory_is_a_number_of_bytes(memory):
    model = mlp(5, 1)
    refuse(
        lambda: TracInCP(model, checkpoints_of(model), squared_error, memory=memory),
        f"memory is {memory!r}, but must be a whole number of bytes",
    )


@pytest.mark.parametrize("projection", [4, "4", Projection])
def test_a_projection_is_a_projection(projection):
    model = mlp(5, 1)
    refuse(
        lambda: TracInCP(model, checkpoints_of(model), squared_error, projection=projection),
        "projection is .*, but must be a Projection, as ",
    )


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ((2.5,), "dimension is 2.5, but must be a whole number"),
        (("4",), "dimension is '4', but must be a whole number"),
        ((True,), "dimension is True, but must be a whole number"),
        ((None,), "dimension is None, but must be a whole number"),
        ((-4,), "dimension is -4, but must be at least 1"),
        ((4, 0.5), "seed is 0.5, but must be a whole number"),
        ((4, None), "seed is None, but must be a whole number"),
        ((4, 2**64), "seed is 18446744073709551616, but must lie between"),
    ],
)
def test_a_projections_numbers(given, match):
    refuse(lambda: Projection(*given), match)


@pytest.mark.parametrize("seed", [-(2**32), 2**32 - 1])
def test_the_furthest_seeds(seed):
    model = mlp(5, 6, 1)
    scorer = TracInCP(model, checkpoints_of(model), squared_error, projection=Projection(2, seed))
    assert scorer.self_influence(TRAIN).shape == (23,)
