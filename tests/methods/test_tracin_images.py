"""The TracIn job on images: what it writes is what TracInCP gives for the checkpoints it keeps."""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from influence import Dataset, Examples, InfluenceError, TracInCP, datasets, homes, jobs, results
from influence.learners.base import LEARNERS, Subsets, margins
from influence.learners.convnet import ConvNet
from influence.learners.mlp import Mlp
from influence.learners.patchnet import PatchNet
from influence.learners.toolkit.checkpoints import Checkpoint, load_folder
from influence.learners.toolkit.outputs import cross_entropy
from influence.learners.toolkit.scaling import Scaled
from influence.learners.traceable import Traceable, Traced
from influence.methods.tracin import TracIn, TracInConfig
from influence.results import Result
from influence.tracin.fixed_layers import without_fixed_layers

CONFIG = TracInConfig(
    classes=("1", "4", "7"),
    train_size=300,
    learner=Mlp(width=8, epochs=5),
    seed=3,
    checkpoint_every=2,
    k=20,
    reverse_k=7,
)

SHORT = 5e-4  # relative error of kept scores; that of the scores themselves is tested where they are made


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return datasets.load("digits", CONFIG.classes, CONFIG.train_size)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TracIn.run(CONFIG, tmp_path_factory.mktemp("job") / "one")


@pytest.fixture(scope="module")
def result(folder: Path) -> Result:
    return results.read(folder)


