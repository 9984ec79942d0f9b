"""The walkthrough runs from a clean kernel, with the data sets and without, and its kept outputs are whole."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from influence import homes
from notebooks.execute import WALKTHROUGH, executed

_ABSOLUTE = re.compile(r"(?<![\w./<:])/[\w.-]+/[\w.-]+|[A-Z]:\\\w")


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Everything that a reader could read in the outputs: pictures are left out."""
    for cell in code(notebook):
        for output in cell.outputs:
            yield output.get("text", "")
            yield from (str(value) for kind, value in output.get("data", {}).items() if kind.startswith("text/"))


def check_whole(notebook: nbformat.NotebookNode) -> None:
    """Every cell was run, once, in order, and none failed; nothing names a place on the machine."""
    cells = code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    for text in texts(notebook):
        assert not _ABSOLUTE.search(text), text
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert not [cell for cell in notebook.cells if cell.metadata]


@pytest.fixture(scope="module")
def kept() -> nbformat.NotebookNode:
    return nbformat.read(WALKTHROUGH, as_version=4)


def test_kept_outputs_are_whole(kept: nbformat.NotebookNode) -> None:
    nbformat.validate(kept)
    check_whole(kept)
    assert not [output for cell in code(kept) for output in cell.outputs if output.get("name") == "stderr"]


def test_a_path_would_be_noticed() -> None:
    assert _ABSOLUTE.search("wrote to /home/someone/results")
    assert not _ABSOLUTE.search("<td>a</td> and digits/datamodels, 1/2 of california-housing/tracin")


@pytest.mark.parametrize("present", ["shipped", "all"])
def test_runs_from_a_clean_kernel(
    present: str, kept: nbformat.NotebookNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing was downloaded, and on all data sets, where they are there; pictures come out as they
    do from `make notebook`, whatever this process has loaded."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))  # a kernel would write into the home folder
    if present == "shipped":
        monkeypatch.setenv("INFLUENCE_DATA_DIR", str(tmp_path / "nothing"))
    else:
        monkeypatch.setenv("INFLUENCE_DATA_DIR", str(homes.data_home().resolve()))
    copy = shutil.copy(WALKTHROUGH, tmp_path)
    fresh = executed(nbformat.read(copy, as_version=4))
    check_whole(fresh)
    for old, new in zip(code(kept), code(fresh), strict=True):
        assert bool(old.outputs) == bool(new.outputs), f"run `make notebook`, for this cell is another: {new.source}"
    said = "\n".join(texts(fresh))
    assert "come out again" in said
