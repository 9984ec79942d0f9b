"""What is said of how far a result can be trusted follows from its evidence alone."""

from dataclasses import replace

import pytest

from influence import evidence, homes, results
from influence.evidence import Evaluated, RemovalEvidence
from influence.evidence.removal import Agreement
from influence.explorer import verdicts
from influence.results import Interval, Result

SHIPPED = homes.precomputed_home()


def read(name: str) -> tuple[Result, Evaluated]:
    result = results.read(SHIPPED / name)
    return result, evidence.read(result)


def headline(name: str) -> str:
    result, found = read(name)
    return verdicts.verdict(result.manifest, found).headline


def test_what_ships_gets_the_verdict_that_its_evidence_supports() -> None:
    assert headline("cifar10/datamodels") == "Trust the top 10 here, not the order of the tail"
    assert headline("digits/datamodels") == "Trust these scores, but not the order of the tail"
    assert headline("california-housing/tracin") == "Take these lists as a hint, not as a forecast"
    assert "similar examples" in headline("cifar10/tracin")  # its score is no larger than that of neighbours
    assert "hint" in headline("digits/tracin")  # its score is larger
    result, _ = read("digits/tracin")
    assert "Not evaluated" in verdicts.verdict(result.manifest, Evaluated()).headline


def with_helpful(removal: RemovalEvidence, low: float) -> RemovalEvidence:
    """The removals, with the same agreement of the most helpful at every number, and this lower end."""
    figure = Interval(mean=0.5, low=low, high=0.9, level=0.95)
    agreement = Agreement(spearman=figure, pearson=figure, slope=figure)
    each = {str(count): {"helpful": agreement} for count in removal.counts}
    figures = removal.figures.model_copy(update={"agreement_by_count": each})
    return replace(removal, manifest=removal.manifest.model_copy(update={"figures": figures}))


def test_the_top_is_trusted_from_the_fewest_that_do_what_their_scores_say() -> None:
    _, found = read("cifar10/datamodels")
    assert found.removal is not None
    assert verdicts.first_that_holds(with_helpful(found.removal, 0.1)) == 10
    assert verdicts.first_that_holds(with_helpful(found.removal, -0.1)) is None  # it may be chance
    curves = found.removal.tables["curves"]
    weak = curves.assign(measured_high=curves["measured_high"].where(curves["count"] != 10, 1.0))
    changed = replace(found.removal, tables=found.removal.tables | {"curves": weak})
    assert verdicts.first_that_holds(with_helpful(changed, 0.1)) == 50  # 10 random ones may do as much


def test_agreement_is_told_by_number_of_removals() -> None:
    _, found = read("cifar10/datamodels")
    assert found.removal is not None
    said = verdicts.agreement_by_count(found.removal)
    assert "0.63 (0.33 to 0.80) among removals of 10" in said
    assert "0.79 (0.57 to 0.91) among removals of 50" in said


def test_random_removals_speak_of_the_tail_only_where_the_top_can_be_told() -> None:
    result, found = read("digits/datamodels")
    assert any("which is chance" in each for each in verdicts.verdict(result.manifest, found).why)
    houses, few = read("california-housing/tracin")
    assert not any("which is chance" in each for each in verdicts.verdict(houses.manifest, few).why)


def test_what_a_ranking_rests_on_has_its_shares_from_evidence() -> None:
    result, found = read("cifar10/datamodels")
    sources = verdicts.sources(result.manifest, found.scaling)
    assert sources is not None
    scores = found.scaling.scores.set_index(["estimator", "models"])["mean"]  # type: ignore[union-attr]
    assert sources.gain == pytest.approx(scores[("prior-informed", 1100)] - scores[("prior mean", 8)])
    said = verdicts.rests_on(result.manifest, found.scaling)
    assert "8 trainings alone get an LDS of 0.425, 99% of the whole" in said
    assert "the outcomes of 1,100 trainings add 0.006" in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("digits/datamodels", "what each adds was not measured"),
        ("digits/datamodels-lasso", "the outcomes of 5,000 trainings alone"),
        ("digits/tracin", "one training, looked at 6 times"),
    ],
)
def test_what_is_not_measured_is_not_claimed(name: str, said: str) -> None:
    result, found = read(name)
    assert verdicts.sources(result.manifest, found.scaling) is None
    assert said in verdicts.rests_on(result.manifest, found.scaling)


@pytest.mark.parametrize(("value", "said"), [(-0.001, "0.00"), (-0.254, "−0.25"), (1.005, "1.00")])
def test_numbers_have_a_true_minus(value: float, said: str) -> None:
    assert verdicts.number(value) == said
