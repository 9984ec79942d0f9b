"""Evidence from one training without random examples: do sums of scores predict how its margins change?

The table ``targets`` has a row a (target, ``share`` of the training examples left out): over retrainings, the
``spearman`` and ``pearson`` correlation of predicted and measured change, and the ``slope`` of the second on the first;
0 where either is constant.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from influence.evidence.base import Evidence, EvidenceManifest
from influence.results import Interval, Kind, Table
from influence.results.manifest import Record
from influence.results.tables import of_type, schema

RANKINGS = ("result", "random", "same-class", "neighbours")


class Dropped(Record):
    """How predictions did where a share of the training examples was left out; means over targets.

    Attributes
    ----------
    share : float
    removed : int
        How many examples that is.
    spearman : dict of str to Interval
        Rank correlations of the rankings in `RANKINGS`, with intervals over retrainings.
    pearson, slope : Interval
        Of the result, with intervals over targets.
    """

    share: float
    removed: int
    spearman: dict[str, Interval]
    pearson: Interval
    slope: Interval


class DropFigures(Record):
    """What was found, by share.

    Attributes
    ----------
    shares : tuple of Dropped
    retrainings, targets : int
    has_scale : bool
        Whether scores are in the unit of the margin, so that slopes should be 1.
    """

    shares: tuple[Dropped, ...]
    retrainings: int
    targets: int
    has_scale: bool


class DropManifest(EvidenceManifest):
    figures: DropFigures


@dataclass(frozen=True)
class DropEvidence(Evidence[DropManifest]):
    """One training without random examples, with the attributes of `DropFigures`."""

    name: ClassVar[str] = "drop"
    format: ClassVar[Kind[Any]] = Kind(
        DropManifest,
        {"targets": Table(schema(target=pa.int32(), **of_type(pa.float32(), "share", "spearman", "pearson", "slope")))},
    )

    @property
    def figures(self) -> DropFigures:
        return self.manifest.figures
