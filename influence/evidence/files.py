"""Where evidence is, reading it with what is wrong in sentences, and writing it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from influence.errors import InfluenceError
from influence.evidence.base import Evidence, EvidenceManifest, is_about
from influence.evidence.lds import LdsEvidence
from influence.evidence.mislabels import MislabelsEvidence
from influence.evidence.removal import RemovalEvidence
from influence.evidence.sizes import SizesEvidence
from influence.results import Result, writing
from influence.text import command, inline_code

E = TypeVar("E", bound=Evidence[Any])
_CLASSES: dict[str, type[Evidence[Any]]] = {
    each.name: each for each in (LdsEvidence, RemovalEvidence, MislabelsEvidence, SizesEvidence)
}
KINDS = tuple(_CLASSES)


@dataclass(frozen=True)
class Evaluated:
    """What is known of a result: each kind of evidence or None, and what is wrong with others, in sentences."""

    lds: LdsEvidence | None = None
    removal: RemovalEvidence | None = None
    mislabels: MislabelsEvidence | None = None
    sizes: SizesEvidence | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        """Those of `KINDS` that are known."""
        return list(self.manifests)

    @property
    def manifests(self) -> dict[str, EvidenceManifest]:
        """The manifests of what is known, by kind."""
        known = (self.lds, self.removal, self.mislabels, self.sizes)
        return {each.name: each.manifest for each in known if each is not None}


def read(result: Result[Any]) -> Evaluated:
    """The evidence in a result's folder. What is damaged, or about other scores, is left out and named.

    Nothing is raised for want of evidence: a page says "not evaluated".
    """
    problems: list[str] = []
    return Evaluated(
        _known(LdsEvidence, result, problems),
        _known(RemovalEvidence, result, problems),
        _known(MislabelsEvidence, result, problems),
        _known(SizesEvidence, result, problems),
        problems,
    )


def _known(cls: type[E], result: Result[Any], problems: list[str]) -> E | None:
    if not place(result.path, cls.name).exists():
        return None
    try:
        found = cls(*read_one(result.path, cls.name))
    except InfluenceError as error:
        problems.append(str(error))
        return None
    if not is_about(found.manifest.about, result):
        problems.append(
            f"The {cls.name} evidence in {result.path} is about other scores than the result holds now: run "
            f"{_again(result.path, cls.name)} again."
        )
        return None
    return found


def read_one(folder: Path, kind: str) -> tuple[Any, dict[str, pd.DataFrame]]:
    """Manifest and tables of one kind of evidence.

    Raises
    ------
    InfluenceError
        If there is none, or it is damaged.
    """
    return _CLASSES[kind].format.read(place(folder, kind), f"run {_again(folder, kind)} again")


def _again(folder: Path, kind: str) -> str:
    """The command that measures it again; of evidence about a data set, which no result holds, without its argument."""
    result = [str(folder)] if (folder / "manifest.json").exists() else []
    return inline_code(command("evaluate", kind, *result, *(["--store", "STORE"] if kind == "lds" else [])))


def write(folder: Path, kind: str, manifest: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> Path:
    """Write one kind of evidence into a result's folder, in place of what was there; never half of it.

    Parameters
    ----------
    folder : Path
        The result's, which must exist.
    kind : str
        One of `KINDS`.
    manifest : mapping
        ``about``, ``config``, ``figures``, ``notes`` and the circumstances.
    tables : mapping of str to pa.Table

    Raises
    ------
    ValueError
        If a table lacks a column.
    InfluenceError
        If the manifest lacks a figure, or the folder can't be written to.
    """
    target = place(folder, kind)
    with writing(target, replace=True) as partial:
        _CLASSES[kind].format.write(partial, {"kind": kind, **manifest}, tables)
    return target


def place(folder: Path, kind: str) -> Path:
    """Where a result's evidence of a kind is."""
    return folder / "evidence" / kind
