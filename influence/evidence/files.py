"""Read and write the evidence in a result's folder; problems are returned as sentences."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from influence.errors import InfluenceError
from influence.evidence.base import Evidence, EvidenceManifest, is_about
from influence.evidence.layout import LayoutEvidence
from influence.evidence.lds import LdsEvidence
from influence.evidence.mislabels import MislabelsEvidence
from influence.evidence.near_copies import NearCopiesEvidence
from influence.evidence.removal import RemovalEvidence
from influence.evidence.scaling import ScalingEvidence
from influence.results import Kind, Result, writing
from influence.text import command, inline_code

E = TypeVar("E", bound=Evidence[Any])
_CLASSES: dict[str, type[Evidence[Any]]] = {
    each.name: each
    for each in (LdsEvidence, RemovalEvidence, MislabelsEvidence, ScalingEvidence, NearCopiesEvidence, LayoutEvidence)
}
KINDS = tuple(_CLASSES)


@dataclass(frozen=True)
class Evaluated:
    """What is known of a result: each kind of evidence or None, and what is wrong with others, in sentences.

    ``others`` has what evaluations left that the explorer has no page for, by kind.
    """

    lds: LdsEvidence | None = None
    removal: RemovalEvidence | None = None
    mislabels: MislabelsEvidence | None = None
    scaling: ScalingEvidence | None = None
    problems: list[str] = field(default_factory=list)
    others: dict[str, Evidence[Any]] = field(default_factory=dict)
    near_copies: NearCopiesEvidence | None = None
    layout: LayoutEvidence | None = None

    @property
    def kinds(self) -> list[str]:
        """The kinds that are known and tell how far scores can be trusted, which a map does not."""
        return [kind for kind in self.manifests if kind != LayoutEvidence.name]

    @property
    def manifests(self) -> dict[str, EvidenceManifest]:
        """The manifests of what is known, by kind."""
        known = (
            self.lds,
            self.removal,
            self.mislabels,
            self.scaling,
            self.near_copies,
            self.layout,
            *self.others.values(),
        )
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
        _known(ScalingEvidence, result, problems),
        problems,
        _others(result, problems),
        _known(NearCopiesEvidence, result, problems),
        _known(LayoutEvidence, result, problems),
    )


def _others(result: Result[Any], problems: list[str]) -> dict[str, Evidence[Any]]:
    folders = sorted(each.name for each in (result.path / "evidence").glob("[!.]*") if each.name not in _CLASSES)
    classes = {name: found for name in folders if (found := _class_of(name)) is not None}
    known = {name: _known(found, result, problems) for name, found in classes.items()}
    return {name: each for name, each in known.items() if each is not None}


def _class_of(kind: str) -> type[Evidence[Any]] | None:
    """The evidence of a kind; evaluations stand above evidence, and are found here by looking into their folder."""
    if kind in _CLASSES:
        return _CLASSES[kind]
    evaluations = importlib.import_module("influence.evaluation").EVALUATIONS.values()
    return next((each.evidence for each in evaluations if each.evidence.name == kind), None)


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
    return _format(kind).read(place(folder, kind), f"run {_again(folder, kind)} again")


def _format(kind: str) -> Kind[Any]:
    found = _class_of(kind)
    if found is None:
        raise ValueError(f"no evaluation leaves evidence of the kind {kind!r}")
    return found.format


def _again(folder: Path, kind: str) -> str:
    """The command that measures it again; of evidence about a data set, which no result holds, without its argument."""
    result = [str(folder)] if (folder / "manifest.json").exists() else []
    found = _class_of(kind)
    store = ["--store", "STORE"] if found is not None and found.needs_store else []
    return inline_code(command("evaluate", kind, *result, *store))


def write(folder: Path, kind: str, manifest: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> Path:
    """Write one kind of evidence into a result's folder, in place of what was there; never half of it.

    Parameters
    ----------
    folder : Path
        The result's, which must exist.
    kind : str
        One of `KINDS`, or one that an evaluation declares.
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
    target = folder / "evidence" / kind
    with writing(target, replace=True) as partial:
        _format(kind).write(partial, {"kind": kind, **manifest}, tables)
    return target


def place(folder: Path, kind: str) -> Path:
    """Give the folder of a kind of evidence, which may not exist; its former name is used if only that exists."""
    found, former = folder / "evidence" / kind, former_place(folder, kind)
    return former if former is not None and former.exists() and not found.exists() else found


def former_place(folder: Path, kind: str) -> Path | None:
    """Give the folder in which older versions kept a kind of evidence; None if the name has not changed."""
    cls = _CLASSES.get(kind)
    return None if cls is None or cls.formerly is None else folder / "evidence" / cls.formerly
