"""The map of images as people use it: a click, a group drawn around, pairs of memorised images, in every look."""

import pytest
from playwright.sync_api import Locator, Page, expect

from influence import evidence, homes, results
from influence.explorer.images.places import Places
from influence.explorer.images.sums import TEST, Sums
from tests.browser.driving import Server, Visit, in_every_look, map_point, settled, still

MAP = "images?data=digits&method=datamodels&view=map"


@pytest.fixture(scope="module")
def places() -> Places:
    shipped = results.read(homes.precomputed_home() / "digits" / "datamodels", "shipped")
    layout = evidence.read(shipped).layout
    assert layout is not None
    return Places(shipped, layout, None, Sums(shipped))


def opened(server: Server, visit: Visit, link: str) -> Page:
    visit.page.goto(f"{server.url}/{link}")
    visit.page.locator(".map canvas, .tiles [role=option]").first.wait_for(timeout=60_000)
    settled(visit.page)
    return visit.page


def answered(page: Page) -> Locator:
    """What is picked, above the answer."""
    return page.locator(".st-key-images-map-answer strong").first


def options(page: Page, name: str) -> Locator:
    return page.get_by_role("listbox", name=name, exact=True).get_by_role("option")


def loneliest(places: Places) -> int:
    """The test image that is farthest from all others, so that a click means it."""
    at = places.test[["longitude", "latitude"]].to_numpy()
    apart = ((at[:, None] - at) ** 2).sum(axis=2)
    apart[range(len(at)), range(len(at))] = 1e9
    return int(places.test.index[apart.min(axis=1).argmax()])


@in_every_look
def test_a_click_answers_and_back_takes_it_away(
    server: Server, visit: Visit, places: Places, request: pytest.FixtureRequest
) -> None:
    page = opened(server, visit, MAP)
    target = loneliest(places)
    place = places.at(TEST, target)
    assert place is not None
    page.mouse.click(*map_point(page, place))
    expect(answered(page)).to_have_text(f"Test image {target}", timeout=15_000)
    expect(options(page, "Helped")).to_have_count(8)
    assert f"image={target}" in page.url
    visit.picture(f"map-{request.node.callspec.id}")
    options(page, "Hurt").first.click()
    expect(page.get_by_role("radio", name="Training images")).to_be_checked(timeout=15_000)
    page.go_back()
    expect(answered(page)).to_have_text(f"Test image {target}", timeout=15_000)
    page.go_back()
    expect(page.get_by_text("Click a test image")).to_be_visible(timeout=15_000)
    settled(page)
    page.get_by_role("radio", name="Mistakes").click()
    expect(page.get_by_text("another class")).to_be_visible(timeout=15_000)


def test_a_group_is_drawn_around(server: Server, visit: Visit, places: Places) -> None:
    page = opened(server, visit, MAP)
    page.get_by_role("button", name="Draw around a group").click()
    corners = [map_point(page, each) for each in ((-5.0, -5.0), (0.0, -5.0), (0.0, 5.0), (-5.0, 5.0), (-5.0, -4.5))]
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=6)
    page.mouse.up()
    expect(page.get_by_text("test images, the model is wrong on")).to_be_visible(timeout=15_000)
    expect(options(page, "Helped")).to_have_count(8)
    link = page.url
    page.reload()
    expect(page.get_by_text("test images, the model is wrong on")).to_be_visible(timeout=30_000)
    assert page.url == link


def test_a_memorised_pair_opens_its_test_image(server: Server, visit: Visit) -> None:
    page = opened(server, visit, MAP.replace("view=map", "view=memorised"))
    pairs = options(page, "Pairs of a memorised training image and a test image that it helps")
    expect(pairs).to_have_count(24)
    said = page.get_by_text("memorised training images and")
    before = said.inner_text()
    page.get_by_role("slider").first.focus()
    page.keyboard.press("ArrowRight")
    expect(said).not_to_have_text(before, timeout=15_000)
    still(page)
    assert "memory=" in page.url
    visit.picture("memorised")
    pairs.first.click()
    expect(page.locator(".st-key-answer").get_by_text("Test image", exact=False).first).to_be_visible(timeout=15_000)
    assert "view=" not in page.url
