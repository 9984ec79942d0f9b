"""Evidence from retraining without the training examples that a result names.

effects
    A row a removal that was retrained: ``target``, ``choice`` (see `CHOICES`), ``count`` training examples removed,
    ``predicted`` and ``measured`` change of the output (mean over ``trained`` trainings with seeds of their own; for
    random choices each removes others), its standard error ``error``, and ``flipped``, the share of these trainings
    that predict another class than the unchanged ones mostly do. NaN: a prediction of which scores are not known, an
    error of a single training, a flip where there are no classes.
curves
    A row a (choice, count), over targets: mean ``predicted`` and ``measured`` change and ``flipped`` share, the latter
    two with ``_low`` and ``_high``, an interval over targets. Choice "none", count 0: the trainings that removed
    nothing.
targets
    A row a target: ``label``, ``output`` without removal, its standard deviation over seeds ``output_sd`` (NaN of a
    single one), ``prediction`` (the class mostly predicted; -1 where there are none), ``support`` (the removals after
    which the scores predict a negative margin; -1 never, -2 not predicted), ``support_found`` (where the measured
    margin crosses zero, between the counts that were tried; NaN if it does not), and, without the predicted support,
    ``flipped_at_support`` (share of the trainings that predict another class) and ``output_at_support`` (their mean
    margin); NaN if not tried.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field

from influence.evidence.base import Evidence, EvidenceManifest
from influence.results import Interval, Kind, Table
from influence.results.manifest import Record
from influence.results.tables import CATEGORY, of_type, schema

CHOICES = {
    "helpful": "the highest scores",
    "harmful": "the lowest scores",
    "neighbours": "the nearest in feature space, of the same class where there are classes",
    "random": "drawn at random, from the same class where there are classes",
}
_INT, _FLOAT = pa.int32(), pa.float32()


class Agreement(Record):
    """How well predicted and measured changes agree, with intervals over targets."""

    spearman: Interval
    pearson: Interval
    slope: Interval


class Support(Record):
    """How predicted data supports did.

    Attributes
    ----------
    tried : int
        Targets whose predicted support was removed.
    flipped, negative : float or None
        The share of them whose trainings then mostly predict another class, and whose mean margin is negative.
    found : int
        How many of them have a ``support_found``.
    spearman : float or None
        Its rank correlation with the predicted support; None where not defined.
    """

    tried: int
    flipped: float | None
    negative: float | None
    found: int
    spearman: float | None


class RemovalFigures(Record):
    """What the removals show.

    Attributes
    ----------
    agreement : dict of str to Agreement
        By choice ("all" is all of them). Choices whose changes were not predicted, or do not vary, are left out.
        Removals of all sizes are pooled here, and more of them change more: see `agreement_by_count`.
    agreement_by_count : dict of str to dict of str to Agreement
        The same among removals of equally many, by their number. Evidence of older versions has none.
    is_common : bool or None
        Whether all trainings started from the same weights and saw the examples in the same order. Evidence of older
        versions does not tell.
    has_scale : bool
        Whether predictions are in the output's own unit, so that the slope should be 1.
    support : Support or None
        None where no supports are predicted.
    trainings : int
    """

    agreement: dict[str, Agreement]
    agreement_by_count: dict[str, dict[str, Agreement]] = Field(default_factory=dict)
    is_common: bool | None = None
    has_scale: bool
    support: Support | None
    trainings: int


class RemovalManifest(EvidenceManifest):
    figures: RemovalFigures


@dataclass(frozen=True)
class RemovalEvidence(Evidence[RemovalManifest]):
    """Retraining without the training examples that a result names, with the attributes of `RemovalFigures`."""

    name: ClassVar[str] = "removal"
    format: ClassVar[Kind[Any]] = Kind(
        RemovalManifest,
        {
            "effects": Table(
                schema(
                    target=_INT,
                    choice=CATEGORY,
                    count=_INT,
                    **of_type(_FLOAT, "predicted", "measured", "error", "flipped"),
                    trained=_INT,
                )
            ),
            "curves": Table(
                schema(
                    choice=CATEGORY,
                    count=_INT,
                    predicted=_FLOAT,
                    **of_type(_FLOAT, "measured", "measured_low", "measured_high"),
                    **of_type(_FLOAT, "flipped", "flipped_low", "flipped_high"),
                )
            ),
            "targets": Table(
                schema(
                    **of_type(_INT, "target", "prediction", "support"),
                    **of_type(_FLOAT, "label", "output", "output_sd"),
                    **of_type(_FLOAT, "support_found", "flipped_at_support", "output_at_support"),
                )
            ),
        },
    )

    @property
    def figures(self) -> RemovalFigures:
        return self.manifest.figures

    @property
    def agreement(self) -> dict[str, Agreement]:
        return self.figures.agreement

    def agreement_of(self, count: int) -> dict[str, Agreement]:
        """How well changes agree among removals of so many, by choice; empty where that is not known."""
        return self.figures.agreement_by_count.get(str(count), {})

    @property
    def counts(self) -> list[int]:
        """How many were removed, the fewest first."""
        return sorted({int(count) for count in self.tables["effects"]["count"]})

    @property
    def has_scale(self) -> bool:
        return self.figures.has_scale

    @property
    def support(self) -> Support | None:
        return self.figures.support
