"""What the project ships: every table and every checkpoint byte by byte, and the configs that they came from.

Manifests are not pinned as text, so that a migration may write them anew; results may be added.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.pinned import adapters
from tests.pinned.record import pinned

HOME = adapters.PRECOMPUTED
STORE = HOME / "cifar10" / "outcomes"


def observe() -> dict[str, Any]:
    return {
        "files": files(),
        "chunks": chunks(),
        "configs": {str(folder.relative_to(HOME)): config(folder) for folder in manifests()},
        "store": stored_config(),
    }


def files() -> dict[str, str]:
    """SHA-256 of every file that holds scores, weights or figures."""
    paths = sorted([*HOME.rglob("*.parquet"), *HOME.rglob("*.safetensors")])
    return {str(path.relative_to(HOME)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def chunks() -> dict[str, str]:
    """SHA-256 of each array of the outcome store: of the names and bytes of its chunks."""
    found = {}
    for array in sorted(each for each in STORE.iterdir() if each.is_dir()):
        total = hashlib.sha256()
        for path in sorted((array / "c").rglob("*")):
            if path.is_file():
                total.update(f"{path.relative_to(array)}\n".encode() + path.read_bytes())
        found[array.name] = total.hexdigest()
    return found


def manifests() -> list[Path]:
    """The folders of all results and evidence."""
    return sorted(path.parent for path in HOME.rglob("manifest.json"))


def config(folder: Path) -> dict[str, Any]:
    is_evidence = folder.parent.name == "evidence"
    read = adapters.evidence_config(folder.parents[1], folder.name) if is_evidence else adapters.result_config(folder)
    values: dict[str, Any] = json.loads(json.dumps(read))
    return values


def stored_config() -> dict[str, Any]:
    read = adapters.store_config(STORE)
    return {"config": adapters.outcome_config_as_json(read), "digest": adapters.digest(read)}


@pytest.fixture(scope="module")
def expected() -> Any:
    return pinned("shipped")


def test_every_table_is_byte_equal(expected: Any) -> None:
    assert files().items() >= expected["files"].items()


def test_every_chunk_of_the_outcome_store_is_byte_equal(expected: Any) -> None:
    assert chunks() == expected["chunks"]


def test_the_outcome_store_has_its_config(expected: Any) -> None:
    assert stored_config() == expected["store"]


def test_every_result_has_its_config(expected: Any) -> None:
    """Every setting is there with its value; a migration may add settings."""
    for name, values in expected["configs"].items():
        assert config(HOME / name).items() >= values.items(), name


def test_the_outcomes_of_the_shipped_datamodels_have_their_digest(expected: Any) -> None:
    for name, values in expected["configs"].items():
        if "outcomes" in values:
            read = adapters.outcome_config_from_json(config(HOME / name)["outcomes"])
            assert adapters.digest(read) == adapters.digest(adapters.outcome_config_from_json(values["outcomes"]))


def test_the_default_store_of_cifar10_starts_with_what_ships(expected: Any) -> None:
    """The shipped outcomes are found by their digest."""
    place = adapters.default_store(adapters.outcome_config_from_json(expected["store"]["config"]))
    assert place.name == f"cifar10-{expected['store']['digest'][:16]}"
    assert (place / "margins").is_dir()
