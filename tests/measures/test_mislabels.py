import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from influence.errors import InfluenceError
from influence.measures.mislabels import advantage, flip, found, inside_and_outside, losses


def test_flips_are_wrong_labels_of_the_share_asked_for() -> None:
    labels = np.random.default_rng(0).integers(10, size=1000)
    flipped, given = flip(labels, 0.1, seed=3)
    assert flipped.sum() == 100
    assert ((given != labels) == flipped).all()
    assert set(given) <= set(range(10))
    again, same = flip(labels, 0.1, seed=3)
    assert (again == flipped).all()
    assert (same == given).all()
    assert (flip(labels, 0.1, seed=4)[0] != flipped).any()


def test_uniform_flips_are_uniform_over_the_other_classes() -> None:
    labels = np.arange(50_000) // 10_000
    flipped, given = flip(labels, 0.5)
    for own in range(5):
        shares = np.bincount(given[flipped & (labels == own)], minlength=5) / (flipped & (labels == own)).sum()
        assert shares[own] == 0
        np.testing.assert_allclose(np.delete(shares, own), 0.25, atol=0.03)


@pytest.mark.parametrize("classes", [(3, 5), (0, 9), (1, 2, 7), (4, 5, 6, 8, 9)])
def test_flips_stay_among_the_classes_that_examples_have(classes: tuple[int, ...]) -> None:
    labels = np.random.default_rng(0).choice(classes, size=20_000)
    flipped, given = flip(labels, 0.5)
    assert ((given != labels) == flipped).all()
    for own in classes:
        shares = np.bincount(given[flipped & (labels == own)], minlength=10) / (flipped & (labels == own)).sum()
        others = [other for other in classes if other != own]
        np.testing.assert_allclose(shares[others], 1 / len(others), atol=0.03)
        assert np.delete(shares, others).sum() == 0


def test_adversarial_flips_are_the_given_ones() -> None:
    labels = np.arange(50) % 5
    wrong = (labels + 2) % 5
    flipped, given = flip(labels, 0.2, wrong=wrong)
    assert (given[flipped] == wrong[flipped]).all()
    with pytest.raises(ValueError, match="a wrong class is the right one"):
        flip(labels, 0.2, wrong=labels)
    with pytest.raises(ValueError, match="a wrong class is one that no example has"):
        flip(labels, 0.2, wrong=labels + 5)


@pytest.mark.parametrize("label", [0, 4])
def test_one_class_has_no_flips(label: int) -> None:
    with pytest.raises(InfluenceError, match="All 10 training examples are of one class"):
        flip(np.full(10, label), 0.1)


@pytest.mark.parametrize("share", [0, -1, 0.6])
def test_shares_that_will_not_do(share: float) -> None:
    with pytest.raises(InfluenceError, match="share is"):
        flip(np.arange(10) % 2, share)


def test_a_share_of_none_is_refused() -> None:
    with pytest.raises(InfluenceError, match="of 3 training examples is none"):
        flip(np.arange(3) % 2, 0.1)


def test_the_loss_follows_from_the_margin() -> None:
    logits = np.random.default_rng(1).normal(size=(4, 3))
    p = np.exp(logits[:, 0]) / np.exp(logits).sum(axis=1)
    margin = logits[:, 0] - np.log(np.exp(logits[:, 1:]).sum(axis=1))
    np.testing.assert_allclose(losses(margin), -np.log(p))
    assert losses(np.array([-2000.0]))[0] == 2000


def test_inside_and_outside_by_hand() -> None:
    rng = np.random.default_rng(2)
    masks, values = rng.random((30, 6)) < 0.5, rng.normal(size=(30, 6))
    inside, outside = inside_and_outside(masks, values)
    for column in range(6):
        assert inside[column] == pytest.approx(values[masks[:, column], column].mean())
        assert outside[column] == pytest.approx(values[~masks[:, column], column].mean())
    with pytest.raises(InfluenceError, match="in all or in none of the 2 subsets"):
        inside_and_outside(np.array([[True, False], [True, True]]), np.zeros((2, 2)))


def test_a_perfect_a_hopeless_and_an_indifferent_ranking() -> None:
    flipped = np.arange(100) < 10
    perfect, hopeless, indifferent = (found(sign * flipped - 1e-3 * np.arange(100), flipped) for sign in (1, -1, 0))
    assert (perfect.area.mean, perfect.at_20.mean) == (pytest.approx(0.95), 1)
    assert (hopeless.area.mean, hopeless.at_20.mean) == (pytest.approx(0.05), 0)
    assert indifferent.found[10] == 1
    ties = found(np.zeros(100), flipped)
    assert (ties.area.mean, ties.at_20.mean) == (pytest.approx(0.5), pytest.approx(0.2))
    np.testing.assert_allclose(ties.found, ties.inspected)


@pytest.mark.parametrize("decimals", [8, 1])  # 1 makes ties
def test_the_curve_and_its_area_are_those_of_counting(decimals: int) -> None:
    rng = np.random.default_rng(5)
    flipped = rng.random(200) < 0.15
    scores = np.round(rng.normal(size=200) + flipped, decimals)
    look = found(scores, flipped)
    assert look.found[-1] == pytest.approx(1)
    assert look.area.mean == pytest.approx(np.trapezoid(look.found, look.inspected))
    assert look.at_20.mean == pytest.approx(look.found[40])
    share = flipped.mean()  # the area relates to the AUC of the ranking, ties included
    assert look.area.mean == pytest.approx(share / 2 + (1 - share) * roc_auc_score(flipped, scores))
    shuffles = [rng.permutation(200) for _ in range(300)]
    counted = np.mean([flipped[p][np.argsort(-scores[p], kind="stable")][:40].sum() for p in shuffles])
    assert look.found[40] == pytest.approx(counted / flipped.sum(), abs=0.01)


def test_the_advantage_of_a_better_ranking_is_beyond_chance() -> None:
    rng = np.random.default_rng(6)
    flipped = rng.random(2000) < 0.1
    good, poor = rng.normal(size=2000) + 2 * flipped, rng.normal(size=2000) + 0.5 * flipped
    assert advantage(good, poor, flipped).low > 0
    assert advantage(poor, good, flipped).high < 0
    assert advantage(good, good, flipped).mean == 0
