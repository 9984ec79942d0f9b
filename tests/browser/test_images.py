"""The images page as people use it: by link, mouse, keyboard, in the dark, on a phone, without a network."""

import io
import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect

from influence import Dataset, Split, datasets, homes, results
from influence.datamodels.outcomes import OutcomeConfig
from influence.datasets import cifar10
from influence.explorer.images.filters import MISTAKES, Filters
from influence.explorer.images.records import Images
from influence.learners.convnet import ConvNet
from influence.learners.mlp import Mlp
from influence.methods.datamodels import DatamodelsConfig
from tests.browser.driving import Server, Visit, in_every_look, inspected, open_form, settled, start_server, still
from tests.explorer.made import random_result

STORY = 1628  # the shipped result's best explained mistake, shown first
DIGITS = "images?data=digits"
QUICK_DIGITS = OutcomeConfig(dataset="digits", learner=Mlp(width=4, epochs=1))


def tiles(page: Page, label: str) -> Locator:
    return page.get_by_role("listbox", name=label, exact=True).get_by_role("option")


def gallery(page: Page) -> Locator:
    return tiles(page, "Gallery of test images")


def ids(cells: Locator) -> list[int]:
    found: list[int] = cells.evaluate_all("cells => cells.map(cell => Number(cell.dataset.id))")
    return found


def pixels(cells: Locator) -> dict[int, np.ndarray]:
    """Every picture, by the index that its tile names: (height, width) from 0 to 255, one value for each of its own."""
    found: dict[int, np.ndarray] = {}
    for index, height, width, data in cells.evaluate_all(
        """cells => cells.map(cell => {
            const canvas = cell.querySelector('canvas');
            const {data, width, height} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            return [Number(cell.dataset.id), height, width, Array.from(data)];
        })"""
    ):
        found[index] = np.array(data, dtype=np.uint8).reshape(height, width, 4)[:, :, 0]
    return found


