"""What this machine has for the explorer, what is missing, and what each missing thing would bring."""

import os
import shutil
import subprocess
from pathlib import Path

from influence import datasets, homes, results
from influence.datasets import sheets
from influence.errors import InfluenceError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def report() -> list[str]:
    """Look at this machine and return lines, ready to print: those of data sets first.

    Nothing is downloaded, data sets are not verified, and torch is not imported: it takes a second or two.
    """
    found = {name: _data_set(name) for name in datasets.NAMES}
    found |= {f"{name} pictures": _pictures(name) for name in datasets.NAMES if _may_need_pictures(name)}
    found |= {
        "Shipped results": _results(homes.precomputed_home(), "*/*/", "a clone of the project's repository has them"),
        "Your results": _results(homes.results_home(), "*/", "runs from the sidebar and the command line go there"),
        "GPU": _gpu(),
        "Threads": _threads(),
        "Disk": _disk(),
        "Chromium": _chromium(),
    }
    width = max(map(len, found))
    return [f"{name:<{width}}  {what}" for name, what in found.items()]


def _data_set(name: str) -> str:
    if datasets.is_present(name):
        return "here"
    brings = datasets.facts(name).brings
    return f"missing from {homes.data_home()}: `python -m influence data {name}` brings it; {brings}"


def _may_need_pictures(name: str) -> bool:
    """Whether its pictures ship, or would help since its files are not here."""
    return datasets.facts(name).noun == "image" and (sheets.path_of(name).exists() or not datasets.is_present(name))


def _pictures(name: str) -> str:
    try:
        sheet = sheets.read(name)
    except InfluenceError as error:
        return str(error)
    if sheet is None:
        return "missing: a clone of the project's repository has some, for where the data set is not here"
    return f"{len(sheet.images):,} ship, for where the data set is not here"


def _results(home: Path, folders: str, otherwise: str) -> str:
    manifests = sorted(home.glob(f"{folders}manifest.json"))
    damaged = []
    for manifest in manifests:
        try:
            results.read_manifest(manifest.parent)
        except InfluenceError:
            damaged.append(str(manifest.parent))
    if not manifests:
        return f"none in {home}: {otherwise}"
    if damaged:
        return f"{len(manifests)} in {home}; `python -m influence check` says what is wrong with {', '.join(damaged)}"
    return f"{len(manifests)} in {home}"


def _gpu() -> str:
    """The driver's answer; whether torch can use the GPU depends on the build that is installed."""
    program = shutil.which("nvidia-smi")
    names = ""
    if program is not None:
        query = [program, "--query-gpu=name", "--format=csv,noheader"]
        try:
            ended = subprocess.run(query, capture_output=True, text=True, timeout=10)
            names = ", ".join(ended.stdout.splitlines()) if ended.returncode == 0 else ""
        except (OSError, subprocess.TimeoutExpired):
            pass
    return names or "no NVIDIA GPU was found, and none is needed: one makes training on CIFAR-10 faster"


def _threads() -> str:
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS")
    return f"{processors} processors" + (f", and OMP_NUM_THREADS is {limit}" if limit else "")


def _disk() -> str:
    home = homes.results_home().absolute()
    place = next(folder for folder in (home, *home.parents) if folder.is_dir())
    return f"{shutil.disk_usage(place).free / 1e9:.1f} GB free in {place}"


def _chromium() -> str:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    return path or "missing: only tests of the pages in a browser need it, and they are skipped"
