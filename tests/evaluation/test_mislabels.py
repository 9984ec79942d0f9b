"""Mislabels: what is flipped, which ranking finds it, and that it goes on where it was stopped."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from influence import datasets, evidence, homes
from influence.errors import InfluenceError
from influence.evaluation.mislabels import MislabelsConfig
from influence.evaluation.mislabels.evaluate import shortened
from influence.evaluation.mislabels.suspicions import SuspicionTrainer, own_gradients
from influence.learners.base import Subsets
from influence.learners.convnet import ConvNet
from influence.learners.mlp import Mlp
from influence.learners.patchnet import PatchNet
from influence.learners.toolkit.outputs import cross_entropy
from influence.retraining.seeds import derived
from influence.retraining.trainer import ClassifierTrainer
from tests.evaluation.made import QUICK, flip_labels, flip_labels_of

LOOK = MislabelsConfig(learner=Mlp(width=16, epochs=6), models=2, checkpoints=2, subset_models=30)


@pytest.fixture(scope="module")
def mislabels(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("mislabels")
    flip_labels(LOOK, folder / "digits", folder=folder / "trainings")
    return evidence.read_one(folder / "digits", "mislabels")


def test_mislabels_are_found(mislabels: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Digits are easy: any of the rankings finds most of the flips in the first fifth; 0.2 is chance."""
    manifest, tables = mislabels
    found = evidence.MislabelsEvidence(manifest, tables).found
    assert set(found) == {"uniform", "adversarial"}
    for rankings in found.values():
        assert set(rankings) == set(evidence.RANKINGS)
        for figures in rankings.values():
            assert figures.at_20.mean > 0.6
            assert figures.area.low <= figures.area.mean <= figures.area.high
    assert sum("plain loss" in note for note in manifest.notes) == 2
    curves = tables["curves"]
    last = curves.groupby(["flips", "ranking"], observed=True)["found"].last()
    np.testing.assert_allclose(last, 1, atol=1e-6)


def test_what_was_flipped(mislabels: tuple[dict[str, Any], dict[str, Any]]) -> None:
    _, tables = mislabels
    digits = datasets.load("digits")
    for flips, rows in tables["examples"].groupby("flips", observed=True):
        assert list(rows["train"]) == list(digits.train.index)
        assert list(rows["true"]) == list(digits.train.labels)
        assert (rows["label"] != rows["true"]).sum() == (0 if flips == "none" else 144)
        assert rows[list(evidence.RANKINGS)].notna().all().all()


TINY = LOOK.replace(learner=Mlp(width=4, epochs=1), models=1, subset_models=20)
TINY_PATCHES = PatchNet(filters=8, patch=3, stride=1, grid=2, width=4, epochs=1, batch_size=50, flip=False)


@pytest.mark.parametrize(
    ("config", "present"),
    [
        (TINY.replace(classes=("3", "5")), {3, 5}),
        (TINY.replace(classes=("0", "9"), train_size=100), {0, 9}),
        (TINY.replace(classes=("9", "4", "6")), {4, 6, 9}),
        (TINY.replace(train_size=6), set(range(6))),  # the others have no example among the first six
        (TINY.replace(classes=("2", "7"), learner=TINY_PATCHES, train_size=200), {2, 7}),
        (TINY.replace(classes=("1", "8"), learner=ConvNet(width=4, epochs=1), train_size=100), {1, 8}),
        (TINY.replace(dataset="cifar10", classes=("bird", "ship"), learner=TINY_PATCHES, train_size=200), {2, 8}),
        (
            TINY.replace(dataset="cifar10", learner=TINY_PATCHES, train_size=60, classes=("cat", "deer", "truck")),
            {3, 4, 9},
        ),
    ],
    ids=lambda value: f"{value.dataset}-{value.learner.name}" if isinstance(value, MislabelsConfig) else None,
)
def test_labels_are_flipped_to_classes_that_training_examples_have(
    config: MislabelsConfig, present: set[int], tmp_path: Path
) -> None:
    if not datasets.is_present(config.dataset):
        pytest.skip(f"{config.dataset} is not in {homes.data_home()}: run `python -m influence data`")
    config = config.replace(share=0.4)
    flip_labels(config, tmp_path / "out", folder=tmp_path / "trainings")
    manifest, tables = evidence.read_one(tmp_path / "out", "mislabels")
    for flips, rows in tables["examples"].groupby("flips", observed=True):
        assert set(rows["true"]) == present
        assert set(rows["label"]) <= present, flips
        assert (rows["label"] != rows["true"]).sum() == (0 if flips == "none" else round(0.4 * len(rows)))
    names = [name for label, name in enumerate(datasets.facts(config.dataset).classes) if label in present]
    assert f"flipped among the classes {', '.join(names)}; " in manifest.notes[0]


