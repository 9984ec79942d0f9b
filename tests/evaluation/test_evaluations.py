"""The family of evaluations, and the job that runs one of them."""

from pathlib import Path

import pytest

from influence import evidence, jobs
from influence.errors import InfluenceError
from influence.evaluation import EVALUATIONS
from influence.evaluation.mislabels import MislabelsConfig
from tests.evaluation.made import FEW


def test_every_evaluation_is_found_and_says_what_it_leaves() -> None:
    assert list(EVALUATIONS) == ["drop", "layout", "lds", "mislabels", "near-copies", "removal", "scaling"]
    for name, evaluation in EVALUATIONS.items():
        assert evaluation.name == name
        assert evaluation.title.endswith(".")
        assert evaluation.config().as_dict() == evaluation.config.parse(evaluation.config().as_dict()).as_dict()
        assert evaluation.evidence.format.tables
    assert all(name == each.evidence.name for name, each in EVALUATIONS.items())


def test_an_evaluation_that_there_is_not(result: Path) -> None:
    with pytest.raises(InfluenceError, match=r"There is no evaluation 'remove'.* Did you mean removal\?"):
        jobs.evaluate("remove", result)


def test_what_judges_a_result_needs_one(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="evaluate removal judges a result: give its folder"):
        jobs.evaluate_data("removal", FEW, tmp_path)


def test_a_score_needs_models_that_judge(result: Path) -> None:
    place = evidence.place(result, "lds") / "manifest.json"
    before = place.read_bytes()
    with pytest.raises(InfluenceError, match="name their outcome store with --store"):
        jobs.evaluate("lds", result)
    assert place.read_bytes() == before


def test_a_result_has_its_own_data(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="has no classes, and so no labels to flip"):
        jobs.evaluate_data("mislabels", MislabelsConfig(dataset="california-housing"), tmp_path)
