"""Bad input is refused: a status that is not 0, one line on standard error that says what is wrong, and nothing lost.

A pin holds the words that the line must mention, never the whole sentence.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.pinned import adapters

STORED = Path(__file__).parent / "stored"
REFUSED: list[tuple[str, list[str]]] = [
    ("tracin california", ["california", "california-housing"]),
    ("data cifra10", ["cifar10"]),
    ("tracin digits --learner convent", ["convent", "convnet"]),
    ("tracin digits --epochs 0", ["epochs", "1"]),
    ("tracin digits --setting width", ["width"]),
    ("tracin digits --setting colour=3", ["colour"]),
    ("tracin california-housing --classes 4", ["california-housing"]),
    ("tracin california-housing --layers first", ["first", "last"]),
    ("tracin california-housing --learning-rate nan", ["learning", "nan"]),
    ("tracin california-housing --epochs many", ["epochs"]),
    ("tracin california-housing --epoch 3", ["--epoch"]),
    ("tracin california-housing --epochs 5", ["5", "20"]),
    ("tracin", ["dataset"]),
    ("tracing", ["tracing", "tracin"]),
    ("check a b", ["b"]),
    ("check nowhere", ["nowhere"]),
    ("replay nowhere", ["nowhere"]),
    ("datamodels run digits --alpha 1", ["alpha", "1"]),
    ("datamodels run digits --seeds none", ["none", "fresh", "common"]),
    ("datamodels run digits --seed -1", ["seed", "-1"]),
    ("datamodels run digits --estimator magic", ["magic", "prior-informed"]),
    ("datamodels run digits --estimator-setting lambdas=9", ["lambdas"]),
    ("datamodels run digits --models 1", ["models", "2"]),
    ("datamodels run digits --k 2000", ["2000", "1437"]),
    ("datamodels run digits --classes one", ["one"]),
    ("datamodels run california-housing", ["california-housing"]),
    ("datamodels run digits --backend cloud", ["cloud", "loky"]),
    ("datamodels collect digits --range 5", ["--range", "5"]),
    ("datamodels collect digits --range 7:50", ["7:50", "50"]),
    ("datamodels collect digits --store STORE", ["STORE", "train_size"]),
    ("datamodels fit nowhere", ["nowhere"]),
    ("datamodels fit STORE --models 500 --held-out 12", ["STORE"]),
    ("evaluate lds RESULT --store nowhere", ["nowhere"]),
    ("evaluate lds RESULT --store STORE --models 0:5 --no-ceiling", ["5"]),
    ("evaluate removal RESULT --choices best", ["best", "helpful"]),
    ("evaluate removal RESULT --counts 1,two", ["--counts", "two"]),
    ("evaluate mislabels digits --share 0.7", ["share", "0.7"]),
    ("evaluate sizes RESULT --store STORE --sizes 1,5", ["sizes", "2"]),
]


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """A result and its store, as the code wrote them before the reorganisation."""
    shutil.copytree(STORED, tmp_path / "stored")
    return {
        "RESULT": str(tmp_path / "stored" / "results" / "datamodels"),
        "STORE": str(tmp_path / "stored" / "stores" / "plain"),
    }


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("command", "words"), REFUSED, ids=[command for command, _ in REFUSED])
def test_the_command_line_refuses(
    command: str, words: list[str], places: dict[str, str], tmp_path: Path, results_home: Path
) -> None:
    before = contents(tmp_path / "stored")
    code, out, err = adapters.cli(*(places.get(word, word) for word in command.split()))
    assert code != 0
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.startswith("Error: ")
    assert "Traceback" not in err
    for word in words:
        assert places.get(word, word).lower() in err.lower()
    assert contents(tmp_path / "stored") == before
    assert not [path for path in results_home.glob("*") if not path.name.startswith(".")]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"alpha": 0.0}, "alpha"),
        ({"seed": -1}, "seed"),
        ({"repeat": -1}, "-1"),
        ({"seeds": "none"}, "none"),
        ({"learner": "mpl"}, "mlp"),
        ({"settings": ["width=0"]}, "width"),
        ({"settings": ["learning_rate=-1"]}, "learning_rate"),
    ],
)
def test_a_config_refuses(given: dict[str, Any], word: str) -> None:
    with pytest.raises(adapters.Refusal, match=word) as caught:
        adapters.outcome_config("digits", **given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["dataset", "learner", "subsets"])
def test_a_stored_config_that_lacks_a_part_is_refused(missing: str) -> None:
    values = adapters.outcome_config_as_json(adapters.outcome_config("digits"))
    del values[missing]
    with pytest.raises(adapters.Refusal, match=missing):
        adapters.outcome_config_from_json(values)


def test_an_unknown_field_of_a_stored_config_is_refused() -> None:
    values = adapters.outcome_config_as_json(adapters.outcome_config("digits"))
    values["learner"]["colour"] = 3
    with pytest.raises(adapters.Refusal, match="colour"):
        adapters.outcome_config_from_json(values)


def test_an_existing_result_is_not_replaced(places: dict[str, str], tmp_path: Path) -> None:
    before = contents(tmp_path / "stored")
    code, _, err = adapters.cli("replay", places["RESULT"], "--out", places["RESULT"])
    assert code != 0
    assert "--replace" in err
    assert contents(tmp_path / "stored") == before


def test_a_damaged_table_is_refused(places: dict[str, str]) -> None:
    with open(Path(places["RESULT"]) / "targets.parquet", "r+b") as file:
        file.seek(100)
        file.write(b"damaged")
    code, out, err = adapters.cli("check", places["RESULT"])
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "targets" in err