@pytest.fixture(scope="module")
def scores(folder: Path, digits: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """All scores, (n_targets, n_train), and the self-influences, from the checkpoints in the folder."""
    scorer = TracInCP(
        CONFIG.learner.trace(digits.train, 3, 2).model, load_folder(folder / "checkpoints"), cross_entropy
    )
    train, targets = (
        Examples(torch.tensor(part.inputs), torch.tensor(part.labels)) for part in (digits.train, digits.test)
    )
    return scorer.scores(train, targets).numpy(), scorer.self_influence(train).numpy()


def test_the_manifest_says_everything(result, digits):
    manifest = result.manifest.as_dict()
    assert (manifest["dataset"], manifest["method"]) == ("digits", "tracin")
    assert manifest["dataset_hash"] == digits.content_hash
    assert manifest["config"] == CONFIG.as_dict()
    assert (manifest["k"], manifest["reverse_k"]) == (20, 7)
    assert manifest["classes"] == list("0123456789")
    curve = manifest["loss_curve"]
    assert manifest["checkpoint_epochs"] == curve["epoch"] == [2, 4, 5]
    assert curve["learning_rate"] == sorted(curve["learning_rate"], reverse=True)
    assert curve["train_loss"][-1] < curve["train_loss"][0]
    assert manifest["quality"]["accuracy"]["test"] > 0.9
    assert manifest["quality"]["lds"] is None
    assert manifest["sign"].startswith("positive helps")
    assert "SGD" in manifest["caveat"]
    assert "8 ReLU" in manifest["learner"]


def test_the_checkpoints_are_the_trainings(folder, result, digits):
    trained = CONFIG.learner.trace(digits.train, 3, 2)
    kept = load_folder(folder / "checkpoints")
    for place, (one, made) in enumerate(zip(kept, trained.checkpoints, strict=True)):
        assert (one.epoch, one.learning_rate) == (made.epoch, made.learning_rate)
        assert one.test_loss == result.manifest.as_dict()["loss_curve"]["test_loss"][place]
        assert one.state.keys() == made.state.keys()
        assert all(torch.equal(one.state[name], value) for name, value in made.state.items())


def test_the_tables_are_tracincps(result, scores, digits):
    every, own = scores
    assert list(result.targets.index) == list(digits.test.index)
    assert list(result.train.index) == list(digits.train.index)
    for place, target in enumerate(digits.test.index):
        rows = result.of(int(target))
        assert rows["rank"].tolist() == [*range(-20, 0), *range(1, 21)]
        columns = np.searchsorted(digits.train.index, rows["train"])
        tolerance = SHORT * np.abs(every[place]).max()
        np.testing.assert_allclose(rows["score"], every[place, columns], rtol=0, atol=tolerance)
        order = np.sort(every[place])
        np.testing.assert_allclose(rows["score"][rows["rank"] > 0], order[::-1][:20], rtol=0, atol=tolerance)
        np.testing.assert_allclose(rows["score"][rows["rank"] < 0][::-1], order[:20], rtol=0, atol=tolerance)
        percentiles = result.targets.loc[target, "score_percentiles"]
        np.testing.assert_allclose(percentiles[[0, 100]], order[[0, -1]], rtol=0, atol=tolerance)
    for place, one in enumerate(digits.train.index):
        rows = result.by(int(one))
        assert rows["rank"].tolist() == [*range(-7, 0), *range(1, 8)]
        order = np.sort(every[:, place])
        np.testing.assert_allclose(
            rows["score"][rows["rank"] > 0], order[::-1][:7], rtol=0, atol=SHORT * np.abs(order).max()
        )
    np.testing.assert_allclose(result.train["self_influence"], own, rtol=1e-5)


def test_fixed_layers_are_applied_once_and_change_no_score(digits):
    learner = PatchNet(filters=8, patch=3, stride=1, grid=2, width=4, epochs=3, flip=False)
    traced = learner.trace(digits.train, 3, 1)
    parts = [Examples(torch.tensor(part.inputs), torch.tensor(part.labels)) for part in (digits.train, digits.test)]
    expected = TracInCP(traced.model, traced.checkpoints, cross_entropy).scores(*parts)
    moving, train, targets = without_fixed_layers(traced, digits)
    assert train.inputs.shape == (len(digits.train), 4, 16)
    assert [type(layer) for layer in moving.model] == [nn.Linear, nn.GELU, nn.Flatten, nn.Linear]
    found = TracInCP(moving.model, moving.checkpoints, cross_entropy).scores(train, targets)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_layers_that_differ_between_checkpoints_are_not_taken_for_fixed(digits):
    traced = PatchNet(filters=8, patch=3, stride=1, grid=2, width=4, epochs=2, flip=False).trace(digits.train, 3, 1)
    traced.checkpoints[1].state["0.mean"].add_(1)
    moving, train, _ = without_fixed_layers(traced, digits)
    assert moving is traced
    assert train.inputs.shape == digits.train.inputs.shape


def test_what_the_last_checkpoint_says_of_each_example(folder, result, digits):
    model = CONFIG.learner.trace(digits.train, 3, 2).model
    model.load_state_dict(load_folder(folder / "checkpoints")[-1].state)
    for table, split in ((result.targets, digits.test), (result.train, digits.train)):
        with torch.no_grad():
            logits = model(torch.tensor(split.inputs))
        assert table["label"].tolist() == split.labels.tolist()
        assert table["prediction"].tolist() == logits.argmax(1).tolist()
        losses = nn.functional.cross_entropy(logits, torch.tensor(split.labels), reduction="none")
        np.testing.assert_allclose(table["loss"], losses, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(
            table["margin"], margins(logits.numpy()[None], split.labels)[0], rtol=1e-4, atol=1e-4
        )


def test_a_replay_gives_the_same_tables(folder, result, results_home):
    again = results.read(jobs.replay(folder, results_home / "again"))
    assert again.manifest.as_dict()["config"] == result.manifest.as_dict()["config"]
    assert again.manifest.as_dict()["tables"] == result.manifest.as_dict()["tables"]


def test_progress_rises_to_one(results_home):
    seen: list[tuple[float, str]] = []
    TracIn.run(CONFIG, results_home / "one", report=lambda share, what: seen.append((share, what)))
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert list(dict.fromkeys(what for _, what in seen)) == ["training", "scoring every pair", "self-influence", "done"]


# A learner with convolutions


class Tiny(Traceable):
    """A convolution, normalised, and SGD: the least that has what the image learner has."""

    name: Literal["tiny"] = "tiny"
    epochs: int = 3
    learning_rate: float = 0.05

    @property
    def recipe(self) -> str:
        return "tiny: one convolution"

    @property
    def batch(self) -> int:
        return 1

    def fit(self, train, subsets):
        raise AssertionError("TracIn follows one training, and trains no subsets")

    def trace(self, train, seed, every, on_epoch=lambda epoch: None) -> Traced:
        torch.manual_seed(seed)
        model = nn.Sequential(
            Scaled(float(train.inputs.mean()), float(train.inputs.std())),
            nn.Unflatten(1, (1, 8)),
            nn.Conv2d(1, 6, 3, padding=1, bias=False),
            nn.BatchNorm2d(6),
            nn.GELU(),
            nn.AvgPool2d(4),
            nn.Flatten(),
            nn.Linear(24, 10),
        )
        inputs, labels = torch.tensor(train.inputs), torch.tensor(train.labels)
        sgd = torch.optim.SGD(model.parameters(), self.learning_rate, momentum=0.9)
        checkpoints = []
        for epoch in range(1, self.epochs + 1):
            model.train()
            for rows in torch.randperm(len(train)).split(50):
                sgd.zero_grad()
                nn.functional.cross_entropy(model(inputs[rows]), labels[rows]).backward()
                sgd.step()
            if epoch % every == 0:
                state = {name: value.clone() for name, value in model.state_dict().items()}
                checkpoints.append(Checkpoint(state, self.learning_rate, epoch))
            on_epoch(epoch)
        return Traced(model, checkpoints)


@pytest.fixture
def _tiny_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LEARNERS._members, "tiny", Tiny)


@pytest.mark.usefixtures("_tiny_is_known")
def test_a_learner_with_convolutions(results_home, digits):
    assert isinstance(Tiny(), Traceable)
    config = CONFIG.replace(learner=Tiny(), checkpoint_every=1)
    folder = TracIn.run(config, results_home / "one")
    read = results.read(folder)
    assert read.manifest.as_dict()["checkpoint_epochs"] == [1, 2, 3]
    assert read.manifest.as_dict()["quality"]["accuracy"]["test"] > 0.8
    scorer = TracInCP(Tiny().trace(digits.train, 3, 1).model, load_folder(folder / "checkpoints"), cross_entropy)
    train = Examples(torch.tensor(digits.train.inputs), torch.tensor(digits.train.labels))
    np.testing.assert_allclose(read.train["self_influence"], scorer.self_influence(train), rtol=1e-4)
    assert TracInConfig.parse(config.as_dict()) == config


# The MLP's checkpoints


def test_an_mlp_is_traced_as_it_is_fitted():
    digits = datasets.load("digits")
    learner = Mlp(width=8, epochs=5)
    traced = learner.trace(digits.train, seed=9, every=2)
    everyone = Subsets(np.ones((1, len(digits.train)), bool), np.array([9], np.uint64))
    fitted = learner.fit(digits.train, everyone)
    assert [checkpoint.epoch for checkpoint in traced.checkpoints] == [2, 4, 5]
    assert all(
        torch.equal(value, traced.checkpoints[-1].state[name]) for name, value in traced.model.state_dict().items()
    )
    with torch.no_grad():
        logits = traced.model(torch.tensor(digits.test.inputs)).numpy()
    np.testing.assert_allclose(logits, fitted.logits(digits.test.inputs)[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("every", "epochs"), [(1, [1, 2, 3]), (3, [3]), (4, [3])])
def test_there_is_always_a_checkpoint_at_the_end(every, epochs):
    digits = datasets.load("digits", train_size=100)
    traced = Mlp(width=4, epochs=3).trace(digits.train, 0, every)
    assert [checkpoint.epoch for checkpoint in traced.checkpoints] == epochs


# What is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 0}, "k is 0, but must lie between 1 and the 300 training examples."),
        ({"k": 301}, "k is 301, but must lie between 1 and the 300 training examples."),
        ({"classes": ("eleven",)}, "digits has no class 'eleven'"),
        ({"dataset": "digit"}, "Did you mean digits?"),
        ({"dataset": "california-housing", "classes": ()}, "mlp does not learn values, which california-housing has"),
        ({"learner": Mlp(learning_rate=1e20)}, "Training diverged by epoch 2"),
        ({"classes": (), "train_size": 5, "k": 2}, "No training example is of class"),
    ],
)
def test_what_cannot_be_scored(results_home, changes, message):
    with pytest.raises(InfluenceError) as caught:
        TracIn.run(CONFIG.replace(**changes), results_home / "one")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not results_home.exists() or os.listdir(results_home) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"checkpoint_every": 0}, "checkpoint_every is 0, but must be at least 1."),
        ({"reverse_k": 0}, "reverse_k is 0, but must be at least 1."),
        ({"seed": -1}, "seed is -1, but must be at least 0"),
    ],
)
def test_a_bad_config(changes, message):
    with pytest.raises(InfluenceError) as caught:
        CONFIG.replace(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"learner": {"name": "mlp"}},
        {"learner": {"name": "mlp"}, "classes": [], "alpha": 1},
        {"learner": 3, "classes": []},
        {"learner": {"name": "mlp"}, "classes": [], "seed": "1"},
        {"learner": {"name": "mlp"}, "classes": [], "checkpoint_every": None},
    ],
)
def test_a_config_of_something_else(values):
    with pytest.raises(InfluenceError) as caught:
        TracInConfig.parse(values)
    assert "\n" not in str(caught.value)


