"""The first page shows an image, a house and a number from what ships, and leads on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from influence import datasets, evidence, library
from influence.explorer.home import records
from influence.explorer.home.small_map import small_map
from influence.explorer.houses.geography import OUTLINES
from influence.explorer.parts import theme
from influence.serve import script
from tests.explorer.pages import grid, texts

APP = Path(__file__).parents[2] / "app.py"


def home() -> AppTest:
    return AppTest.from_file(str(APP), default_timeout=60).run()


def links(app: AppTest) -> dict[str, str]:
    return {element.proto.label.strip("*"): element.proto.query_string for element in app.get("page_link")}


def test_it_shows_an_image_a_house_and_a_number() -> None:
    app = home()
    assert not app.exception
    assert app.title[0].value == "Which training data made the model say that?"
    helped, hurt = grid(app, "Helped")["items"], grid(app, "Hurt")["items"]
    assert 1 <= len(helped) <= 5
    assert all(item["score"] > 0 for item in helped)
    assert all(item["score"] < 0 for item in hurt)
    assert "too much" in texts(app) or "too little" in texts(app)
    assert "How far can I trust this?" in texts(app)


def test_its_doors_name_what_they_open() -> None:
    found = links(home())
    assert "show=mistakes" in found["Start with the mistakes"]
    assert found["See the evidence"] == "of=cifar10%2Fdatamodels"
    assert "house=" in found["Open this house"]
    assert "image=" in found["Open this image"]


def test_the_number_is_what_the_evidence_says() -> None:
    entry = library.every()[0]["cifar10/datamodels"]
    removal = evidence.read(library.read(entry)).removal
    assert removal is not None
    share = records.share(removal)
    effects = removal.tables["effects"]
    without = effects[(effects["choice"] == "helpful") & (effects["count"] == effects["count"].max())]
    assert share is not None
    assert (share.changed, share.of) == (int((without["flipped"] > 0.5).sum()), len(without))
    assert f"{share.changed} of {share.of}" in texts(home())


def test_houses_have_no_classes_to_change() -> None:
    entry = library.every()[0]["california-housing/tracin"]
    removal = evidence.read(library.read(entry)).removal
    assert removal is not None
    assert records.share(removal) is None


def test_without_any_result_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("influence.library.homes.precomputed_home", lambda: tmp_path)
    app = home()
    assert not app.exception
    assert "python -m influence tracin digits" in app.info[0].value
    assert "How far can I trust this?" in texts(app)


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Pictures that other tests have seen are forgotten, and that there are none, too."""
    st.cache_resource.clear()
    st.cache_data.clear()
    yield
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.mark.usefixtures("forgetful")
def test_without_pixels_the_classes_stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("influence.datasets.is_present", lambda name: False)
    monkeypatch.setattr("influence.datasets.is_present", lambda name: False)
    monkeypatch.setattr("influence.datasets.sheets.path_of", lambda name: tmp_path / "none")
    app = home()
    assert not app.exception
    for item in grid(app, "Helped")["items"]:
        assert item["pictures"] == [None]
        assert item["stand_in"]


def test_the_small_map_shows_every_named_house(houses: datasets.Dataset) -> None:
    result = library.read(library.every()[0]["california-housing/tracin"])
    test, train = (
        records.places(part, houses, name) for part, name in ((result.targets, "test"), (result.train, "train"))
    )
    story = records.house_story(result, test, train)
    assert story is not None
    drawn = small_map(story, test, train, theme.LIGHT, script().parent / "static" / OUTLINES)
    assert drawn.count("%3Cline") == len(story.helped) + len(story.hurt)
    assert drawn.count("%3Ccircle") == len(story.helped) + len(story.hurt) + 2


def test_the_theme_of_the_config_is_that_of_the_parts() -> None:
    import tomllib

    config = tomllib.loads((APP.parent / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    for name, colours in (("light", theme.LIGHT), ("dark", theme.DARK)):
        known = config[name]
        assert known["textColor"] == known["primaryColor"] == colours.ink
        assert (known["blueColor"], known["blueTextColor"]) == (colours.helped_bar, colours.helped)
        assert (known["orangeColor"], known["orangeTextColor"]) == (colours.hurt_bar, colours.hurt)
        assert known["grayTextColor"] == colours.muted
        assert known["backgroundColor"] == colours.page
        assert known["sidebar"]["backgroundColor"] == colours.side
        assert len(known["chartDivergingColors"]) == len(known["chartSequentialColors"]) == 10
        assert _contrast(colours.muted, colours.page) >= 4.5
        assert _contrast(colours.helped, colours.page) >= 4.5
        assert _contrast(colours.hurt, colours.page) >= 4.5


def _contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_mistakes_are_those_of_the_lowest_margins_that_have_pictures() -> None:
    result = library.read(library.every()[0]["digits/datamodels"])
    targets = result.targets
    wrong = targets[targets["label"] != targets["prediction"]].sort_values("margin", kind="stable").index
    found = records.mistakes(result, lambda part, index: index != wrong[0], 3)
    assert found == list(wrong[1:4])
