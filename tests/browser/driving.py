"""A server that serves the app, a page that remembers what went wrong, and how to point at a map."""

import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Locator, Page, Request, TimeoutError, expect

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "test-output"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# Streamlit asks for two files below every page's address, finds them at the root, and leaves two lines on the console.
KNOWN_404 = ("/_stcore/health", "/_stcore/host-config")

in_every_look = pytest.mark.parametrize(
    "visit",
    [
        pytest.param({"color_scheme": "light"}, id="light"),
        pytest.param({"color_scheme": "dark"}, id="dark"),
        pytest.param({"viewport": {"width": 390, "height": 844}}, id="narrow"),
    ],
    indirect=True,
)


@dataclass
class Server:
    """The app, served from the checkout."""

    url: str
    process: subprocess.Popen[bytes]
    results: Path

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def start_server(results: Path, base: str = "", **environment: str) -> Server:
    """Serve the app below the path ``base``, and wait until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), "--server.baseUrlPath", base],
        cwd=ROOT,
        env={**os.environ, "INFLUENCE_RESULTS_DIR": str(results), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/{base}".rstrip("/")
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1)
            return Server(url, process, results)
        except OSError:
            time.sleep(0.1)
    process.kill()
    raise RuntimeError("the server did not start")


@dataclass
class Visit:
    """A page with a record of what went wrong on it."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def open(self, url: str) -> Page:
        """Open an address, and wait until all of the page is there."""
        self.page.goto(url)
        self.page.get_by_test_id("stMain").get_by_test_id("stMarkdown").first.wait_for(timeout=60_000)
        still(self.page)  # what is pressed while the page moves is lost
        return self.page

    def picture(self, name: str) -> None:
        """Keep a screenshot of the whole open page, once it is drawn; nothing may stick out."""
        page, main = self.page, self.page.get_by_test_id("stMain")
        still(page)
        height = main.evaluate("element => element.scrollHeight")
        width = page.viewport_size["width"]  # type: ignore[index]
        page.set_viewport_size({"width": width, "height": height})
        still(page)
        SHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SHOTS / f"{name}.png")
        assert main.evaluate("element => element.scrollWidth <= element.clientWidth")
        page.set_viewport_size({"width": width, "height": 844})

    def on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.location["url"].endswith(KNOWN_404):
            self.complaints.append(f"{message.text} ({message.location['url']})")

    def on_request(self, request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")):
            self.outside.append(request.url)


def open_form(page: Page) -> None:
    """Open the sidebar's form that starts runs, if it is not open."""
    field = page.get_by_text("Method to run")
    if not field.is_visible():
        page.get_by_test_id("stSidebar").get_by_text("Recompute", exact=True).click()
        field.wait_for()
    settled(page)


def settled(page: Page) -> None:
    """Wait until the script has run and nothing is stale."""
    page.wait_for_function(
        "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
        " && !document.querySelector('[data-stale=true]')"
    )


def still(page: Page) -> None:
    """Wait until the page is settled, its pictures are there, and neither it nor the address has moved for a moment."""
    settled(page)
    page.wait_for_function(
        """() => {
            const main = document.querySelector('[data-testid=stMain]');
            const parts = [...main.querySelectorAll('[data-testid], canvas, svg, img')];
            const boxes = parts.map(part => part.getBoundingClientRect());
            const places = JSON.stringify([location.href, history.length, boxes]);
            const isThere = document.fonts.status === 'loaded' && [...document.images].every(image => image.complete);
            if (!isThere || places !== window.places) [window.places, window.stillSince] = [places, Date.now()];
            return Date.now() - window.stillSince > 500;
        }""",
        polling=100,
    )


def heading(page: Page, text: str) -> Locator:
    return page.get_by_role("heading", name=text, exact=True)


def inspected(page: Page, text: str) -> Locator:
    """What says which image the images page shows: ``inspected(page, "Test image 21")``."""
    return page.locator(".st-key-answer").get_by_text(text, exact=True)


def map_point(page: Page, place: tuple[float, float]) -> tuple[float, float]:
    """Where a (longitude, latitude) is on the screen, once the map is drawn: by the Web Mercator projection."""
    still(page)
    chart = page.locator(".map")
    chart.scroll_into_view_if_needed()
    expect(chart).to_have_attribute("data-view", re.compile(r"[0-9a-f]{8}"))  # all that it was given is painted
    *centre, scale, _ = json.loads(chart.get_attribute("data-view") or "")

    def project(longitude: float, latitude: float) -> tuple[float, float]:
        y = math.log(math.tan(math.pi / 4 + math.radians(latitude) / 2))
        return scale * (longitude + 180) / 360, scale * (math.pi - y) / (2 * math.pi)

    (x, y), (centre_x, centre_y) = project(*place), project(*centre)
    box = chart.locator("canvas").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2 + x - centre_x, box["y"] + box["height"] / 2 + y - centre_y


def pick_cell(page: Page, row: int, column: int, then: Callable[..., object]) -> None:
    """Click into the first table until ``then`` has come: its canvas tells nobody when it begins to listen."""
    table, place = page.get_by_test_id("stDataFrame").first, {"x": column, "y": 35 * (row + 1) + 17}
    for _ in range(3):
        still(page)
        table.hover(position=place)  # as a hand does, the pointer arrives before it presses
        table.click(position=place)
        with suppress(TimeoutError):
            then(timeout=15_000)
            return
    raise AssertionError("no click into the table was heard")
