"""Run the walkthrough and keep its outputs: python -m notebooks.execute (make notebook)."""

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
WALKTHROUGH = ROOT / "notebooks" / "walkthrough.ipynb"
_CELL_SECONDS = 240
_ANYWHERE = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def executed(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with fresh outputs, run by this Python, without a word on the machine that ran it.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    nbclient.exceptions.CellTimeoutError
        If a cell takes longer than four minutes.
    """
    notebook = nbformat.from_dict(notebook)
    where = {"metadata": {"path": str(ROOT)}}
    # Streamlit, where it was imported, has set another one for this process.
    drawn = os.environ | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    NotebookClient(
        notebook, timeout=_CELL_SECONDS, kernel_name="python3", resources=where, record_timing=False
    ).execute(env=drawn)
    notebook.metadata = nbformat.from_dict(_ANYWHERE)
    return notebook


if __name__ == "__main__":
    nbformat.write(executed(nbformat.read(WALKTHROUGH, as_version=4)), WALKTHROUGH)
