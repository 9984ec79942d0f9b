"""What `make quick` leaves out is named by places that exist, wherever tests move."""

import ast
from pathlib import Path

import pytest

from tests.conftest import SLOW

HERE = Path(__file__).parent


@pytest.mark.parametrize("place", SLOW)
def test_what_is_left_out_is_there(place: str) -> None:
    path, _, name = place.partition("::")
    found = list(HERE.glob(f"{path.rstrip('/')}*"))
    assert found
    if name:
        functions = [node.name for node in ast.parse(found[0].read_text()).body if isinstance(node, ast.FunctionDef)]
        assert any(function.startswith(name) for function in functions)
