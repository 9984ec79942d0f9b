"""The walkthrough runs from a clean kernel, with the data sets and without, and its kept outputs are whole."""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from influence import datasets, homes
from notebooks.execute import WALKTHROUGH, executed

# What costs most, and what it is for a test that asks whether all cells run.
SMALLER = {
    "HELD_OUT, FITTED = 128, 400": "HELD_OUT, FITTED = 24, 40",
    "RUNS, REMOVED = 50, 20": "RUNS, REMOVED = 6, 20",
    "for epoch in range(1, 31)": "for epoch in range(1, 11)",
    "permutation(len(digits.train))[:400]": "permutation(len(digits.train))[:60]",
}
CIFAR10 = 'is_present("cifar10")'
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


def smaller(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with fewer models and steps: every cell does what it does, sooner."""
    source = "\n".join(cell.source for cell in code(notebook))
    for kept in SMALLER:
        assert source.count(kept) == 1
    for cell in code(notebook):
        for kept, fewer in SMALLER.items():
            cell.source = cell.source.replace(kept, fewer)
    return notebook


def test_runs_from_a_clean_kernel(kept: nbformat.NotebookNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First where nothing was downloaded; then cells that ask for CIFAR-10 run again, where it is there. Pictures come
    out as they do from `make notebook`, whatever this process has loaded."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))  # a kernel would write into the home folder
    data, is_there = str(homes.data_home().resolve()), datasets.is_present("cifar10")
    monkeypatch.setenv("INFLUENCE_DATA_DIR", str(tmp_path / "nothing"))
    notebook = smaller(nbformat.read(WALKTHROUGH, as_version=4))
    asking = [cell for cell in code(notebook) if CIFAR10 in cell.source]
    assert asking
    again = [f'os.environ["INFLUENCE_DATA_DIR"] = {data!r}', *(cell.source for cell in asking)]
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in again]
    fresh = executed(notebook)
    check_whole(fresh)
    count = len(code(kept))
    for old, new in zip(code(kept), code(fresh)[:count], strict=True):
        assert bool(old.outputs) == bool(new.outputs), f"run `make notebook`, for this cell is another: {new.source}"
    assert "come out again" in "\n".join(texts(fresh))
    for without, with_pictures in zip(
        (cell for cell in code(fresh)[:count] if CIFAR10 in cell.source), code(fresh)[count + 1 :], strict=True
    ):
        assert (pictures(with_pictures) > pictures(without)) == is_there


def pictures(cell: nbformat.NotebookNode) -> int:
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)
