"""What all evidence has: its manifest, and what tells the scores that were judged from others."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from influence.results import Kind, Manifest, Result

_TOLERANCE = 1e-3  # between the same scores, made again


class EvidenceManifest(Manifest):
    """What the manifests of all evidence hold; each kind says what its figures are."""

    kind: str
    about: dict[str, Any]
    config: dict[str, Any]
    figures: Any
    notes: tuple[str, ...]


M = TypeVar("M", bound=EvidenceManifest)


@dataclass(frozen=True)
class Evidence(Generic[M]):
    """One kind of evidence about a result, read and checked.

    Parameters
    ----------
    manifest : EvidenceManifest
    tables : dict of str to pd.DataFrame
    """

    name: ClassVar[str]
    formerly: ClassVar[str | None] = None  # the folder's name in older versions, which is still read
    needs_store: ClassVar[bool] = False  # whether its command must name a store
    format: ClassVar[Kind[Any]]

    manifest: M
    tables: dict[str, pd.DataFrame]

    @property
    def notes(self) -> list[str]:
        return list(self.manifest.notes)

    @property
    def config(self) -> dict[str, Any]:
        return dict(self.manifest.config)


def names(values: Sequence[str]) -> pa.Array:
    """A column of a few different words."""
    return pa.array(values, pa.string()).dictionary_encode()


def about(result: Result[Any]) -> dict[str, Any]:
    """What tells a result's scores from others: the data set's hash, the method, and the size of the kept scores.

    A hash of the scores would be too strict: the same result made again differs by rounding.
    """
    scores = result.influences["score"].to_numpy(np.float64)
    return {
        "dataset_hash": result.manifest.dataset_hash,
        "method": result.manifest.method,
        "kept": len(scores),
        "positive": float(scores[scores > 0].sum()),
        "negative": float(scores[scores < 0].sum()),
        "squares": float(np.square(scores).sum()),
    }


def is_about(values: dict[str, Any], result: Result[Any]) -> bool:
    """Whether these are a result's, but for rounding."""
    ours = about(result)
    return values.keys() == ours.keys() and all(
        math.isclose(values[name], ours[name], rel_tol=_TOLERANCE)
        if isinstance(ours[name], float) and isinstance(values[name], float)
        else values[name] == ours[name]
        for name in ours
    )
