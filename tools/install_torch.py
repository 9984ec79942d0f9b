"""Install torch without CUDA where there is no NVIDIA GPU, before the other requirements: that spares several GB.

The Makefile runs it in a new environment, so it uses the standard library alone. It installs the versions that
requirements.txt pins, from the index of PyTorch's CPU wheels that TORCH_INDEX names, and does nothing where TORCH is
"cuda", on other systems than Linux (whose wheels have no CUDA) or where there is an NVIDIA GPU. If the index can't be
reached, it says so and leaves torch to the other requirements.
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"


def main() -> None:
    """Install torch and torchvision for processors alone, or say why not."""
    pins = dict(re.findall(r"^(torch(?:vision)?)==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE))
    if sys.platform != "linux" or os.environ.get("TORCH") == "cuda" or shutil.which("nvidia-smi"):
        return
    if all(_installed(name) == version for name, version in pins.items()):
        return
    index = os.environ.get("TORCH_INDEX")
    if not index:
        print(
            "No NVIDIA GPU was found. TORCH_INDEX=ADDRESS spares the several GB of CUDA, if it names the index of "
            "PyTorch's CPU wheels: https://pytorch.org/get-started shows it under Linux, Pip, CPU."
        )
        return
    wanted = [f"{name}=={version}" for name, version in pins.items()]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Their dependencies come with the other requirements.
    ended = subprocess.run([*pip, "--no-deps", "--retries", "0", "--timeout", "5", "--index-url", index, *wanted])
    if ended.returncode:
        print(f"{' and '.join(wanted)} could not be had from {index}: going on with torch from the default index.")


def _installed(name: str) -> str | None:
    """Return the version of a distribution without its build, such as 2.13.0 of 2.13.0+cpu."""
    try:
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
