"""California housing (Pace and Barry 1997), through scikit-learn: 20,640 block groups of the 1990 census.

Inputs are the eight raw features; labels are median house values in units of $100,000. Examples are named by
scikit-learn's row number.
"""

import hashlib
from pathlib import Path

import numpy as np

from influence import homes
from influence.datasets.base import Dataset, Split, missing
from influence.errors import InfluenceError
from influence.progress import Report, silent

NAME = "california-housing"
FEATURE_NAMES = ("MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude")
LATITUDE, LONGITUDE = 6, 7

# Palo Alto as in Pruthi et al. (2020): with this split, exactly eleven test houses lie strictly inside the box.
PALO_ALTO_LONGITUDE = (-122.17, -122.10)
PALO_ALTO_LATITUDE = (37.40, 37.46)

_SPLIT_SEED = 0
_SHA256 = (
    "f8ce03213e1c375e51c57d02cb41558c30b643325347f1cc0b26ce713ce3a0b7"  # of features and labels, float64, row by row
)


def home() -> Path:
    return homes.data_home() / "scikit_learn"


def is_present() -> bool:
    return (home() / "cal_housing_py3.pkz").exists()


def load() -> Dataset:
    """Read, verify and split the data set: 16,512 training and 4,128 test houses.

    Raises
    ------
    InfluenceError
        If it is not on this machine, can't be read, or is not the official one.
    """
    if not is_present():
        raise missing(NAME)
    return _split(*_read(download=False))


def fetch(report: Report = silent) -> None:
    """Download through scikit-learn unless present (0.4 MB), then verify the content."""
    report(0.0, "downloading" if not is_present() else "verifying")
    try:
        _read(download=True)
    except OSError as error:  # URLError is one
        raise InfluenceError(
            f"{NAME} could not be downloaded ({error}): connect to the internet and try again, or copy "
            f"scikit-learn's cal_housing_py3.pkz into {home()}."
        ) from error


def is_palo_alto(split: Split) -> np.ndarray:
    """(n,) bool: which houses lie strictly inside the Palo Alto box."""
    latitude, longitude = split.inputs[:, LATITUDE], split.inputs[:, LONGITUDE]
    return (
        (longitude > PALO_ALTO_LONGITUDE[0])
        & (longitude < PALO_ALTO_LONGITUDE[1])
        & (latitude > PALO_ALTO_LATITUDE[0])
        & (latitude < PALO_ALTO_LATITUDE[1])
    )


def _read(download: bool) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import fetch_california_housing

    damaged = f"{home() / 'cal_housing_py3.pkz'} is damaged: delete it and run `python -m influence data {NAME}`."
    try:
        bunch = fetch_california_housing(data_home=str(home()), download_if_missing=download)
    except OSError:
        raise
    except Exception as error:  # zlib, pickle and joblib each have their own
        raise InfluenceError(damaged) from error
    inputs = np.ascontiguousarray(bunch.data, dtype=np.float64)
    labels = np.ascontiguousarray(bunch.target, dtype=np.float64)
    if hashlib.sha256(inputs.tobytes() + labels.tobytes()).hexdigest() != _SHA256:
        raise InfluenceError(damaged)
    return inputs, labels


def _split(inputs: np.ndarray, labels: np.ndarray) -> Dataset:
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(inputs), dtype=np.int32)
    train, test = (np.sort(part) for part in train_test_split(rows, test_size=0.2, random_state=_SPLIT_SEED))
    return Dataset(
        name=NAME,
        train=Split(train, inputs[train], labels[train]),
        test=Split(test, inputs[test], labels[test]),
        feature_names=FEATURE_NAMES,
    )
