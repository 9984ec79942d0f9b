"""Evidence from held-out models: linear datamodeling scores.

The table ``targets`` has a row a target. ``result``, ``random``, ``same-class``, ``neighbours``, ``ceiling``: Spearman
correlation over held-out models; NaN where not measured.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from influence.evidence.base import Evidence, EvidenceManifest
from influence.results import Interval, Kind, Table
from influence.results.manifest import Record
from influence.results.tables import of_type, schema

METHODS = ("result", "random", "same-class", "neighbours")


class LdsFigures(Record):
    """Mean scores, with intervals over held-out models.

    Attributes
    ----------
    methods : dict of str to Interval
        By the names in `METHODS`. A datamodel's own run measures "result" and "random" alone.
    ceiling : Interval or None
        How well a second training on the same subsets predicts the first; None if it was not measured.
    repeatable : Interval or None
        How well models that share all seeds predict each other where a few of their members differ; None if it was
        not measured.
    held_out : int
        How many models judged.
    """

    methods: dict[str, Interval]
    ceiling: Interval | None
    repeatable: Interval | None = None
    held_out: int


class LdsManifest(EvidenceManifest):
    figures: LdsFigures


@dataclass(frozen=True)
class LdsEvidence(Evidence[LdsManifest]):
    """Linear datamodeling scores on held-out models, with the attributes of `LdsFigures`."""

    name: ClassVar[str] = "lds"
    needs_store: ClassVar[bool] = True
    format: ClassVar[Kind[Any]] = Kind(
        LdsManifest, {"targets": Table(schema(target=pa.int32(), **of_type(pa.float32(), *METHODS, "ceiling")))}
    )

    @property
    def figures(self) -> LdsFigures:
        return self.manifest.figures

    @property
    def methods(self) -> dict[str, Interval]:
        return self.figures.methods

    @property
    def ceiling(self) -> Interval | None:
        return self.figures.ceiling

    @property
    def repeatable(self) -> Interval | None:
        return self.figures.repeatable

    @property
    def held_out(self) -> int:
        return self.figures.held_out

    @property
    def explained(self) -> float | None:
        """The score as a share of the square root of the ceiling: what a perfect predictor of means would get."""
        if self.ceiling is None or self.ceiling.mean <= 0:
            return None
        return self.methods["result"].mean / float(self.ceiling.mean**0.5)

    @property
    def is_common(self) -> bool:
        """Whether the models that judge share their initial weights and order of examples."""
        subsets = self.config.get("outcomes", {}).get("subsets", {})
        return bool(subsets.get("seeds") == "common")

    @property
    def feature_models(self) -> int:
        """How many models whose features found the neighbours that were judged; 0 stands for the inputs."""
        return int(self.config["feature_models"])
