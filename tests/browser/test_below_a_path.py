"""Below a path, as where it shares an address with other sites: links stay there; strange numbers are refused."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.driving import Server, Visit, start_server

PATH = "explorer/of/influence"
ODD = {  # parameters that are numbers
    "images": ("image", "train", "k"),
    "houses": ("house", "train", "ring"),
    "outliers": ("example", "sheet"),
    "quality": ("removed", "find"),
    "compare": ("target", "k", "example"),
}


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(tmp_path_factory.mktemp("results"), base=PATH)
    yield server
    server.kill()


@pytest.mark.parametrize("name", ODD)
def test_strange_numbers_are_refused_in_words(name: str, below: Server, visit: Visit) -> None:
    odd = ("1e999", "inf", "-1&{0}=1e3")
    said = "&".join(f"{key}={odd[place].format(key)}" for place, key in enumerate(ODD[name]))
    page = visit.open(f"{below.url}/{name}?{said}")
    for key in ODD[name]:
        expect(page.get_by_text(f"The link asks for {key}=")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)


def assert_links_stay(page: Page, below: Server) -> None:
    """Every link to this machine leads below the path."""
    links = page.locator("a[href]").evaluate_all("links => links.map(link => link.href)")
    own = [url for url in links if url.startswith(below.url.removesuffix(PATH))]
    assert own
    assert [url for url in own if not f"{url}/".startswith((f"{below.url}/", f"{below.url}?"))] == []


def test_pages_are_found_below_the_path(below: Server, visit: Visit) -> None:
    page = visit.open(below.url)
    assert_links_stay(page, below)
    page.get_by_test_id("stSidebar").get_by_role("link", name="Quality").click()
    page.wait_for_url(f"{below.url}/quality*")
    expect(page.get_by_role("heading", name="Quality", exact=True)).to_be_visible()
