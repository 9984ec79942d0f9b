"""Scaling: every estimator from fewer and more models."""

from pathlib import Path

import numpy as np
import pytest

from influence import evidence, results
from influence.datamodels import Ridge, outcomes
from influence.datamodels.subsets import SubsetConfig
from influence.errors import InfluenceError
from influence.evaluation.scaling import ScalingConfig
from influence.measures.lds import lds as score_lds
from tests.evaluation.made import QUICK, by_hand, scale


def test_sizes_are_the_scores_of_fits_on_the_first_models(store: str, result: Path) -> None:
    scale(
        result, store, ScalingConfig(sizes=(20, 45, 1000), targets=360, lasso_targets=0, feature_models=1, bootstrap=20)
    )
    found = evidence.read(results.read(result)).scaling
    assert found is not None
    scores = found.scores.set_index(["estimator", "models"])
    sizes = {"ridge", "difference-in-means", "prior-informed"}
    assert {name for name, models in scores.index if models == 45} == sizes
    assert {(name, models) for name, models in scores.index if name not in sizes} == {
        ("random", 0),
        ("same-class", 0),
        ("neighbours", 0),
        ("prior mean", 16),
    }
    fitted, held_out = outcomes.read(store, range(40, 85)), outcomes.read(store, range(40))
    ridge = Ridge().fit(fitted.masks, fitted.margins).predict(held_out.masks)
    assert scores.loc[("ridge", 45), "mean"] == pytest.approx(score_lds(ridge, held_out.margins, 2).mean, abs=1e-6)
    whole = evidence.read(results.read(result)).lds
    assert whole is not None
    assert scores.loc[("ridge", 60), "mean"] == pytest.approx(whole.methods["result"].mean, abs=1e-6)  # all there are
    assert scores.loc[("prior-informed", 60), "mean"] > scores.loc[("ridge", 60), "mean"]
    assert abs(scores.loc[("random", 0), "mean"]) < 0.1


def test_the_lasso_is_judged_on_a_few_targets(store: str, result: Path) -> None:
    scale(result, store, ScalingConfig(sizes=(20,), targets=30, lasso_targets=4, feature_models=1, bootstrap=20))
    found = evidence.read(results.read(result)).scaling
    assert found is not None
    assert dict(found.scores.groupby("estimator", observed=True)["targets"].max()) == {
        **dict.fromkeys(("random", "same-class", "neighbours", "prior mean", "ridge"), 30),
        **dict.fromkeys(("difference-in-means", "prior-informed"), 30),
        "lasso": 4,
    }


def test_sizes_are_of_datamodels_and_their_own_store(store: str, result: Path, tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="is no datamodel"):
        scale(by_hand(tmp_path / "other", np.random.default_rng(0).normal(size=(5, 1437))), store)
    other = str(tmp_path / "store")
    outcomes.collect(QUICK.replace(subsets=SubsetConfig(seed=9)), other, 10)
    with pytest.raises(InfluenceError, match="another config"):
        scale(result, other)
