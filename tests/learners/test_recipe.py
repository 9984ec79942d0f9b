"""The recipe at the base of training configs."""

import pytest

from influence.datamodels.outcomes import OutcomeConfig
from influence.evaluation.mislabels import MislabelsConfig
from influence.learners.mlp import Mlp
from influence.learners.recipe import Recipe
from influence.methods.tracin import TracInConfig

PART = {"dataset": "digits", "classes": ("3", "8"), "train_size": 50, "learner": Mlp(width=4)}


@pytest.mark.parametrize("config", [OutcomeConfig, MislabelsConfig, TracInConfig])
def test_training_configs_begin_with_a_recipe(config: type[Recipe]) -> None:
    made = config(**PART)
    names = list(Recipe.model_fields)
    assert list(made.as_dict())[:4] == names == ["dataset", "classes", "train_size", "learner"]
    assert {name: getattr(made, name) for name in names} == PART
    assert config.parse(made.as_dict()) == made


def test_the_data_of_a_recipe_are_loaded_once() -> None:
    recipe = Recipe(**PART)
    dataset = recipe.load()
    assert len(dataset.train) == 50
    assert set(dataset.train.labels) == {3, 8}
    assert Recipe(**PART).load() is dataset
    assert len(recipe.replace(train_size=20).load().train) == 20
