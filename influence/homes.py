"""The folders in which data sets, results and finished trainings are kept."""

import os
from pathlib import Path


def data_home() -> Path:
    """The folder of the data sets: ``$INFLUENCE_DATA_DIR``, or ``data/`` in the current folder."""
    return Path(os.environ.get("INFLUENCE_DATA_DIR", "data"))


def precomputed_home() -> Path:
    """The results that ship with the project."""
    return Path(__file__).parent.parent / "precomputed"


def results_home() -> Path:
    """The user's own results: ``$INFLUENCE_RESULTS_DIR``, or ``results/`` in the current folder."""
    return Path(os.environ.get("INFLUENCE_RESULTS_DIR", "results"))


def trainings_home() -> Path:
    """The stores of finished trainings, unless another folder is asked for."""
    return results_home() / ".trainings"
