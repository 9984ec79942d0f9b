"""Models as people have them, and whatever else they may pass: it works exactly, or one sentence says what to do."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm
from torch.utils.data import TensorDataset

from influence import Checkpoint, Examples, InfluenceError, TracInCP, tracin_ideal
from influence.gradients.factors import FactorExtractor
from tests.tracin.problems import assert_close, brute_force, checkpoints_of, mlp, regression, squared_error

TRAIN, TARGETS = regression(23, seed=1), regression(9, seed=2)


def one_sentence(call: Callable[[], object], match: str) -> None:
    with pytest.raises(InfluenceError, match=match) as caught:
        call()
    assert "\n" not in str(caught.value)


def exact(model: nn.Module, checkpoints: list[Checkpoint], plain: nn.Module, plains: list[Checkpoint]) -> None:
    expected, scale = brute_force(plain, plains, squared_error, TRAIN, TARGETS)
    found = TracInCP(model, checkpoints, squared_error).scores(TRAIN, TARGETS)
    assert_close(found, expected, scale, 1e-12)


# Wrappers


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "module.module."]
)
def test_names_with_a_wrappers_prefix(prefix):
    model = mlp(5, 6, 1)
    plains = checkpoints_of(model)
    prefixed = [Checkpoint({prefix + k: v for k, v in c.state.items()}, c.learning_rate, c.epoch) for c in plains]
    exact(model, prefixed, model, plains)


def compiled_within() -> nn.Module:
    return nn.Sequential(torch.compile(mlp(5, 6)), nn.ReLU(), mlp(6, 1))


def compiled_in_place() -> nn.Module:
    model = nn.Sequential(mlp(5, 6), nn.ReLU(), mlp(6, 1))
    model[0].compile()
    return model


WRAPPED = {
    "compiled": lambda: torch.compile(nn.Sequential(mlp(5, 6), nn.ReLU(), mlp(6, 1))),
    "a part compiled": compiled_within,
    "compiled in place": compiled_in_place,
    "parallel": lambda: nn.DataParallel(nn.Sequential(mlp(5, 6), nn.ReLU(), mlp(6, 1))),
    "parallel and compiled": lambda: torch.compile(nn.DataParallel(nn.Sequential(mlp(5, 6), nn.ReLU(), mlp(6, 1)))),
}


@pytest.mark.parametrize("wrapped", WRAPPED.values(), ids=WRAPPED)
def test_wrapped_models_are_unwrapped(wrapped):
    model, plain = wrapped(), nn.Sequential(mlp(5, 6), nn.ReLU(), mlp(6, 1))
    plains = checkpoints_of(plain)
    prefix = {name.split("0.0.weight")[0] for name in model.state_dict() if name.endswith("0.0.weight")}
    exact(model, plains, plain, plains)
    if prefix:
        (start,) = prefix
        own = [Checkpoint({start + k: v for k, v in c.state.items()}, c.learning_rate, c.epoch) for c in plains]
        exact(model, own, plain, plains)


@pytest.mark.parametrize("wrapped", ["compiled", "a part compiled", "compiled in place"])
def test_the_extractor_wants_a_model_that_is_not_compiled(wrapped):
    one_sentence(
        lambda: FactorExtractor(WRAPPED[wrapped](), squared_error), "is compiled.*as it was before torch.compile"
    )


def test_torchscript():
    model = mlp(5, 6, 1)
    scripted = torch.jit.trace(model, TRAIN.inputs)
    one_sentence(lambda: TracInCP(scripted, checkpoints_of(model), squared_error), "TorchScript.*give the nn.Module")


# Weights that are made of others

MADE: dict[str, Callable[[nn.Module], nn.Module]] = {
    "weight_norm": weight_norm,
    "spectral_norm": spectral_norm,
    "pruning": lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
    "pruned bias": lambda layer: prune.random_unstructured(layer, "bias", 0.5),
    "parametrized weight_norm": parametrizations.weight_norm,
    "parametrized spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
@pytest.mark.parametrize("ran", [False, True])
def test_weights_that_are_made_of_others(make, ran):
    model = mlp(5, 6, 1)
    make(model[0])
    if ran:
        model(TRAIN.inputs)
    checkpoints = [Checkpoint(model.state_dict(), 0.1, 1)]
    one_sentence(
        lambda: TracInCP(model, checkpoints, squared_error),
        r"Layer 0.* makes its weight or bias from other trainable parameters .* undo that",
    )


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
@pytest.mark.parametrize("ran", [False, True])
def test_frozen_weights_that_are_made_of_others_are_exact(make, ran):
    model = mlp(5, 6, 1)
    make(model[0])
    if ran:
        model(TRAIN.inputs)
    for parameter in model[0].parameters():
        parameter.requires_grad_(False)
    checkpoints = [Checkpoint(model.state_dict(), 0.1, 1)]
    model.eval()
    alone = mlp(5, 6, 1)
    with torch.no_grad():
        model(TRAIN.inputs)
        alone[0].weight.copy_(model[0].weight)
        alone[0].bias.copy_(model[0].bias)
        alone[2].load_state_dict(model[2].state_dict())
    alone[0].requires_grad_(False)
    exact(model, checkpoints, alone, [Checkpoint(alone.state_dict(), 0.1, 1)])


# The caller's modes


@pytest.fixture(params=["no_grad", "inference_mode", "autocast", "inference_mode and autocast"])
def mode(request: pytest.FixtureRequest) -> Callable[[], AbstractContextManager[object]]:
    def both() -> AbstractContextManager[object]:
        stack = ExitStack()
        stack.enter_context(torch.inference_mode())
        stack.enter_context(torch.autocast("cpu", torch.bfloat16))
        return stack

    return {
        "no_grad": torch.no_grad,
        "inference_mode": torch.inference_mode,
        "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
        "inference_mode and autocast": both,
    }[request.param]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_callers_mode_changes_no_score(mode, dtype):
    model = mlp(5, 6, 1, dtype=dtype)
    train, targets = regression(23, dtype=dtype, seed=1), regression(9, dtype=dtype, seed=2)
    checkpoints = checkpoints_of(model)
    scorer = TracInCP(model, checkpoints, squared_error)
    ideal = tracin_ideal(model, squared_error, train, targets, [0, 1], 0.1)
    with mode():
        inside = TracInCP(model, checkpoints, squared_error)
        for other in (scorer, inside):
            assert torch.equal(other.scores(train, targets), scorer.scores(train, targets))
        blocks = torch.cat([block for _, block in inside.blocks(train, targets)])
        is_recording = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")
        next(iter(inside.blocks(train, targets)))
        assert is_recording == (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
        )
        others = inside.self_influence(train), inside.group(train, targets), inside.top_k(train, targets, 3).proponents
        assert torch.equal(tracin_ideal(model, squared_error, train, targets, [0, 1], 0.1).change, ideal.change)
    assert torch.equal(blocks, scorer.scores(train, targets))
    assert torch.equal(others[0], scorer.self_influence(train))
    assert torch.equal(others[1], scorer.group(train, targets))
    assert torch.equal(others[2], scorer.top_k(train, targets, 3).proponents)


def test_everything_made_in_inference_mode():
    with torch.inference_mode():
        model = mlp(5, 6, 1)
        checkpoints = [Checkpoint(model.state_dict(), 0.1, 1)]
        train = Examples(*(part.clone() for part in TRAIN))
    plain = mlp(5, 6, 1)
    expected, scale = brute_force(plain, checkpoints, squared_error, TRAIN, TRAIN)
    assert_close(TracInCP(model, checkpoints, squared_error).scores(train, train), expected, scale, 1e-12)


# What people pass

GIVEN: dict[str, tuple[Callable[[], object], str]] = {
    "arrays": (
        lambda: Examples(TRAIN.inputs.numpy(), TRAIN.labels.numpy()),
        "inputs are of type ndarray: give one tensor",
    ),
    "an array of labels": (lambda: Examples(TRAIN.inputs, TRAIN.labels.numpy()), "labels are of type ndarray"),
    "a tuple of inputs": (lambda: Examples((TRAIN.inputs, TRAIN.inputs), TRAIN.labels), "inputs are of type tuple"),
    "a dict of inputs": (lambda: Examples({"x": TRAIN.inputs}, TRAIN.labels), "inputs are of type dict"),
    "a list of labels": (lambda: Examples(TRAIN.inputs, TRAIN.labels.tolist()), "labels are of type list"),
    "one number": (lambda: Examples(TRAIN.inputs, torch.tensor(1.0)), "labels are one number"),
    "a plain tuple": (lambda: tuple(TRAIN), r"examples are of type tuple: give Examples\(inputs, labels\)"),
    "a data set": (lambda: TensorDataset(*TRAIN), "examples are of type TensorDataset"),
    "a tensor": (lambda: TRAIN.inputs, "examples are of type Tensor"),
    "nothing": (lambda: None, "examples are of type NoneType"),
    "float32": (lambda: Examples(TRAIN.inputs.float(), TRAIN.labels), r"inputs.to\(torch.float64\)"),
    "whole numbers": (lambda: Examples(TRAIN.inputs.long(), TRAIN.labels), r"inputs.to\(torch.float64\)"),
    "another width": (lambda: Examples(TRAIN.inputs[:, :4], TRAIN.labels), r"fails on inputs of shape \(\d+, 4\)"),
}


@pytest.mark.parametrize(("make", "match"), GIVEN.values(), ids=GIVEN)
def test_examples_that_are_none(make, match):
    model, bad = mlp(5, 6, 1), make()
    scorer = TracInCP(model, checkpoints_of(model), squared_error)
    for call in (scorer.scores, scorer.group, lambda *both: scorer.top_k(*both, 3)):
        one_sentence(lambda call=call: call(TRAIN, bad), match)
        one_sentence(lambda call=call: call(bad, TARGETS), match)
    one_sentence(lambda: scorer.self_influence(bad), match)
    one_sentence(lambda: tracin_ideal(model, squared_error, bad, TARGETS, [0], 0.1), match)


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (torch.zeros(23, dtype=torch.float64), "The loss fails on outputs .* give labels of the shape and type"),
        (torch.full((23,), 9), "The loss fails on outputs .* give labels of the shape and type"),
        (torch.zeros(23, 2, dtype=torch.int64), "The loss fails on outputs .* give labels of the shape and type"),
    ],
)
def test_labels_that_the_loss_does_not_take(labels, match):
    model = mlp(5, 6, 4)

    def loss(outputs: Tensor, given: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs, given, reduction="none")

    scorer = TracInCP(model, checkpoints_of(model), loss)
    one_sentence(lambda: scorer.self_influence(Examples(TRAIN.inputs, labels)), match)


@pytest.mark.parametrize(
    ("checkpoints", "match"),
    [
        (checkpoints_of(mlp(5, 6, 1))[0], "are of type Checkpoint: give a list"),
        (mlp(5, 6, 1).state_dict(), "are of type OrderedDict: give a list"),
        ("checkpoints", "are of type str: give a list"),
        (None, "are of type NoneType: give a list"),
        ([mlp(5, 6, 1).state_dict()], r"Among the checkpoints is one of type OrderedDict: make it a Checkpoint\("),
        ([Path("one.safetensors")], "is one of type PosixPath: .*Checkpoint.load"),
        ([], "give at least one"),
    ],
)
def test_checkpoints_that_are_none(checkpoints, match):
    one_sentence(lambda: TracInCP(mlp(5, 6, 1), checkpoints, squared_error), match)


@pytest.mark.parametrize("model", ["resnet18", None, mlp, {"weight": torch.zeros(1)}])
def test_a_model_that_is_none(model):
    one_sentence(
        lambda: TracInCP(model, checkpoints_of(mlp(5, 1)), squared_error), "The model is of type .*: give the nn.Module"
    )


@pytest.mark.parametrize("loss", ["mse", None, 1])
def test_a_loss_that_is_none(loss):
    one_sentence(
        lambda: TracInCP(mlp(5, 1), checkpoints_of(mlp(5, 1)), loss), "The loss is of type .*must be a function"
    )


@pytest.mark.parametrize(
    "loss", [lambda o, y: squared_error(o, y).tolist(), lambda o, y: (squared_error(o, y),), lambda o, y: None]
)
def test_a_loss_that_gives_no_tensor(loss):
    model = mlp(5, 1)
    scorer = TracInCP(model, checkpoints_of(model), loss)
    one_sentence(lambda: scorer.self_influence(TRAIN), "The loss gave a .* for 23 examples|for 8 examples")


def test_outputs_that_autograd_can_not_follow():
    class Detached(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return torch.from_numpy(super().forward(x).detach().numpy())

    model = Detached(*mlp(5, 6, 1))
    scorer = TracInCP(model, checkpoints_of(model), squared_error)
    one_sentence(lambda: scorer.self_influence(TRAIN), "do not depend on the model's trainable parameters")


def test_recomputed_activations():
    """Gradient checkpointing: the kind that autograd.grad can follow is exact, the other is a sentence."""
    from torch.utils.checkpoint import checkpoint

    class Recomputing(nn.Module):
        def __init__(self, reentrant: bool) -> None:
            super().__init__()
            self.first, self.rest, self.reentrant = mlp(5, 6), mlp(6, 6, 1), reentrant

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.rest, torch.tanh(self.first(x)), use_reentrant=self.reentrant)

    model = Recomputing(False)
    checkpoints = checkpoints_of(model)
    exact(model, checkpoints, model, checkpoints)
    scorer = TracInCP(Recomputing(True), checkpoints, squared_error)
    one_sentence(lambda: scorer.self_influence(TRAIN), "use_reentrant=False")


def test_a_model_that_can_not_be_copied():
    model = mlp(5, 1)
    model.log = (line for line in "x")
    one_sentence(lambda: TracInCP(model, checkpoints_of(model), squared_error), "can't be copied")


def test_training_goes_on_after_a_checkpoint():
    """As in the README: the state dict's tensors are the model's own."""
    torch.manual_seed(0)
    model = mlp(5, 6, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    saved, copies = [], []
    for epoch in range(1, 4):
        loss = squared_error(model(TRAIN.inputs), TRAIN.labels).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        saved.append(Checkpoint(model.state_dict(), 0.05, epoch))
        copies.append(Checkpoint({k: v.clone() for k, v in model.state_dict().items()}, 0.05, epoch))
    assert not torch.equal(saved[0].state["0.weight"], saved[1].state["0.weight"])
    exact(model, saved, model, copies)


def test_a_rate_of_zero_adds_nothing():
    model = mlp(5, 6, 1)
    checkpoints = checkpoints_of(model, [0.1, np.float32(0.0)])
    exact(model, checkpoints, model, checkpoints[:1])
