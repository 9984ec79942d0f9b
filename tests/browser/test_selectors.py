"""Every selector of every page through every switch: what the browser shows is what the address says, Back included.

The app is served below a path, as where it shares a machine's address with others.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Page, expect

from tests.browser.driving import Server, Visit, settled, start_server

PATH = "explorer/of/influence"
SWITCHES = ("Data set", "Method", "Result")  # the later belong to the earlier

# For each page an address on which much is chosen, all of which another choice can make impossible.
STARTS = {
    "images": "?data=digits&method=tracin&show=all&class=8&sort=highest+loss+first&image=21&k=40",
    "houses": "?show=Price&zoom=Palo+Alto&house=17136&k=15",
    "outliers": "?data=digits&list=memorised&label=4&agree=says+the+label&sheet=2&example=1611",
    "quality": "?data=digits&method=datamodels&result=shipped&removed=8",
    "compare": "?on=digits&first=digits/tracin&second=digits/datamodels-lasso&third=neighbours&target=21&k=40",
}
ODD = {  # parameters that are numbers
    "images": ("image", "train", "k", "page"),
    "houses": ("house", "train", "ring"),
    "outliers": ("example", "sheet"),
    "quality": ("removed", "find"),
    "compare": ("target", "k", "example"),
}

# All that is said on the page, in what is in the shadow of components too, and what its selectors show.
_SHOWN = """() => {
    const said = [];
    const visit = node => {
        if (node.nodeType === Node.TEXT_NODE && node.data.trim()) said.push(node.data.trim());
        if (node.nodeType !== Node.ELEMENT_NODE && node.nodeType !== Node.DOCUMENT_FRAGMENT_NODE) return;
        if (['STYLE', 'SCRIPT', 'CANVAS', 'TITLE'].includes(node.nodeName)) return;
        const of = name => node.getAttribute?.(name);
        if (node.nodeName === 'INPUT') said.push(`[${of('aria-label')} ${node.value} ${node.checked}]`);
        const states = ['aria-checked', 'aria-selected', 'aria-pressed', 'aria-current', 'aria-valuenow'];
        const chosen = states.map(of).filter(Boolean);
        if (chosen.length) said.push(`[${chosen}]`);
        if (node.shadowRoot) visit(node.shadowRoot);
        node.childNodes.forEach(visit);
    };
    for (const part of ['.st-key-choices', '[data-testid=stMain]']) visit(document.querySelector(part));
    return said;
}"""


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(tmp_path_factory.mktemp("results"), base=PATH)
    yield server
    server.kill()


@dataclass
class Addresses:
    """A second page, and what it showed when it was opened at an address."""

    page: Page
    shown: dict[str, list[str]] = field(default_factory=dict)


def check(page: Page, addresses: Addresses, after: str) -> None:
    """The page shows what it shows to a reader who opens its address."""
    settled(page)
    url = page.url
    if url not in addresses.shown:
        Visit(addresses.page).open(url)
    for _ in range(200):  # selectors come some time after the script has run, on a busy machine
        shown = page.evaluate(_SHOWN)
        expected = addresses.shown.get(url) or addresses.page.evaluate(_SHOWN)
        if shown == expected:
            addresses.shown[url] = shown
            return
        page.wait_for_timeout(100)
    differences = [each for each in zip(shown, expected, strict=False) if each[0] != each[1]]
    raise AssertionError(f"after {after}, {page.url}: (shown, address) {differences[:6]}")


def options(page: Page, label: str) -> list[str]:
    """What a selector of the sidebar offers beside what it shows; none where there is no choice."""
    group = page.locator(".st-key-choices").get_by_role("radiogroup", name=label, exact=True)
    if group.count():
        return group.get_by_role("radio", checked=False).all_inner_texts()
    box = page.locator(".st-key-choices").get_by_role("combobox", name=label, exact=False)
    if not box.count():
        return []
    box.click()
    found = page.get_by_role("option").filter(has_not=page.locator("[aria-selected=true]")).all_inner_texts()
    page.keyboard.press("Escape")
    return [each for each in found if each != box.input_value()]


def choose(page: Page, label: str, option: str) -> None:
    group = page.locator(".st-key-choices").get_by_role("radiogroup", name=label, exact=True)
    if group.count():
        group.get_by_role("radio", name=option, exact=True).click()
    else:
        page.locator(".st-key-choices").get_by_role("combobox", name=label).click()
        page.get_by_role("option", name=option, exact=True).click()


def walk(page: Page, addresses: Addresses, labels: tuple[str, ...]) -> int:
    """Through every option of the selectors and back again; how many switches that were."""
    if not labels:
        return 0
    switches = 0
    for option in options(page, labels[0]):
        before = page.url
        choose(page, labels[0], option)
        page.wait_for_url(lambda url, before=before: url != before)
        check(page, addresses, f"{labels[0]} became {option}")
        switches += 1 + walk(page, addresses, labels[1:])
        page.go_back()
        page.wait_for_url(before)
        check(page, addresses, f"Back from {labels[0]} {option}")
    return switches + walk(page, addresses, labels[1:])


@pytest.mark.parametrize("name", STARTS)
def test_selectors_show_what_the_address_says(name: str, below: Server, visit: Visit) -> None:
    page = visit.open(f"{below.url}/{name}{STARTS[name]}")
    expect(page.get_by_test_id("stAlert").filter(has_text="The link asks")).to_have_count(0)
    assert_links_stay(page, below)
    other = page.context.new_page()
    other.set_viewport_size(page.viewport_size)  # type: ignore[arg-type]
    labels = ("Data set", "First", "Second") if name == "compare" else SWITCHES
    switches = walk(page, Addresses(other), labels)
    other.close()
    assert switches or name == "houses"


@pytest.mark.parametrize("name", STARTS)
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
