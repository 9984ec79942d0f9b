import numpy as np
import pytest
from scipy.stats import chisquare

from influence.datamodels.subsets import SubsetConfig, draw, subset_size
from influence.errors import InfluenceError


def test_model_i_is_the_same_in_any_company():
    config = SubsetConfig(seed=3)
    together = draw(config, np.arange(20), 101)
    for members in ([7], [19, 7, 0]):
        part = draw(config, np.array(members), 101)
        assert np.array_equal(part.masks, together.masks[members])
        assert np.array_equal(part.seeds, together.seeds[members])


def test_draws_are_the_same_everywhere():
    """Golden values: a store begun on one machine or version must go on with the same models on another."""
    subsets = draw(SubsetConfig(), np.array([0, 1, 100_000]), 1437)
    assert [np.flatnonzero(mask)[:6].tolist() for mask in subsets.masks] == FIRST_MEMBERS
    assert subsets.seeds.tolist() == SEEDS


def test_subsets_have_one_size_and_every_example_the_same_chance():
    masks = draw(SubsetConfig(alpha=0.3), np.arange(2000), 50).masks
    assert (masks.sum(axis=1) == 15).all()
    assert chisquare(masks.sum(axis=0)).pvalue > 1e-3
    pairs = (masks.T.astype(int) @ masks)[np.triu_indices(50, 1)]
    assert pairs.mean() / 2000 == pytest.approx(15 * 14 / (50 * 49), rel=1e-9)
    assert pairs.std() / np.sqrt(pairs.mean()) < 1.2


def test_what_differs_follows_the_protocol():
    fresh, again = SubsetConfig(), SubsetConfig(repeat=1)
    common = SubsetConfig(seeds="common")
    models = np.arange(30)
    assert len(np.unique(draw(fresh, models, 40).seeds)) == 30
    assert len(np.unique(draw(common, models, 40).seeds)) == 1
    assert draw(common, models, 40).common
    assert not draw(fresh, models, 40).common
    for other in (again, common):
        assert np.array_equal(draw(fresh, models, 40).masks, draw(other, models, 40).masks)
    assert not np.isin(draw(again, models, 40).seeds, draw(fresh, models, 40).seeds).any()
    assert not np.array_equal(draw(fresh, models, 40).masks, draw(SubsetConfig(seed=1), models, 40).masks)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.5, 2.0, float("nan")])
def test_alpha_outside_its_range_is_refused(alpha):
    with pytest.raises(InfluenceError, match="must be above 0 and below 1"):
        SubsetConfig(alpha=alpha)


def test_a_subset_of_none_or_all_is_refused():
    for alpha in (0.001, 0.999):
        with pytest.raises(InfluenceError, match="which leaves nothing to compare"):
            subset_size(SubsetConfig(alpha=alpha), 100)


def test_other_bad_settings_are_refused():
    with pytest.raises(InfluenceError, match="seeds is 'same', but must be one of fresh, common"):
        SubsetConfig(seeds="same")  # type: ignore[arg-type]
    with pytest.raises(InfluenceError, match="seed is -1"):
        SubsetConfig(seed=-1)


FIRST_MEMBERS = [[0, 1, 2, 3, 5, 7], [1, 4, 6, 7, 8, 15], [0, 1, 3, 7, 8, 10]]
SEEDS = [5836529245451711556, 3108398236813484367, 7727862640223903434]