def resized(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture averaged over side x side squares."""
    rows, columns = (np.arange(size) * side // size for size in picture.shape)
    sums = np.zeros((side, side))
    counts = np.zeros((side, side))
    np.add.at(sums, (rows[:, None], columns[None]), picture.astype(float))
    np.add.at(counts, (rows[:, None], columns[None]), 1.0)
    averaged: np.ndarray = sums / counts
    return averaged


def opened(visit: Visit, url: str) -> Page:
    page = visit.open(url)
    gallery(page).first.wait_for()
    return page


def wait_for_address(page: Page, /, **choices: int | str) -> None:
    """Wait until the address names digits and these choices, in any order, and nothing else."""
    expected = {"data": "digits"} | {key: str(value) for key, value in choices.items()}
    page.wait_for_url(lambda url: urlsplit(url).path == "/images" and dict(parse_qsl(urlsplit(url).query)) == expected)


def choose(page: Page, label: str, option: str) -> None:
    labelled = re.compile(rf"^{re.escape(option)}( \([\d,]+\))?$")  # filters say how many each option leaves
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=labelled).click()
    expect(page.get_by_role("combobox", name=label)).to_have_value(labelled)
    settled(page)


def test_a_deep_link_opens_on_a_fresh_server(fresh_server: Server, visit: Visit) -> None:
    page = opened(visit, f"{fresh_server.url}/{DIGITS}&image=21&k=3&remove=5&mistakes=true")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(inspected(page, "Test image 21")).to_be_visible()
    expect(tiles(page, "Helped")).to_have_count(3)
    expect(gallery(page)).to_have_count(9)
    expect(page.get_by_text("5 that helped", exact=True)).to_be_visible()


def test_a_click_shows_what_helped_and_hurt(server: Server, visit: Visit) -> None:
    page = opened(visit, f"{server.url}/{DIGITS}")
    expect(inspected(page, f"Test image {STORY}")).to_be_visible()
    shown = results.read(homes.precomputed_home() / "digits" / "datamodels")
    spent = []
    for place in range(1, 6):
        cell = gallery(page).nth(place)
        target = int(cell.get_attribute("data-id") or -1)
        strongest = shown.of(target).set_index("rank").loc[range(1, 6), "train"].tolist()
        cell.scroll_into_view_if_needed()
        started = time.perf_counter()
        cell.click()
        expect(inspected(page, f"Test image {target}")).to_be_visible()
        expect(tiles(page, "Helped").first).to_have_attribute("data-id", str(strongest[0]))
        spent.append(time.perf_counter() - started)
        settled(page)
        assert ids(tiles(page, "Helped")) == strongest
        expect(cell).to_have_attribute("aria-selected", "true")
        wait_for_address(page, image=target)
    print(f"a click shows its answer after {statistics.median(spent):.2f} s (median of {len(spent)})")


def test_target_verdict_and_both_rows_are_above_the_fold(server: Server, visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 1440, "height": 900})
    page = opened(visit, f"{server.url}/{DIGITS}")
    still(page)
    image = page.get_by_role("img", name=re.compile("^Test image"))
    box = image.bounding_box()
    assert box is not None
    assert box["width"] >= 220
    for part in (image, tiles(page, "Helped").last, tiles(page, "Hurt").last):
        bounds = part.bounding_box()
        assert bounds is not None
        assert bounds["y"] >= 0
        assert bounds["y"] + bounds["height"] <= 900
    width = tiles(page, "Helped").first.bounding_box()
    assert width is not None
    assert 96 <= width["width"] <= 125


def test_the_target_stays_while_the_gallery_scrolls(server: Server, visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 1440, "height": 500})
    page = opened(visit, f"{server.url}/{DIGITS}&show=all&size=small")
    still(page)
    image = page.get_by_role("img", name=re.compile("^Test image"))
    page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 200)")
    still(page)
    after = image.bounding_box()
    assert after is not None
    assert after["y"] >= 0


def test_keys_move_through_the_gallery_and_enter_picks(server: Server, visit: Visit) -> None:
    page = opened(visit, f"{server.url}/{DIGITS}&show=all")
    cells = gallery(page)
    targets = ids(cells)
    columns = page.get_by_role("listbox", name="Gallery of test images").evaluate(
        "grid => getComputedStyle(grid).gridTemplateColumns.split(' ').length"
    )
    assert cells.evaluate_all("cells => cells.filter(cell => cell.tabIndex === 0).length") == 1
    cells.first.focus()
    for key, place in (
        ("ArrowRight", 1),
        ("ArrowDown", 1 + columns),
        ("ArrowLeft", columns),
        ("ArrowUp", 0),
        ("ArrowLeft", 0),
        ("End", len(targets) - 1),
        ("Home", 0),
        ("ArrowRight", 1),
    ):
        page.keyboard.press(key)
        expect(cells.nth(place)).to_be_focused()
    assert "image=" not in page.url  # the focus alone picks nothing
    page.keyboard.press("Enter")
    expect(inspected(page, f"Test image {targets[1]}")).to_be_visible()
    settled(page)
    expect(cells.nth(1)).to_be_focused()  # so one can go on
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(inspected(page, f"Test image {targets[2]}")).to_be_visible()


def test_walking_there_and_back(server: Server, visit: Visit) -> None:
    page = opened(visit, f"{server.url}/{DIGITS}&image=21")
    first = tiles(page, "Helped").first
    train = int(first.get_attribute("data-id") or -1)
    first.click()
    expect(inspected(page, f"Training image {train}")).to_be_visible()
    wait_for_address(page, image=21, train=train)
    settled(page)
    helped = tiles(page, "Helped").nth(1)
    target = int(helped.get_attribute("data-id") or -1)
    helped.click()
    expect(inspected(page, f"Test image {target}")).to_be_visible()
    wait_for_address(page, image=target)
    still(page)
    page.go_back()  # one step, though it changed two parts of the address
    expect(inspected(page, f"Training image {train}")).to_be_visible()
    wait_for_address(page, image=21, train=train)
    still(page)
    page.go_back()
    expect(inspected(page, "Test image 21")).to_be_visible()
    still(page)
    page.go_forward()
    expect(inspected(page, f"Training image {train}")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Back to test image 21").click()
    expect(inspected(page, "Test image 21")).to_be_visible()


def test_pictures_belong_to_their_indices(server: Server, visit: Visit) -> None:
    digits = datasets.load("digits")
    ink = {
        int(index): image
        for part in (digits.test, digits.train)
        for index, image in zip(part.index, part.inputs, strict=True)
    }

    def check(cells: Locator, first: int) -> None:
        """Once the tiles begin with the image that they should, each picture is the most like that of its index."""
        expect(cells.first).to_have_attribute("data-id", str(first))
        settled(page)
        shown = pixels(cells)
        expected = [-np.asarray(ink[index], float).ravel() for index in shown]
        for place, (index, picture) in enumerate(shown.items()):
            likeness = [np.corrcoef(resized(picture, 8).ravel(), each)[0, 1] for each in expected]
            assert likeness[place] == max(likeness) > 0.9, index

    page = opened(visit, f"{server.url}/{DIGITS}&show=all")
    everything = Images(results.read(homes.precomputed_home() / "digits" / "datamodels"), digits)
    check(gallery(page), everything.gallery(Filters())[0])
    choose(page, "Class", "8")
    check(gallery(page), everything.gallery(Filters(label="8"))[0])
    choose(page, "Sort by", "Lowest margin")
    check(gallery(page), everything.gallery(Filters(label="8"), "lowest margin first")[0])
    page.get_by_role("radio", name=re.compile("^Mistakes")).click()
    order = everything.gallery(Filters(MISTAKES, "8"), "best explained first")
    expect(gallery(page)).to_have_count(len(order))
    check(gallery(page), order[0])
    gallery(page).first.click()
    pick = everything.pick(order[0], 5)
    check(tiles(page, "Helped"), pick.positive["train"][0])
    check(tiles(page, "Hurt"), pick.negative["train"][0])
    tiles(page, "Hurt").first.click()
    reach = everything.reach(int(pick.negative["train"][0]), 5)
    check(tiles(page, "Hurt"), reach.hurt["target"][0])


def test_filters_say_what_they_leave_and_back_undoes_them(server: Server, visit: Visit) -> None:
    page = opened(visit, f"{server.url}/{DIGITS}&show=all&page=3")
    page.get_by_role("combobox", name="Class").click()
    options = page.get_by_role("option").filter(has_text=re.compile(r"^\d \(\d+\)$"))
    expect(options).to_have_count(10)
    counts = [int(text.split("(")[1].rstrip(")")) for text in options.all_inner_texts()]
    assert sum(counts) == 360
    page.keyboard.press("Escape")
    choose(page, "Class", "8")
    expect(page.get_by_text(f"1 to 25 of {counts[8]}")).to_be_visible()
    wait_for_address(page, show="all", **{"class": 8})  # on the first page again
    settled(page)
    page.get_by_role("button", name="More").click()
    choose(page, "The model says", "3")
    wait_for_address(page, show="all", predicted=3, **{"class": 8})
    still(page)
    page.go_back()
    expect(page.get_by_text(f"1 to 25 of {counts[8]}")).to_be_visible()
    still(page)
    page.go_back()
    expect(page.get_by_text("51 to 75 of 360")).to_be_visible()
    expect(page.get_by_role("combobox", name="Class")).to_have_value(re.compile("^Any class"))
    wait_for_address(page, show="all", page=3)


def test_pages_numbers_and_random(server: Server, visit: Visit) -> None:
    page = opened(visit, f"{server.url}/{DIGITS}&show=all")
    before = ids(gallery(page))
    page.get_by_role("button", name="Next page").click()
    expect(gallery(page).first).not_to_have_attribute("data-id", str(before[0]))
    wait_for_address(page, show="all", page=2)
    settled(page)
    number = page.get_by_role("spinbutton", name="Number of a test image", exact=True)
    number.fill("1796")
    number.press("Enter")
    wrong = page.get_by_text("Image 1796 is a training image")
    expect(wrong.or_(inspected(page, "Test image 1796"))).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Random", exact=True).click()
    expect(wrong.or_(inspected(page, "Test image 1796"))).to_have_count(0)


def test_a_cell_of_the_matrix_shows_its_culprits_by_keyboard(server: Server, visit: Visit) -> None:
    visit.open(f"{server.url}/{DIGITS}")
    page = visit.page
    page.get_by_role("radio", name="Confusion matrix").click()
    cells = tiles(page, "Confusion matrix")
    expect(cells).to_have_count(100)
    settled(page)
    cells.nth(48).focus()
    page.keyboard.press("ArrowDown")
    expect(cells.nth(58)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    wait_for_address(page, view="confusion", predicted=8, **{"class": 4})
    expect(page.get_by_text("that the models call “8”")).to_be_visible()
    expect(tiles(page, "Culprits")).to_have_count(10)
    expect(cells.nth(48)).to_be_focused()
    still(page)
    tiles(page, "Some images of this cell").first.click()
    expect(page.get_by_text("The models say 8.")).to_be_visible()
    still(page)
    page.go_back()
    expect(tiles(page, "Culprits")).to_have_count(10)


def test_three_clicks_from_home_to_what_is_wrong_and_why(server: Server, visit: Visit) -> None:
    page = visit.open(server.url)
    page.get_by_role("link", name=re.compile("^Images")).first.click()
    page.get_by_role("radio", name="Confusion matrix").click()
    expect(tiles(page, "Culprits").first).to_be_visible()


def test_what_is_shown_can_be_downloaded(server: Server, visit: Visit) -> None:
    page = opened(visit, f"{server.url}/{DIGITS}&show=all&class=3&k=4")
    for name, rows in (("CSV", {8}), (re.compile(r"Download these \d+ as CSV"), {36, 37})):
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        frame = pd.read_csv(io.BytesIO(Path(download.value.path()).read_bytes()))
        assert len(frame) in rows


def test_bars_of_the_histogram_show_their_images(server: Server, visit: Visit) -> None:
    page = opened(visit, f"{server.url}/{DIGITS}")
    bars = page.get_by_role("listbox", name=re.compile("Histogram of the scores")).get_by_role("option")
    bars.last.hover()
    expect(bars.last.locator(".said")).to_be_visible()
    settled(page)
    bars.last.click()
    shown = tiles(page, "Training images of this bar")
    expect(shown.first).to_be_visible()
    strongest = int(tiles(page, "Helped").first.get_attribute("data-id") or -1)
    assert strongest in ids(shown)
    settled(page)
    expect(bars.last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Home")
    expect(bars.first).to_be_focused()
    page.keyboard.press("Enter")
    weakest = tiles(page, "Hurt").first.get_attribute("data-id") or ""
    expect(tiles(page, "Training images of this bar").last).to_have_attribute("data-id", weakest)
    settled(page)
    gallery(page).nth(2).click()  # the bar belonged to the image that was picked
    expect(page.get_by_text("Click a coloured bar to see its images")).to_be_visible()
    expect(shown).to_have_count(0)


def test_the_slider_moves_by_keyboard(server: Server, visit: Visit) -> None:
    page = opened(visit, f"{server.url}/{DIGITS}")
    page.get_by_role("slider", name="Training images left out").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("21 that helped", exact=True)).to_be_visible()
    wait_for_address(page, remove=21)


def test_the_other_method_is_a_click_away(server: Server, visit: Visit) -> None:
    page = opened(visit, f"{server.url}/{DIGITS}&image=21")
    page.get_by_role("radio", name="TracIn").click()
    expect(page.get_by_text("no parts of the margin")).to_be_visible()
    wait_for_address(page, image=21, method="tracin")
    settled(page)
    shown = results.read(homes.precomputed_home() / "digits" / "tracin")
    strongest = shown.of(21).set_index("rank").loc[range(1, 6), "train"].tolist()
    assert ids(tiles(page, "Helped")) == strongest
    tiles(page, "Helped").first.click()
    expect(page.get_by_text("from the highest")).to_be_visible()  # its self-influence
    wait_for_address(page, image=21, method="tracin", train=strongest[0])
    still(page)
    page.go_back()
    expect(inspected(page, "Test image 21")).to_be_visible()
    settled(page)
    page.get_by_role("radio", name="Datamodels").click()
    expect(page.get_by_text("models get it right")).to_be_visible()
    wait_for_address(page, image=21, method="datamodels")


# --- runs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def quick_digits(tmp_path: Path) -> Iterator[Server]:
    """A server with a result on the digits, by a learner that trains a hundred models in a second."""
    config = DatamodelsConfig(
        outcomes=QUICK_DIGITS,
        models=1000,
        held_out=40,
        estimator="difference-in-means",
        ceiling=False,
        k=5,
        reverse_k=3,
    )
    random_result(tmp_path / "results" / "mine", config, datasets.load("digits"))
    server = start_server(tmp_path / "results")
    yield server
    server.kill()


def start_run(page: Page, **values: int) -> None:
    open_form(page)
    for label, value in values.items():
        box = page.get_by_role("spinbutton", name=label.replace("_", " "), exact=True)
        box.fill(str(value))
        box.press("Tab")
        settled(page)
    page.get_by_role("button", name="Start run").click()


@pytest.mark.timeout(900)  # several processes, one after another
def test_a_cancelled_run_keeps_its_models_and_goes_on_from_them(quick_digits: Server, visit: Visit) -> None:
    page = opened(visit, f"{quick_digits.url}/{DIGITS}&result=mine")
    start_run(page, Models=20000, Held_out=50)
    progress = page.get_by_test_id("stProgress")
    expect(progress).to_contain_text(re.compile(r"training: [\d,]+ of 20,050 models"), timeout=180_000)
    page.get_by_role("button", name="Cancel run").click()
    expect(page.get_by_text("was cancelled. The models that were trained are kept.")).to_be_visible(timeout=30_000)
    assert {path.name for path in quick_digits.results.iterdir()} == {".outcomes", "mine"}
    page.get_by_role("button", name="Dismiss").click()
    settled(page)
    start_run(page, Models=60, Held_out=50)
    page.get_by_role("button", name="Show it").first.click(timeout=300_000)
    expect(page.get_by_text("60 models of mlp")).to_be_visible()
    page.wait_for_url(re.compile("result=difference"))


# --- what is missing ------------------------------------------------------------------------------------------------


@pytest.fixture
def no_pixels(tmp_path: Path) -> Iterator[Server]:
    """A server with a result on CIFAR-10, of which nothing was downloaded."""
    rng = np.random.default_rng(0)
    train, test = (
        Split(np.arange(n, dtype=np.int32), rng.integers(256, size=(n, 32, 32, 3), dtype=np.uint8), np.arange(n) % 10)
        for n in (300, 200)
    )
    config = DatamodelsConfig(outcomes=OutcomeConfig(dataset="cifar10", learner=ConvNet()), k=5, reverse_k=3)
    random_result(tmp_path / "results" / "mine", config, Dataset(cifar10.FACTS, train, test))
    nowhere = "http://127.0.0.1:9"  # so that no real download begins where there is a network
    server = start_server(
        tmp_path / "results", INFLUENCE_DATA_DIR=str(tmp_path / "data"), https_proxy=nowhere, http_proxy=nowhere
    )
    yield server
    server.kill()


def test_without_its_pixels_cifar10_is_offered_for_download(no_pixels: Server, visit: Visit, tmp_path: Path) -> None:
    page = opened(visit, f"{no_pixels.url}/images?data=cifar10&result=mine&show=all")
    expect(page.get_by_text("CIFAR-10 is not on this machine")).to_be_visible()
    expect(gallery(page).first).to_contain_text("airplane")  # by class
    page.get_by_role("button", name="Download CIFAR-10").click()
    failed = page.get_by_test_id("stAlert").filter(has_text="connect to the internet and try again")
    expect(failed.first).to_be_visible(timeout=180_000)
    assert not (tmp_path / "data").exists() or list((tmp_path / "data").iterdir()) == []
    page.get_by_role("button", name="Dismiss").click()
    settled(page)
    page.get_by_role("radio", name="Digits").click()
    expect(inspected(page, f"Test image {STORY}")).to_be_visible()
    wait_for_address(page)


@in_every_look
def test_screenshots(server: Server, visit: Visit, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id
    for part, link in (
        ("pick", ""),
        ("walk", "&train=1611"),
        ("tracin", "&method=tracin"),
        ("cell", "&view=confusion"),
    ):
        visit.open(f"{server.url}/{DIGITS}{link}")
        visit.picture(f"images-{part}-{name}")
