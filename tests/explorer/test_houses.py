"""What the houses page shows, without Streamlit."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from influence import homes, results
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.explorer.houses import charts, dots, geography, words
from influence.explorer.houses.picks import score_bins
from influence.explorer.houses.records import Houses
from influence.explorer.houses.words import provenance
from influence.explorer.parts import areas
from influence.explorer.parts.areas import inside
from influence.results import Result

FIRST = 17136  # the first of Palo Alto's eleven


@pytest.fixture(scope="module")
def shipped() -> Result:
    return results.read(homes.precomputed_home() / "california-housing" / "tracin", "shipped")


@pytest.fixture(scope="module")
def without_data(shipped: Result) -> Houses:
    return Houses(shipped, None)


@pytest.fixture
def with_data(shipped: Result, houses: Dataset) -> Houses:
    return Houses(shipped, houses)


def test_only_the_named_houses_ship_with_a_place(shipped: Result) -> None:
    assert sorted(shipped.targets.index[shipped.targets["price"].notna()]) == list(shipped.groups[-1].targets)
    shown = [shipped.of(target) for target in (-1, *shipped.groups[-1].targets)]
    top = {int(train) for frame in shown for train in frame.loc[frame["rank"].abs() <= 20, "train"]}
    order = shipped.train["self_influence"].sort_values().index
    expected = top | {int(house) for house in order[:100]} | {int(house) for house in order[-100:]}
    assert set(shipped.train.index[shipped.train["price"].notna()]) == expected


def test_without_the_data_set_every_shown_house_has_a_place(without_data: Houses) -> None:
    assert without_data.max_k == 20
    for target in (without_data.group.id, *without_data.members):
        pick = without_data.pick(target, 20)
        assert len(pick.table) == 40
        assert pick.table.notna().all(axis=None)
        assert "MedInc" not in pick.table
    for frame in without_data.extremes:
        assert len(frame) == 100
        assert frame[["latitude", "longitude", "price", "prediction"]].notna().all(axis=None)


def test_named_and_joined_columns_agree(without_data: Houses, with_data: Houses) -> None:
    for column in ("price", "prediction", "latitude", "longitude", "residual"):
        named = without_data.train[column].dropna()
        np.testing.assert_allclose(with_data.train.loc[named.index, column], named, rtol=1e-5, atol=1)


def test_a_pick_is_ordered_and_signed(with_data: Houses) -> None:
    pick = with_data.pick(FIRST, 50)
    assert list(pick.proponents["rank"]) == list(range(1, 51))
    assert list(pick.opponents["rank"]) == list(range(-1, -51, -1))
    assert (np.diff(pick.proponents["score"]) <= 0).all()
    assert (np.diff(pick.opponents["score"]) >= 0).all()
    assert pick.proponents["score"].iloc[0] > 0 > pick.opponents["score"].iloc[0]
    assert list(pick.table.columns[:4]) == ["target", "rank", "score", "train"]


def test_distance_is_the_great_circle_to_the_nearest_target(with_data: Houses) -> None:
    pick = with_data.pick(FIRST, 5)
    here, there = pick.houses.iloc[0], pick.proponents.iloc[0]
    a, b = (
        np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
        for lat, lon in (np.radians([row["latitude"], row["longitude"]]) for row in (here, there))
    )
    assert there["km"] == pytest.approx(6371 * np.arccos(a @ b), rel=1e-6)
    together = with_data.pick(with_data.group.id, 5)
    assert len(together.houses) == 11
    assert (together.proponents["km"] >= 0).all()


def test_a_groups_scores_are_the_sums_of_its_members(with_data: Houses) -> None:
    group = with_data.pick(with_data.group.id, 50).table.set_index("train")["score"]
    total = pd.Series(0.0, index=group.index)
    covered = pd.Series(0, index=group.index)
    for target in with_data.members:
        one = with_data.result.of(target).set_index("train")["score"]
        shared = group.index.intersection(one.index)
        total[shared] += one[shared]
        covered[shared] += 1
    everywhere = covered == 11  # kept for each of the eleven, so that the sum is whole
    assert everywhere.sum() >= 3
    np.testing.assert_allclose(total[everywhere], group[everywhere], rtol=1e-4)


def test_the_histogram_accounts_for_every_house(with_data: Houses) -> None:
    pick = with_data.pick(FIRST, 10)
    assert (np.diff(pick.body, axis=1) >= 0).all()
    edges, counts = score_bins(pick, 16512)
    assert counts.sum() == pytest.approx(16512)
    assert (counts >= 0).all()
    assert counts[0] >= 1  # the strongest opponent, and the strongest proponent
    assert counts[-1] >= 1

    assert edges[-1] == pytest.approx(pick.proponents["score"].iloc[0])
    assert edges[0] == pytest.approx(pick.opponents["score"].iloc[0])


def test_a_histogram_that_the_result_has_is_drawn_as_it_is(with_data: Houses) -> None:
    shipped = with_data.result
    assert shipped.histogram(FIRST) is None
    low, high, counts = np.float32(-2), np.float32(3), np.arange(64, dtype=np.uint32)
    columns = {"histogram_low": low, "histogram_high": high, "histogram": [counts] * len(shipped.targets)}
    houses = Houses(replace(shipped, targets=shipped.targets.assign(**columns)), None)
    assert "histogram" not in houses.test
    figure = charts.score_distribution(houses.pick(FIRST, 10), 16512)
    np.testing.assert_array_equal(figure.data[0].y, counts)
    np.testing.assert_allclose(figure.data[0].x[[0, -1]], [-2 + 5 / 128, 3 - 5 / 128])


def test_why_a_number_cannot_be_picked(with_data: Houses, without_data: Houses) -> None:
    (not_in_palo_alto,) = with_data.test.index[1:2]
    assert with_data.why_not(FIRST) is None
    assert with_data.why_not(not_in_palo_alto) is None
    assert "not on this machine" in str(without_data.why_not(not_in_palo_alto))
    assert f"house {with_data.train.index[0]} is a training house" in str(
        with_data.why_not(int(with_data.train.index[0]))
    )
    assert "there is no house 99999" in str(with_data.why_not(99999))


def test_a_result_of_other_data_is_refused(shipped: Result, houses: Dataset) -> None:
    other = replace(shipped, manifest=shipped.manifest.model_copy(update={"dataset_hash": "0" * 64}))
    with pytest.raises(InfluenceError, match="another version of california-housing"):
        Houses(other, houses)


def test_provenance_names_what_a_reader_needs(shipped: Result) -> None:
    line = provenance(shipped, "mine")
    for part in ("california-housing", "Adam", "10 checkpoints", "seed 0", shipped.manifest.created[:10], "“mine”"):
        assert part in line


def test_houses_of_one_spot_are_drawn_side_by_side(with_data: Houses) -> None:
    places = dots.placed(with_data.test)
    assert len(places) == 4128
    assert not places.duplicated(["longitude", "latitude"]).any()
    known = with_data.test.loc[places.index]
    alone = places["shared"] == 1
    np.testing.assert_array_equal(places.loc[alone, "longitude"], known.loc[alone, "longitude"])
    apart = np.hypot(*(places[axis] - known[axis] for axis in ("longitude", "latitude")))
    assert apart.max() < 0.003
    assert (places["shared"] > 1).sum() == known.duplicated(["longitude", "latitude"], keep=False).sum() > 500


def test_what_the_browser_fetches_names_every_house_once(with_data: Houses, without_data: Houses) -> None:
    seen = dots.Dots(with_data)
    test, train = json.loads(seen.test_file), json.loads(seen.train_file)
    assert len(set(test["id"])) == 4128
    assert len(set(train["id"])) == 16512
    row = test["id"].index(FIRST)
    house = with_data.test.loc[FIRST]
    assert [test[name][row] for name in ("price", "model", "error")] == list(
        house[["price", "prediction", "residual"]].astype(int)
    )
    assert "self_influence" not in test
    assert min(train["self_influence"]) >= 0
    bare = dots.Dots(without_data)
    assert sorted(json.loads(bare.test_file)["id"]) == sorted(without_data.members)


@pytest.mark.parametrize("by", ["error", "price", "self_influence"])
def test_every_colour_has_a_break_below_the_next(with_data: Houses, by: str) -> None:
    paint, legend = {
        "error": dots.by_error,
        "price": lambda: dots.by_price(5.0),
        "self_influence": lambda: dots.by_self_influence(with_data),
    }[by]()
    assert paint.column in json.loads(dots.Dots(with_data).train_file)
    assert list(paint.breaks) == sorted(set(paint.breaks))
    assert sorted(paint.order) == list(range(len(paint.inks))) == list(range(len(paint.breaks) + 1))
    assert legend.low
    assert legend.high


def test_towns_and_outlines_are_those_of_california() -> None:
    outlines = json.loads((Path(__file__).parents[2] / "static" / geography.OUTLINES).read_text())
    assert "public domain" in outlines["about"]
    counties = [each for each in outlines["features"] if each["properties"]["kind"] == "county"]
    assert len({each["properties"]["name"] for each in counties}) == len(counties) == 58
    rings = [ring for each in counties for polygon in each["geometry"]["coordinates"] for ring in polygon]
    towns = pd.DataFrame.from_dict(geography.TOWNS, orient="index", columns=["latitude", "longitude"])
    on_land = np.logical_xor.reduce([inside(ring, towns) for ring in rings])
    assert list(towns.index[~on_land]) == []


def test_a_box_around_places_holds_them_and_is_not_too_small() -> None:
    places = pd.DataFrame({"longitude": [-120.0, -119.0, np.nan], "latitude": [37.0, 37.5, np.nan]})
    assert geography.around([places.iloc[:1], places.iloc[1:]]) == (-120.0, 37.0, -119.0, 37.5)
    west, south, east, north = geography.around([places.iloc[:1]], least=0.2)
    assert (round(east - west, 6), round(north - south, 6)) == (0.2, 0.2)


def test_whereabouts_name_the_nearest_town(with_data: Houses) -> None:
    assert geography.whereabouts(with_data.test.loc[[FIRST]]) == "in Palo Alto"
    at = pd.DataFrame({"latitude": [38.27], "longitude": [-122.42]})  # 3.3 km south and 11.4 km west of Napa
    assert geography.whereabouts(at) == "12 km from Napa"


@pytest.mark.parametrize(
    "text", ["", "1", "1,2", "1,2,3", "nan,1,2,3", "1e999,1,2,3", "a,b,c,d", "1,2,3,999", "1,,2,3"]
)
def test_what_names_no_area(text: str) -> None:
    assert areas.parsed(text) is None


def test_an_area_survives_the_address() -> None:
    corners = [(-122.5, 37.25), (-122.0, 37.25), (-122.123, 38.0)]
    assert areas.parsed(areas.spelled(corners)) == corners
    assert areas.parsed("-122.5,37,-122,38") == [(-122.5, 37), (-122, 37), (-122, 38), (-122.5, 38)]


def test_figures_mark_what_is_shown(with_data: Houses) -> None:
    pick = with_data.pick(FIRST, 7)
    bars, proponents, opponents = charts.score_distribution(pick, 16512).data
    assert sum(bars.y) == pytest.approx(16512)
    assert len(proponents.x) == len(opponents.x) == 7
    (histogram,) = charts.self_influence_histogram(with_data).data
    assert sum(histogram.y) == 16512
    assert len(charts.self_influence_scatter(with_data, "price", "price").data[0].x) == 16512


def test_a_drawn_groups_sums_are_those_of_the_kept_scores(with_data: Houses) -> None:
    corners = [(-122.169, 37.401), (-122.101, 37.401), (-122.101, 37.459), (-122.169, 37.459)]
    pick = with_data.within(corners, 20)
    assert pick is not None
    assert sorted(pick.houses.index) == sorted(with_data.members)
    kept = with_data.result.influences
    kept = kept[kept["target"].isin(with_data.members)]
    by_hand = kept.groupby("train")["score"].agg(["sum", "size"])
    for side, sign in ((pick.proponents, 1), (pick.opponents, -1)):
        assert list(side["rank"]) == [sign * place for place in range(1, 21)]
        np.testing.assert_allclose(side["score"], by_hand.loc[side["train"], "sum"], rtol=1e-5)
        assert list(side["of"]) == list(by_hand.loc[side["train"], "size"])
    assert pick.proponents["score"].iloc[0] == pytest.approx(by_hand["sum"].max())
    assert pick.opponents["score"].iloc[0] == pytest.approx(by_hand["sum"].min())
    assert not pick.is_whole
    assert with_data.within([(0, 0), (1, 0), (1, 1)], 20) is None


def test_what_lies_inside_an_area() -> None:
    rng = np.random.default_rng(3)
    places = pd.DataFrame({"longitude": rng.uniform(-1, 1, 500), "latitude": rng.uniform(-1, 1, 500)})
    triangle = [(-0.8, -0.7), (0.9, -0.2), (0.1, 0.8)]
    x, y = places["longitude"].to_numpy(), places["latitude"].to_numpy()
    turns = [
        (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        for (x0, y0), (x1, y1) in zip(triangle, [*triangle[1:], triangle[0]], strict=True)
    ]
    np.testing.assert_array_equal(inside(triangle, places), np.min(turns, axis=0) > 0)
    bent = [(-1, -1), (1, -1), (1, 1), (0, -0.5), (-1, 1)]  # a notch from the top
    notched = inside(bent, pd.DataFrame({"longitude": [0.0, 0.0, 0.9, np.nan], "latitude": [0.0, -0.8, 0.0, 0.0]}))
    assert list(notched) == [False, True, True, False]


def test_the_reach_of_a_training_house_is_who_keeps_it(with_data: Houses) -> None:
    train = int(with_data.pick(FIRST, 1).proponents["train"].iloc[0])
    reach = with_data.reach(train, 10_000)
    kept = with_data.result.influences
    kept = kept[(kept["train"] == train) & (kept["target"] >= 0)]
    assert len(reach.helped) == (kept["score"] > 0).sum()
    assert len(reach.hurt) == (kept["score"] < 0).sum()
    assert FIRST in set(reach.helped["target"])
    assert (np.diff(reach.helped["score"]) <= 0).all()
    assert (np.diff(reach.hurt["score"]) >= 0).all()
    assert len(reach.table) == len(kept)
    nobody = next(house for house in with_data.train.index if house not in set(with_data.result.influences["train"]))
    assert with_data.reach(int(nobody), 5).table.empty


def test_prices_that_the_source_cut_off_say_so(with_data: Houses) -> None:
    cap = with_data.facts.task.cap
    assert words.price(500_001, cap) == "over $500k"
    assert words.price(500_000, cap) == "$500,000"
    assert words.price(float("nan"), cap) == "unknown"
    assert (with_data.train["price"].max(), cap) == (500_001, 5.0)


def test_a_comparison_says_where_houses_stand(with_data: Houses) -> None:
    comparison = with_data.comparison
    assert comparison is not None
    everything = pd.concat([with_data.test.drop(with_data.group.id), with_data.train])
    house = with_data.test.loc[FIRST]
    rows = dict(comparison.rows([house]))
    (age,) = rows["Age"]
    assert age.said == f"{house['HouseAge']:.0f} years"
    ages = everything["HouseAge"]
    lower, same = (ages < house["HouseAge"]).mean(), (ages == house["HouseAge"]).mean()
    assert age.share == pytest.approx(lower + same / 2)


def test_scores_are_written_with_their_sign() -> None:
    assert [words.signed(score) for score in (2.604, -1.9, 123.4, -250_000.0)] == [
        "+2.60",
        "−1.90",
        "+123",
        "−2.50e+05",
    ]
