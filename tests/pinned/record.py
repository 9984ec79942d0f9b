"""Write the pinned values anew: ``python -m tests.pinned.record NAME``, after a change that is meant to change them."""

import importlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

HOME = Path(__file__).parent


def pinned(name: str) -> Any:
    return json.loads((HOME / f"{name}.json").read_text())


def record(name: str) -> None:
    """Write what the test module of this name observes."""
    observed = importlib.import_module(f"tests.pinned.test_{name}").observe()
    (HOME / f"{name}.json").write_text(json.dumps(observed, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ["INFLUENCE_RESULTS_DIR"] = home
        for name in sys.argv[1:]:
            record(name)
