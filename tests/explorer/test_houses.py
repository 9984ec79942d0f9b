"""What the houses page shows, without Streamlit."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from influence import homes, results
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.explorer.houses import charts, words
from influence.explorer.houses.areas import inside
from influence.explorer.houses.picks import score_bins
from influence.explorer.houses.records import Houses
from influence.explorer.houses.words import provenance
from influence.explorer.parts import maps
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


def test_why_a_number_cannot_be_picked(with_data: Houses, without_data: Houses) -> None:
    (not_in_palo_alto,) = with_data.test.index[1:2]
    assert with_data.why_not(FIRST) is None
    assert with_data.why_not(not_in_palo_alto) is None
    assert "not on this machine" in str(without_data.why_not(not_in_palo_alto))
    assert with_data.why_not(int(with_data.train.index[0])) == (
        f"house {with_data.train.index[0]} is a training house, and only test houses are explained."
    )
    assert "there is no house 99999" in str(with_data.why_not(99999))


def test_a_result_of_other_data_is_refused(shipped: Result, houses: Dataset) -> None:
    other = replace(shipped, manifest=shipped.manifest.model_copy(update={"dataset_hash": "0" * 64}))
    with pytest.raises(InfluenceError, match="another version of california-housing"):
        Houses(other, houses)


def test_provenance_names_what_a_reader_needs(shipped: Result) -> None:
    line = provenance(shipped)
    for part in ("california-housing", "Adam", "10 checkpoints", "seed 0", shipped.manifest.created[:10]):
        assert part in line


def test_maps_hold_plain_numbers(without_data: Houses) -> None:
    # A NumPy scalar would reach the browser as the text "np.float32(14.0)", and its disc would not be drawn.
    pick = without_data.pick(FIRST, 5)
    style = maps.Style(dark=False, static_url="/app/static")
    view = maps.view_around(pick.proponents)
    for deck in (
        maps.influence_map(style, pick.proponents, pick.opponents, pick.houses, view),
        maps.picking_map(style, without_data.test.loc[without_data.members], [FIRST], view),
        maps.extremes_map(style, without_data.extremes[0], maps.BLUE, without_data.extremes[0].iloc[:1], view),
    ):
        assert "np.float" not in deck.to_json()
        assert deck.map_provider is None
        assert "http" not in json.dumps(json.loads(deck.to_json())["layers"])


def test_houses_of_one_place_can_be_told_apart_on_the_map(without_data: Houses) -> None:
    eleven = without_data.test.loc[without_data.members]
    assert eleven.duplicated(["latitude", "longitude"]).any()
    deck = maps.picking_map(maps.Style(False, ""), eleven, [], maps.VIEWS["Palo Alto"])
    (layer,) = (layer for layer in json.loads(deck.to_json())["layers"] if layer["id"] == maps.PICKABLE)
    places = [tuple(feature["geometry"]["coordinates"]) for feature in layer["data"]["features"]]
    assert len(set(places)) == 11


def test_a_click_names_a_house_or_nothing() -> None:
    click = {"selection": {"objects": {maps.PICKABLE: [{"properties": {"house": 7}}]}}}
    assert maps.clicked(click) == 7
    assert maps.clicked({"selection": {"objects": {}}}) is None


def test_a_fitted_view_shows_every_house() -> None:
    rng = np.random.default_rng(0)
    for spread in (0.001, 0.1, 8.0):
        houses = pd.DataFrame(
            {
                "latitude": 37 + spread * rng.uniform(-0.5, 0.5, 9),
                "longitude": -120 + spread * rng.uniform(-0.5, 0.5, 9),
            }
        )
        view = maps.view_around(houses, pixels=440)
        scale = 512 * 2**view.zoom
        x = scale * (houses["longitude"] - view.longitude) / 360
        mercator = np.log(np.tan(np.pi / 4 + np.radians(houses["latitude"]) / 2))
        centre = np.log(np.tan(np.pi / 4 + np.radians(view.latitude) / 2))
        y = scale * (mercator - centre) / (2 * np.pi)
        assert x.abs().max() < 240
        assert y.abs().max() < 240


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
