"""What a manifest says of when, how long and with which versions something was made."""

import importlib.metadata
import platform
from datetime import UTC, datetime


def circumstances(seconds: float) -> dict[str, object]:
    """What a manifest says of when, how long and with which versions."""
    names = ("torch", "numpy", "scikit-learn", "pandas", "pyarrow")
    versions = {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "versions": versions,
    }