def test_a_learner_without_checkpoints(results_home):
    with pytest.raises(InfluenceError) as caught:
        TracIn.run(CONFIG.replace(learner=ConvNet()), results_home / "one")
    assert "convnet keeps no checkpoints" in str(caught.value)
    assert not results_home.exists()


@pytest.mark.parametrize("owner", [pq, Path], ids=["tables", "manifest"])
def test_a_disk_that_fills_leaves_nothing(results_home, monkeypatch, owner):
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(owner, "write_table" if owner is pq else "write_bytes", fail)
    with pytest.raises(InfluenceError, match="is full: nothing was kept of this run"):
        TracIn.run(CONFIG, results_home / "one")
    assert os.listdir(results_home) == []


@pytest.mark.parametrize(
    ("key", "message"),
    [("reverse_k", "manifest.json lacks reverse_k"), ("classes", "manifest.json lacks classes")],
)
def test_a_manifest_that_lacks_something(folder, tmp_path, key, message):
    copy = shutil.copytree(folder, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest[key]
    (copy / "manifest.json").write_bytes(results.to_bytes(manifest))
    with pytest.raises(InfluenceError, match=message):
        results.read(copy)


def test_a_result_without_its_reverse_table(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "reverse.parquet").unlink()
    with pytest.raises(InfluenceError, match=r"reverse\.parquet is missing"):
        results.read(copy)


# What ships


def test_the_shipped_scores_come_from_the_shipped_checkpoints():
    digits = datasets.load("digits")
    read = results.read(homes.precomputed_home() / "digits" / "tracin")
    config = TracInConfig.parse(read.manifest.as_dict()["config"])
    scorer = TracInCP(
        config.learner.trace(digits.train, config.seed, config.learner.epochs).model,
        load_folder(read.path / "checkpoints"),
        cross_entropy,
    )
    train = Examples(torch.tensor(digits.train.inputs), torch.tensor(digits.train.labels))
    # The smallest is 1e-7 of the largest, and another processor rounds it otherwise.
    largest = float(read.train["self_influence"].max())
    np.testing.assert_allclose(
        read.train["self_influence"], scorer.self_influence(train), rtol=1e-3, atol=1e-7 * largest
    )
    targets = Examples(torch.tensor(digits.test.inputs[:20]), torch.tensor(digits.test.labels[:20]))
    best = scorer.top_k(train, targets, 1)
    for place, target in enumerate(digits.test.index[:20]):
        row = read.of(int(target)).set_index("rank").loc[1]
        assert row["score"] == pytest.approx(float(best.proponent_scores[place, 0]), rel=1e-3)
