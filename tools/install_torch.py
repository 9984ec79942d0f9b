"""Install torch without CUDA where there is no NVIDIA GPU, before the other requirements: that spares several GB.

The Makefile runs it in a new environment, so it uses the standard library alone. It installs the versions that
requirements.txt pins, and does nothing where TORCH is "cuda", on other systems than Linux (whose wheels have no CUDA)
or where there is an NVIDIA GPU. The wheels come from PyTorch's own index of CPU wheels, whose address uv knows, or from
the index that TORCH_INDEX names. If it can't be reached, this says so and leaves torch to the other requirements.
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"
PIP = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def main() -> None:
    """Install torch and torchvision for processors alone, or say why not."""
    pins = dict(re.findall(r"^(torch(?:vision)?)==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE))
    if sys.platform != "linux" or os.environ.get("TORCH") == "cuda" or shutil.which("nvidia-smi"):
        return
    if all(_installed(name) == version for name, version in pins.items()):
        return
    wanted = [f"{name}=={version}" for name, version in pins.items()]
    # Without their dependencies, which come with the other requirements.
    if index := os.environ.get("TORCH_INDEX"):
        fault = _run(*PIP, "--no-deps", "--retries", "0", "--timeout", "5", "--index-url", index, *wanted)
    else:
        fault = _run(*PIP, "uv") or _run(
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable),
            *("--no-deps", "--torch-backend", "cpu", *wanted),
        )
    if fault:
        where = index or "PyTorch's index of CPU wheels"
        print(f"{' and '.join(wanted)} could not be had from {where} ({fault}): going on with the default index.")


def _run(*command: str) -> str:
    """Run a command, and return the last thing that it said if it failed; nothing if it did not."""
    quickly = {"UV_HTTP_CONNECT_TIMEOUT": "5", "UV_HTTP_TIMEOUT": "30", "UV_HTTP_RETRIES": "0"}
    ended = subprocess.run(command, env=os.environ | quickly, stderr=subprocess.PIPE, text=True)
    if ended.returncode == 0:
        return ""
    said = ended.stderr.split("\n")
    return next((line.strip() for line in reversed(said) if line.strip()), f"exit status {ended.returncode}")


def _installed(name: str) -> str | None:
    """Return the version of a distribution without its build, such as 2.13.0 of 2.13.0+cpu."""
    try:
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
