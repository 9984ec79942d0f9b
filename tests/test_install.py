"""Which torch ``make app`` installs: tried on a local index with stand-ins for the wheels."""

import functools
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pip
import pytest

ROOT = Path(__file__).parents[1]
PINS = dict(re.findall(r"^(torch(?:vision)?)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only wheels for Linux bring CUDA")


def stand_in(folder: Path, name: str, version: str, files: dict[str, str] | None = None) -> None:
    """Write a wheel that has a name, a version and perhaps some files."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
        for path, text in (files or {}).items():
            wheel.writestr(path, text)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an index that has wheels for processors."""
    home = tmp_path_factory.mktemp("index")
    for name, version in PINS.items():
        stand_in(home / name, name, f"{version}+cpu")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(home))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has nothing but pip, which is this environment's: unpacking one takes ten seconds."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, symlinks=True)
    (packages,) = home.glob("lib/python*/site-packages")
    for folder in Path(pip.__file__).parents[1].glob("pip*"):
        if folder.name == "pip" or folder.name.startswith("pip-"):
            shutil.copytree(folder, packages / folder.name)
    return home


@pytest.fixture
def python(environment: Path, tmp_path: Path) -> Path:
    """The Python of a copy of it; pip replaces files and writes into none, so links will do."""
    shutil.copytree(environment, tmp_path / "environment", symlinks=True, copy_function=os.link)
    return tmp_path / "environment" / "bin" / "python"


def run(python: Path, *arguments: str | Path, path: str = "/usr/bin:/bin", **environment: str) -> str:
    kept = {name: os.environ[name] for name in ("HOME", "TMPDIR") if name in os.environ}
    ended = subprocess.run(
        [python, *arguments],
        env=kept | {"PATH": path, "PIP_CONFIG_FILE": os.devnull} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def install(python: Path, **environment: str) -> str:
    no_gpu = str(python.parent)  # a folder without nvidia-smi
    return run(python, ROOT / "tools" / "install_torch.py", **{"path": no_gpu} | environment)


def installed(python: Path) -> dict[str, str]:
    code = "import importlib.metadata as m; [print(d.name, d.version) for d in m.distributions()]"
    found = dict(line.split() for line in run(python, "-c", code).splitlines())
    return {name: found[name] for name in PINS if name in found}


def test_wheels_for_processors_come_first_and_the_requirements_keep_them(python, index, tmp_path):
    install(python, TORCH_INDEX=index)
    assert set(PINS) == {"torch", "torchvision"}
    cpu = {name: f"{version}+cpu" for name, version in PINS.items()}
    assert installed(python) == cpu
    for name, version in PINS.items():
        stand_in(tmp_path / "registry", name, version)
    pins = [f"{name}=={version}" for name, version in PINS.items()]
    run(python, "-m", "pip", "install", "--no-index", "--find-links", tmp_path / "registry", *pins)
    assert installed(python) == cpu
    assert install(python) == ""  # what is there already is not asked for again


def test_an_index_that_is_not_reached_holds_nothing_up(python):
    with socket.socket() as closed:  # bound, and nobody listens
        closed.bind(("127.0.0.1", 0))
        started = time.monotonic()
        said = install(python, TORCH_INDEX=f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert time.monotonic() - started < 60
    assert "going on" in said
    assert installed(python) == {}


def test_whoever_wants_cuda_gets_it(python, index):
    assert install(python, TORCH_INDEX=index, TORCH="cuda") == ""
    assert installed(python) == {}


def test_where_there_is_a_gpu_torch_comes_with_cuda(python, index, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert install(python, TORCH_INDEX=index, path=str(tmp_path)) == ""
    assert installed(python) == {}


def test_by_default_uv_takes_them_from_the_index_of_pytorch(python, tmp_path):
    program = "import json, os, sys, pathlib\npathlib.Path(os.environ['NOTE']).write_text(json.dumps(sys.argv[1:]))\n"
    stand_in(tmp_path / "registry", "uv", "1.0", {"uv/__init__.py": "", "uv/__main__.py": program})
    registry = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "registry")}
    install(python, NOTE=str(tmp_path / "note"), **registry)
    given = json.loads((tmp_path / "note").read_text())
    assert given[given.index("--torch-backend") + 1] == "cpu"
    assert set(given) >= {f"{name}=={version}" for name, version in PINS.items()}


def test_without_uv_and_an_index_it_goes_on(python):
    assert "going on" in install(python, PIP_NO_INDEX="1")
    assert installed(python) == {}
