"""Where outcomes are kept unless somebody asks for another place."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from influence import homes
from influence.datamodels.outcomes.config import OutcomeConfig
from influence.datamodels.outcomes.reading import read_config


def default_store(config: OutcomeConfig) -> str:
    """Where the outcomes of a config are kept unless something else is asked for: every config has its own place.

    Where the project ships outcomes of this very config, the place starts as a copy of them.
    """
    place = homes.results_home() / ".outcomes" / f"{config.dataset}-{config.digest[:16]}"
    shipped = homes.precomputed_home() / config.dataset / "outcomes"
    if not place.exists() and shipped.exists() and read_config(str(shipped)).digest == config.digest:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as aside:
            copy = shutil.copytree(shipped, Path(aside) / "store")
            with suppress(OSError):  # another process was quicker
                copy.rename(place)
    return str(place)
