"""Derivatives through training as a method: its results, how they go on after a stop, and how they are judged."""

from pathlib import Path

import numpy as np
import pytest
import torch

from influence import jobs, results
from influence.datamodels.subsets import SubsetConfig, draw
from influence.errors import InfluenceError
from influence.learners.base import margins
from influence.learners.convnet import ConvNet
from influence.learners.mlp import Mlp
from influence.methods.unrolled import Unrolled, UnrolledConfig
from influence.methods.unrolled.passing import Passing, seeds
from influence.methods.unrolled.run import kept_blocks
from influence.methods.unrolled.scores import UnrolledSubject
from influence.ranking import Ranking

CONFIG = UnrolledConfig(
    classes=("3", "8"), train_size=60, learner=Mlp(width=4, epochs=3, learning_rate=0.02), k=5, reverse_k=3, block=16
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFLUENCE_RESULTS_DIR", str(tmp_path_factory.mktemp("results")))
        return Unrolled.run(CONFIG, tmp_path_factory.mktemp("made") / "unrolled")


def test_a_result_keeps_the_strongest_derivatives(made: Path) -> None:
    result, dataset = results.read(made), CONFIG.load()
    passing = Passing.train(CONFIG, dataset)
    scores = passing.scores(np.arange(len(dataset.test))).numpy()
    for position in (0, 17, len(dataset.test) - 1):
        own = result.of(int(dataset.test.index[position]))
        order = np.argsort(scores[position])
        expected = np.concatenate([order[:5], order[-5:]])
        assert sorted(own["train"]) == sorted(dataset.train.index[expected])
        np.testing.assert_allclose(np.sort(own["score"]), np.sort(scores[position, expected]), rtol=1e-3)
    np.testing.assert_allclose(
        result.targets["margin"], margins(passing.test_logits, dataset.test.labels)[0], rtol=1e-5
    )
    reach = result.by(int(dataset.train.index[7])).set_index("rank")["target"]
    assert reach[1] == dataset.test.index[scores[:, 7].argmax()]
    assert reach[-1] == dataset.test.index[scores[:, 7].argmin()]
    assert result.manifest.steps == 3
    assert result.manifest.weight == 1


def test_a_stopped_run_goes_on_with_the_next_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Path) -> None:
    config, calls = CONFIG.replace(seed=3), []
    whole = Unrolled.run(config, tmp_path / "whole")
    scores = Passing.scores

    def stopping(self: Passing, positions: np.ndarray, *arguments: object) -> torch.Tensor:
        calls.append(int(positions[0]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return scores(self, positions, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Passing, "scores", stopping)
    with pytest.raises(KeyboardInterrupt):
        Unrolled.run(config, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    (kept_blocks(config, config.load()) / "16.npz").write_bytes(b"cut short")
    again = Unrolled.run(config, tmp_path / "again")
    assert calls[:5] == [0, 16, 32, 16, 32]  # the damaged block once more
    for table in ("influences", "reverse", "targets", "train"):
        assert (whole / f"{table}.parquet").read_bytes() == (again / f"{table}.parquet").read_bytes()
    assert not kept_blocks(config, config.load()).exists()


def test_replay_makes_the_same(made: Path, tmp_path: Path) -> None:
    again = jobs.replay(made, tmp_path / "again")
    assert (made / "influences.parquet").read_bytes() == (again / "influences.parquet").read_bytes()


def test_the_subject_has_all_scores(made: Path) -> None:
    subject = UnrolledSubject(results.read(made))
    found = subject.scores()
    assert found.kept is None
    assert found.has_scale
    assert subject.is_common
    assert found.rows(np.array([2, 0])).shape == (2, 60)


def test_removals_of_common_seeds_are_predicted(made: Path) -> None:
    """At the centre, of subsets of half of the examples: over eight seeds .87 to .999."""
    config = CONFIG.replace(weight=0.5, learner=Mlp(width=8, epochs=6, learning_rate=0.02))
    dataset = config.load()
    subsets = draw(SubsetConfig(seed=config.seed, seeds="common"), np.arange(40), len(dataset.train))
    assert seeds(config, len(dataset.train)) == [int(subsets.seeds[0])]
    observed = margins(
        config.differentiable.fit(dataset.train, subsets).logits(dataset.test.inputs), dataset.test.labels
    )
    predicted = subsets.masks @ Passing.train(config, dataset).scores(np.arange(len(dataset.test))).numpy().T
    correlations = [np.corrcoef(predicted[:, i], observed[:, i])[0, 1] for i in range(len(dataset.test))]
    assert np.mean(correlations) > 0.7


def test_several_trainings_are_averaged() -> None:
    config = CONFIG.replace(trainings=3)
    own = seeds(config, 60)
    assert len(set(own)) == 3
    dataset = config.load()
    passing = Passing.train(config, dataset)
    expected = sum(Passing(dataset, [each]).scores(np.arange(4)) for each in passing.trainings) / 3
    torch.testing.assert_close(passing.scores(np.arange(4)), expected)


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="convnet can't be differentiated"):
        Unrolled.run(CONFIG.replace(learner=ConvNet()), tmp_path / "out")
    with pytest.raises(InfluenceError, match=r"not finite|diverged"):
        Unrolled.run(CONFIG.replace(learner=Mlp(learning_rate=1e6)), tmp_path / "out")
    with pytest.raises(InfluenceError, match="between 1 and the 60"):
        Unrolled.run(CONFIG.replace(k=61), tmp_path / "out")
    with pytest.raises(InfluenceError, match="weight is 0"):
        CONFIG.replace(weight=0)
    assert not (tmp_path / "out").exists()


def test_rankings_of_blocks_are_that_of_all(tmp_path: Path) -> None:
    scores = np.random.default_rng(0).standard_normal((50, 30)).astype(np.float32)
    whole, joined = Ranking(30, 4, 3), Ranking(30, 4, 3)
    whole.add(scores)
    for start in range(0, 50, 20):
        block = Ranking(30, 4, 3, first=start)
        block.add(scores[start : start + 20])
        block.save(tmp_path / "block.npz")
        found = Ranking.load(tmp_path / "block.npz", 30, 4, 3)
        assert found is not None
        joined.extend(found)
    targets, train = np.arange(50, dtype=np.int32), np.arange(30, dtype=np.int32)
    assert whole.influences(targets, train).equals(joined.influences(targets, train))
    assert whole.reverse(targets, train).equals(joined.reverse(targets, train))
    assert whole.spread() == joined.spread()
    assert Ranking.load(tmp_path / "none.npz", 30, 4, 3) is None
