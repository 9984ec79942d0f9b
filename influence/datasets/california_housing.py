"""California housing (Pace and Barry 1997): 20,640 block groups of the 1990 census.

Inputs are the eight raw features; labels are median house values in units of $100,000. Examples are named by
scikit-learn's row number. A checkout has the values of scikit-learn's `fetch_california_housing` as one Parquet file;
where that is absent, scikit-learn downloads its own.
"""

import hashlib
from pathlib import Path

import numpy as np

from influence import homes
from influence.datasets import splits
from influence.datasets.base import Dataset, Split, missing
from influence.datasets.facts import Facts, Group, Regression
from influence.errors import InfluenceError, explain_write_errors
from influence.progress import Report, silent

NAME = "california-housing"
_LABEL = "MedHouseVal"
_COLUMNS = ("MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude")

# Palo Alto as in Pruthi et al. (2020): with this split, exactly eleven test houses lie strictly inside the box.
PALO_ALTO_LONGITUDE = (-122.17, -122.10)
PALO_ALTO_LATITUDE = (37.40, 37.46)


def is_palo_alto(split: Split) -> np.ndarray:
    """(n,) bool: which houses lie strictly inside the Palo Alto box."""
    latitude, longitude = (split.inputs[:, FACTS.column(role)] for role in ("latitude", "longitude"))
    return (
        (longitude > PALO_ALTO_LONGITUDE[0])
        & (longitude < PALO_ALTO_LONGITUDE[1])
        & (latitude > PALO_ALTO_LATITUDE[0])
        & (latitude < PALO_ALTO_LATITUDE[1])
    )


FACTS = Facts(
    NAME,
    Regression("median house value", "$100,000", column="price", cap=5.0),
    noun="house",
    brings="the houses page needs it to train",
    columns=_COLUMNS,
    roles=(("latitude", "Latitude"), ("longitude", "Longitude")),
    groups=(Group("the eleven Palo Alto houses together", is_palo_alto, place="Palo Alto"),),
    is_quick=True,
    title="California housing",
)

_SPLIT_SEED = 0
_SHA256 = (
    "f8ce03213e1c375e51c57d02cb41558c30b643325347f1cc0b26ce713ce3a0b7"  # of features and labels, float64, row by row
)


def home() -> Path:
    """scikit-learn's data folder."""
    return homes.data_home() / "scikit_learn"


def shipped() -> Path:
    """The Parquet file that a checkout has."""
    return homes.precomputed_home() / f"{NAME}.parquet"


def official() -> Path:
    """scikit-learn's own file, where it was downloaded."""
    return home() / "cal_housing_py3.pkz"


def file() -> Path:
    """The file that `load` reads: the one that ships, or else scikit-learn's, which may be absent."""
    return shipped() if shipped().exists() else official()


def is_present() -> bool:
    return file().exists()


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


def export(path: Path) -> None:
    """Write scikit-learn's file as the Parquet file that ships: eight features and MedHouseVal, all float64."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    inputs, labels = _verified(_official(download=False), official())
    columns = dict(zip((*_COLUMNS, _LABEL), (*inputs.T, labels), strict=True))
    source = "R. K. Pace and R. Barry, Sparse spatial autoregressions, Statistics & Probability Letters 33 (1997)"
    table = pa.table(columns).replace_schema_metadata({"source": f"{source}; 1990 US census; values of scikit-learn"})
    with explain_write_errors(path):
        # Most values are ratios, unlike each other: a dictionary of them makes the file larger.
        pq.write_table(table, path, compression="zstd", compression_level=19, use_dictionary=False)


def _read(download: bool) -> tuple[np.ndarray, np.ndarray]:
    """Read features (20,640, 8) and labels (20,640,), float64 in scikit-learn's order."""
    return _verified(_parquet() if shipped().exists() else _official(download), file())


def _verified(read: tuple[np.ndarray, np.ndarray] | None, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return what was read from `path`, if it is the official data set."""
    if read is None or hashlib.sha256(read[0].tobytes() + read[1].tobytes()).hexdigest() != _SHA256:
        raise InfluenceError(f"{path} is damaged: delete it and run `python -m influence data {NAME}`.")
    return read


def _parquet() -> tuple[np.ndarray, np.ndarray] | None:
    """Read the file that ships; None if it can't be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(shipped())
        *inputs, labels = (np.asarray(table[name], np.float64) for name in (*_COLUMNS, _LABEL))
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None
    return np.stack(inputs, axis=1), labels


def _official(download: bool) -> tuple[np.ndarray, np.ndarray] | None:
    """Read scikit-learn's own file; None if it can't be read."""
    from sklearn.datasets import fetch_california_housing

    try:
        bunch = fetch_california_housing(data_home=str(home()), download_if_missing=download)
    except OSError:
        raise
    except Exception:  # zlib, pickle and joblib each have their own
        return None
    return np.ascontiguousarray(bunch.data, np.float64), np.ascontiguousarray(bunch.target, np.float64)


def _split(inputs: np.ndarray, labels: np.ndarray) -> Dataset:
    train, test = splits.at_random(len(inputs), 0.2, _SPLIT_SEED)
    return Dataset(
        FACTS,
        train=Split(train, inputs[train], labels[train]),
        test=Split(test, inputs[test], labels[test]),
    )
