"""The command line within the tests' own process."""

import sys
from collections.abc import Callable

import pytest

from influence.cli.main import main


@pytest.fixture
def here(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """The command line within this process, which saves the seconds that torch takes to import."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["influence", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        printed = capsys.readouterr()
        return int(caught.value.code or 0), printed.out, printed.err

    return call
