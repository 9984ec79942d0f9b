"""Take pictures of the explorer's pages, at two sizes and in both themes, from the results that ship.

    python -m tools.screenshots                      # every page
    python -m tools.screenshots images quality       # some
    python -m tools.screenshots "images?data=digits&image=21" --out test-output/digits
    python -m tools.screenshots home --wide-only --light-only

It starts a server of its own, with an empty folder of results, and ends it.
"""

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
PAGES = (
    "home",
    "images",
    "images?view=confusion",
    "images?view=map",
    "images?view=memorised",
    "houses",
    "outliers",
    "quality",
    "compare",
)
SIZES = {"wide": (1440, 900), "phone": (390, 844)}
_STILL = """() => {
    const app = document.querySelector('[data-testid=stApp]');
    const main = document.querySelector('[data-testid=stMain]');
    if (!main || app?.dataset.testScriptState !== 'notRunning' || document.querySelector('[data-stale=true]'))
        return false;
    const parts = [...main.querySelectorAll('[data-testid], canvas, svg, img')];
    const boxes = parts.map(part => part.getBoundingClientRect());
    const now = JSON.stringify(boxes);
    const isThere = document.fonts.status === 'loaded' && [...document.images].every(image => image.complete);
    if (!isThere || now !== window.before) [window.before, window.since] = [now, Date.now()];
    return Date.now() - window.since > 700;
}"""


@contextmanager
def server(results: Path) -> Iterator[str]:
    """Serve the app, and yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
        cwd=ROOT,
        env={**os.environ, "INFLUENCE_RESULTS_DIR": str(results)},
        stdout=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def shoot(page: Page, url: str, path: Path, whole: bool) -> float:
    """Open an address, wait until nothing moves, keep what is in the window; return the seconds until it was still."""
    began = time.monotonic()
    page.goto(url)
    page.wait_for_selector("[data-testid=stMain] h1", timeout=60_000)
    page.wait_for_function(_STILL, polling=100, timeout=120_000)
    took = time.monotonic() - began
    if whole:
        width = page.viewport_size["width"]  # type: ignore[index]
        height = page.get_by_test_id("stMain").evaluate("main => main.scrollHeight")
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(_STILL, polling=100, timeout=60_000)
    page.screenshot(path=path)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("links", nargs="*", default=PAGES, help="a page's name, with a query where one is wanted")
    parser.add_argument("--out", type=Path, default=ROOT / "test-output" / "screenshots")
    parser.add_argument("--whole", action="store_true", help="the whole page, and not what is above the fold")
    parser.add_argument("--wide-only", action="store_true")
    parser.add_argument("--light-only", action="store_true")
    parser.add_argument("--dark-only", action="store_true")
    asked = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    sizes = {"wide": SIZES["wide"]} if asked.wide_only else SIZES
    schemes = ("light",) if asked.light_only else ("dark",) if asked.dark_only else ("light", "dark")
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as results, server(Path(results)) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme in schemes:
            for size, (width, height) in sizes.items():
                context = browser.new_context(
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,  # type: ignore[arg-type]
                    device_scale_factor=1 if size == "wide" else 2,
                )
                for link in asked.links:
                    name, _, query = link.partition("?")
                    page = context.new_page()
                    file = asked.out / f"{re.sub(r'[^A-Za-z0-9-]+', '-', link)}-{size}-{scheme}.png"
                    where = f"{url}/{'' if name == 'home' else name}{'?' + query if query else ''}"
                    took = shoot(page, where, file, asked.whole)
                    print(f"{file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file}  {took:.1f} s")
                    page.close()
                context.close()
        browser.close()


if __name__ == "__main__":
    main()
