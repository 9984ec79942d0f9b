"""California housing: the official rows, the paper's eleven houses, and damaged files."""

import shutil
from pathlib import Path
from urllib.error import URLError

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn.datasets

from influence import InfluenceError, datasets
from influence.datasets import california_housing

SHIPPED = california_housing.shipped()
ELEVEN = [17136, 18232, 18303, 18305, 18316, 18319, 18320, 18332, 18342, 18345, 18350]


def test_the_split(houses):
    assert (len(houses.train), len(houses.test)) == (16_512, 4_128)
    together = np.concatenate([houses.train.index, houses.test.index])
    assert np.array_equal(np.sort(together), np.arange(20_640))
    for split in (houses.train, houses.test):
        assert split.index.dtype == np.int32
        assert (np.diff(split.index) > 0).all()
        assert split.inputs.shape == (len(split), len(houses.facts.columns))


def test_exactly_eleven_houses_of_palo_alto(houses):
    inside = california_housing.is_palo_alto(houses.test)
    assert houses.test.index[inside].tolist() == ELEVEN
    latitude, longitude = houses.test.inputs[inside].T[-2:]
    assert 37.40 < latitude.min() <= latitude.max() < 37.46
    assert -122.17 < longitude.min() <= longitude.max() < -122.10


def test_names_are_scikit_learns_rows(houses):
    # The first row of the data set, as scikit-learn's own description gives it.
    split = houses.train if 0 in houses.train.index else houses.test
    row = split.inputs[split.index == 0][0]
    assert row[[0, 1, 6, 7]].tolist() == [8.3252, 41.0, 37.88, -122.23]
    assert split.labels[split.index == 0] == [4.526]


def test_the_content_never_changes(houses):
    assert houses.content_hash == "157f03b014611410eae1412eaa62a4e6cc549d40e11166b04d19dd492e949c71"
    assert datasets.load(california_housing.NAME).content_hash == houses.content_hash


# Its files


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> Path:
    """scikit-learn's own file, read instead of the one that ships."""
    path = california_housing.official()
    if not path.exists():
        pytest.skip(f"scikit-learn's file of California housing is not in {california_housing.home()}")
    monkeypatch.setattr(california_housing, "shipped", lambda: Path("nowhere"))
    return path.resolve()


def test_what_ships_are_scikit_learns_values(houses, official):
    assert california_housing.file().suffix == ".pkz"
    theirs = datasets.load(california_housing.NAME)
    for here, there in ((houses.train, theirs.train), (houses.test, theirs.test)):
        assert np.array_equal(here.index, there.index)
        assert np.array_equal(here.inputs, there.inputs)
        assert np.array_equal(here.labels, there.labels)
    assert theirs.content_hash == houses.content_hash
    bunch = sklearn.datasets.fetch_california_housing(data_home=str(official.parent), download_if_missing=False)
    table = pd.read_parquet(SHIPPED)
    assert list(table) == [*bunch.feature_names, *bunch.target_names]
    assert np.array_equal(table.to_numpy(), np.column_stack([bunch.data, bunch.target]))


def test_what_ships_can_be_made_again(official, tmp_path):
    california_housing.export(tmp_path / "again.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "again.parquet"), pd.read_parquet(SHIPPED))


def test_nothing_is_downloaded_where_it_ships(tmp_path, monkeypatch):
    monkeypatch.setenv("INFLUENCE_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.setattr(sklearn.datasets, "fetch_california_housing", None)
    datasets.fetch(california_housing.NAME)
    assert not (tmp_path / "none").exists()


@pytest.fixture
def copy(official, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of scikit-learn's file to damage."""
    path = tmp_path / "scikit_learn" / official.name
    path.parent.mkdir()
    shutil.copy(official, path)
    monkeypatch.setenv("INFLUENCE_DATA_DIR", str(tmp_path))
    return path


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the file that ships, to damage."""
    monkeypatch.setattr(california_housing, "shipped", lambda: tmp_path / "california-housing.parquet")
    return Path(shutil.copy(SHIPPED, tmp_path))


def assert_damaged(path: Path) -> None:
    with pytest.raises(InfluenceError) as caught:
        datasets.load(california_housing.NAME)
    assert str(caught.value).startswith(f"{path} is damaged")
    assert "influence data california-housing" in str(caught.value)


@pytest.mark.parametrize("file", ["copy", "shipped"])
@pytest.mark.parametrize("size", [0, 1, 100, 100_000, -10])
def test_a_file_that_is_cut_short(file, size, request):
    path: Path = request.getfixturevalue(file)
    path.write_bytes(path.read_bytes()[:size])
    assert_damaged(path)


@pytest.mark.parametrize("file", ["copy", "shipped"])
def test_a_foreign_file(file, request):
    path: Path = request.getfixturevalue(file)
    path.write_bytes(b"<html>404 not found</html>\n" * 100)
    assert_damaged(path)


def test_one_changed_number(copy):
    rows = joblib.load(copy)
    rows[3, 4] += 1e-9
    joblib.dump(rows, copy, compress=6)
    assert_damaged(copy)


@pytest.mark.parametrize("change", ["number", "order", "words", "column"])
def test_a_changed_table(shipped, change):
    table = pd.read_parquet(shipped)
    if change == "number":
        table.loc[3, "AveOccup"] += 1e-9
    elif change == "order":
        table = table.iloc[::-1]
    elif change == "words":
        table["MedInc"] = "much"
    else:
        del table["MedInc"]
    table.to_parquet(shipped)
    assert_damaged(shipped)


def test_no_network_is_one_sentence(no_houses, monkeypatch):

    def offline(**options: object) -> None:
        assert options["download_if_missing"]
        raise URLError("Temporary failure in name resolution")

    monkeypatch.setattr(sklearn.datasets, "fetch_california_housing", offline)
    monkeypatch.setattr(california_housing, "fetch_california_housing", offline, raising=False)
    with pytest.raises(InfluenceError) as caught:
        datasets.fetch(california_housing.NAME)
    text = str(caught.value)
    assert text.startswith("california-housing could not be downloaded")
    assert "connect to the internet" in text
    assert "\n" not in text
