"""A server that serves the app, a page that remembers what went wrong, and how to point at a map."""

import math
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Locator, Page, Request, TimeoutError

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


def start_server(results: Path, **environment: str) -> Server:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
        cwd=ROOT,
        env={**os.environ, "INFLUENCE_RESULTS_DIR": str(results), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
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
        self.page.goto(url)
        self.page.get_by_text("How far to trust this").wait_for(timeout=60_000)
        settled(self.page)
        return self.page

    def cut_off(self, server: Server) -> None:
        """From now on the network ends at the server."""
        self.page.route(lambda url: not url.startswith((server.url, "data:", "blob:")), lambda route: route.abort())

    def check_asked_for_nothing(self, wait: int = 1000) -> None:
        """Whatever a page would fetch has had its milliseconds, and nothing was asked of the network."""
        self.page.wait_for_timeout(wait)
        assert self.outside == []
        assert self.complaints == []

    def picture(self, name: str, wait: int = 1500) -> None:
        """Keep a screenshot of the whole open page, once it is drawn; nothing may stick out."""
        page, main = self.page, self.page.get_by_test_id("stMain")
        page.wait_for_timeout(wait)
        height = main.evaluate("element => element.scrollHeight")
        width = page.viewport_size["width"]  # type: ignore[index]
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(1000)
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


def settled(page: Page) -> None:
    """Wait until the script has run and nothing is stale."""
    page.wait_for_function(
        "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
        " && !document.querySelector('[data-stale=true]')"
    )


def heading(page: Page, text: str) -> Locator:
    return page.get_by_role("heading", name=text, exact=True)


def pick_on_map(
    page: Page, chart: Locator, longitude: float, latitude: float, view: tuple[float, float, float], then: Locator
) -> None:
    """Click a place on a map until ``then`` is there: while software-rendered WebGL warms up, clicks go unheard.

    ``view`` is the map's (longitude, latitude, zoom); the place follows by the Web Mercator projection.
    """

    def project(longitude: float, latitude: float) -> tuple[float, float]:
        scale = 512 * 2 ** view[2]
        y = math.log(math.tan(math.pi / 4 + math.radians(latitude) / 2))
        return scale * (longitude + 180) / 360, scale * (math.pi - y) / (2 * math.pi)

    x, y = project(longitude, latitude)
    centre_x, centre_y = project(view[0], view[1])
    for _ in range(5):
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2 + x - centre_x, box["y"] + box["height"] / 2 + y - centre_y)
        with suppress(TimeoutError):
            then.wait_for(timeout=6_000)
            return
    raise AssertionError("no click on the map was heard")