def test_the_likeliest_wrong_class_is_the_one_of_those_present(tmp_path: Path) -> None:
    """Against the model's own logits; the outputs of absent classes are the largest of an untrained model's, often."""
    config = TINY.replace(learner=Mlp(width=4, epochs=1, learning_rate=1e-6), classes=("1", "4", "8"), share=0.5)
    flip_labels(config, tmp_path / "out", folder=tmp_path / "trainings")
    rows = evidence.read_one(tmp_path / "out", "mislabels")[1]["examples"]
    rows = rows[(rows["flips"] == "adversarial") & (rows["label"] != rows["true"])]
    train = datasets.load("digits", config.classes).train
    seeds = np.array(derived(config.seed, 1, 1), np.uint64)
    logits = config.learner.fit(train, Subsets(np.ones((1, len(train)), bool), seeds)).logits(train.inputs)[0]
    assert (np.isin(logits.argmax(axis=1), (1, 4, 8), invert=True)).mean() > 0.2
    for row in rows.itertuples():
        own = logits[np.flatnonzero(train.index == row.train)[0]]
        assert row.label == max({1, 4, 8} - {row.true}, key=lambda label: own[label])


def test_trainings_kept_before_absent_classes_were_left_out_are_not_taken(tmp_path: Path) -> None:
    """What they call the likeliest wrong class may be one that nobody has."""
    config = TINY.replace(classes=("3", "5"))
    dataset = datasets.load("digits", config.classes)
    whole, part = (SuspicionTrainer(data, config.learner, 2) for data in (datasets.load("digits"), dataset))
    assert whole.identity["says"] == "loss and self-influence over 2 checkpoints"
    assert part.identity["says"] != whole.identity["says"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (TINY.replace(classes=("3",)), "training examples are of one class"),
        (TINY.replace(classes=("0",)), "training examples are of one class"),
        (TINY.replace(classes=("3", "3")), "training examples are of one class"),
        (TINY.replace(train_size=1), "training examples is none"),
        (TINY.replace(train_size=4), "training examples is none"),
    ],
)
def test_labels_that_can_not_be_flipped_are_refused_before_anything_is_trained(
    config: MislabelsConfig, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InfluenceError, match=message):
        flip_labels(config, tmp_path / "out", folder=tmp_path / "trainings")
    assert list(tmp_path.iterdir()) == []


def test_mislabels_that_were_stopped_go_on(tmp_path: Path) -> None:
    config = LOOK.replace(learner=Mlp(width=4, epochs=1), subset_models=20)
    flip_labels(config, tmp_path / "first", folder=tmp_path / "trainings")
    with pytest.MonkeyPatch.context() as patch:

        def never(*_: object) -> None:
            raise AssertionError("everything is there")

        patch.setattr(ClassifierTrainer, "train", never)
        flip_labels(config, tmp_path / "second", folder=tmp_path / "trainings")
    first, second = (evidence.read_one(tmp_path / name, "mislabels")[1]["examples"] for name in ("first", "second"))
    assert first.equals(second)


