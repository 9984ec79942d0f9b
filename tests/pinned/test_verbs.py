"""Every verb of the command line keeps its arguments and options: names, types, defaults. New ones may be added."""

from typing import Any

import pytest

from tests.pinned import adapters
from tests.pinned.record import pinned


def observe() -> dict[str, Any]:
    return adapters.verbs()


@pytest.fixture(scope="module")
def expected() -> Any:
    return pinned("verbs")


def test_every_verb_has_its_options(expected: Any) -> None:
    verbs = adapters.verbs()
    assert verbs.keys() >= expected.keys()
    for verb, parameters in expected.items():
        for name, parameter in parameters.items():
            assert verbs[verb].get(name) == parameter, f"{verb} {name}"


def test_no_new_parameter_is_required(expected: Any) -> None:
    for verb, parameters in adapters.verbs().items():
        for name, parameter in parameters.items():
            known = name in expected.get(verb, {}) or verb not in expected
            assert known or not parameter["required"], f"{verb} {name}"


def test_help_names_every_option(expected: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """This holds whatever library reads the command line."""
    monkeypatch.setenv("COLUMNS", "250")
    for verb, parameters in expected.items():
        code, out, err = adapters.cli(*verb.split(), "--help")
        assert (code, err) == (0, "")
        for name, parameter in parameters.items():
            for option in [*name.split(), *parameter["off"]] if name.startswith("--") else []:
                assert option in out, f"{verb} {option}"