def test_self_influence_is_the_gradients_squared_norm() -> None:
    """Against autograd, example by example."""
    import torch

    digits = datasets.load("digits")
    train = digits.train.take(np.arange(40))
    models = Mlp(width=6, epochs=1).fit(train, Subsets(np.ones((2, 40), bool), np.array([1, 2], np.uint64)))
    found = own_gradients(models, train.inputs, train.labels)
    x = (train.inputs.reshape(40, -1).astype(np.float64) - models.mean) / models.scale
    for model in range(2):
        weights = [layer[model].double().requires_grad_() for layer in (models.w1, models.w2)]
        for place in range(0, 40, 7):
            hidden = torch.relu(torch.tensor(np.append(x[place], 1)) @ weights[0])
            logits = torch.cat([hidden, torch.ones(1, dtype=torch.float64)]) @ weights[1]
            loss = torch.nn.functional.cross_entropy(logits, torch.tensor(train.labels[place]))
            norm = sum(float(g.square().sum()) for g in torch.autograd.grad(loss, weights))
            assert found[model, place] == pytest.approx(norm, rel=1e-3, abs=1e-6)


def test_a_learner_with_checkpoints_is_followed_by_them(tmp_path: Path) -> None:
    """Its self-influence is TracIn's, of the very checkpoints of its training."""
    import torch

    from influence.tracin.scores import Examples, TracInCP

    learner = PatchNet(filters=8, patch=3, stride=1, grid=2, width=4, epochs=4, batch_size=50, flip=False)
    config = LOOK.replace(learner=learner, models=1, checkpoints=2, subset_models=20, train_size=200)
    flip_labels(config, tmp_path / "digits", folder=tmp_path / "trainings")
    manifest, tables = evidence.read_one(tmp_path / "digits", "mislabels")
    rows = tables["examples"][tables["examples"]["flips"] == "uniform"]
    clean = datasets.load("digits", (), 200).train
    train = replace(clean, labels=rows["label"].to_numpy(clean.labels.dtype))
    traced = learner.trace(train, derived(config.seed, 1, 1)[0], 2)
    assert len(traced.checkpoints) == 2
    examples = Examples(torch.tensor(train.inputs), torch.tensor(train.labels))
    expected = TracInCP(traced.model, traced.checkpoints, cross_entropy).self_influence(examples)
    np.testing.assert_allclose(rows["self-influence"], expected, rtol=2e-3)
    traced.model.load_state_dict(traced.checkpoints[-1].state)
    loss = cross_entropy(traced.model(examples.inputs), examples.labels).detach()
    np.testing.assert_allclose(rows["loss"], loss, rtol=2e-3, atol=1e-5)
    assert any("all layers, about 2 checkpoints" in note for note in manifest.notes)
    assert any("those of one model trained on everything" in note for note in manifest.notes)


def test_mislabels_do_with_fewer_models_where_trainings_take_seconds() -> None:
    usual, large = (MislabelsConfig().completed(n_train) for n_train in (1437, 50_000))
    assert (usual.models, usual.checkpoints, usual.subset_models) == (10, 6, 500)
    assert (large.models, large.checkpoints, large.subset_models) == (1, 3, 48)
    assert LOOK.completed(50_000) == LOOK


def test_shortened_scores_are_close_and_keep_their_order() -> None:
    scores = np.sort(np.random.default_rng(0).lognormal(sigma=5, size=2000)) * 1e-3
    short = shortened(np.append(scores, 0.0))
    np.testing.assert_allclose(short[:-1], scores, rtol=1e-3)
    assert (np.diff(short[:-1]) >= 0).all()
    assert short[-1] == 0
    assert (shortened(-scores) == -short[:-1]).all()


def test_mislabels_refuse_what_has_no_classes(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="has no classes, and so no labels to flip"):
        flip_labels(LOOK.replace(dataset="california-housing"), tmp_path)


def test_mislabels_of_a_result_use_its_learner(result: Path) -> None:
    config = flip_labels_of(result)
    assert (config["dataset"], config["learner"], config["models"]) == ("digits", QUICK.learner.as_dict(), 1)
