"""Evidence from pixels: which training images are near-copies of test images, and what accuracy is without those.

The table ``pairs`` has the training images that look most like each target, the most alike first: ``target``,
``train``, ``similarity`` (Pearson's correlation of pixels), ``mirrored`` (1 where the mirror image is alike), and the
result's ``score`` and ``rank`` of that training image for the target: rank 1, 2, ... the most positive, -1, -2, ...
the most negative; NaN and 0 where they are not known.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd
import pyarrow as pa

from influence.evidence.base import Evidence, EvidenceManifest
from influence.results import Kind, Table
from influence.results.manifest import Record
from influence.results.tables import of_type, schema


class AccuracyByCopies(Record):
    """The share of test images whose prediction is right.

    Attributes
    ----------
    every, without : float
        Of all, and of those that have no near-copy.
    concerned : float or None
        Of those that have one; None where none has.
    """

    every: float
    without: float
    concerned: float | None


class NearCopiesFigures(Record):
    """What was found.

    Attributes
    ----------
    threshold : float
        The correlation from which two pictures are called near-copies.
    targets, train : int
        How many were compared.
    concerned : int
        Targets that have a near-copy in the training part.
    copies : int
        Training images that are a near-copy of a target.
    strongest, known : int
        The concerned targets whose most alike training image is their strongest proponent, and whose score of it is
        known.
    kept : int or None
        How many scores of each target are known either way; None is all.
    accuracy : AccuracyByCopies or None
        None where the result holds no predictions, or no test image is left.
    """

    threshold: float
    targets: int
    train: int
    concerned: int
    copies: int
    strongest: int
    known: int
    kept: int | None
    accuracy: AccuracyByCopies | None


class NearCopiesManifest(EvidenceManifest):
    figures: NearCopiesFigures


@dataclass(frozen=True)
class NearCopiesEvidence(Evidence[NearCopiesManifest]):
    """The training images that look most like each test image."""

    name: ClassVar[str] = "near-copies"
    format: ClassVar[Kind[Any]] = Kind(
        NearCopiesManifest,
        {
            "pairs": Table(
                schema(
                    **of_type(pa.int32(), "target", "train"),
                    **of_type(pa.float32(), "similarity", "score"),
                    rank=pa.int32(),
                    mirrored=pa.int8(),
                )
            )
        },
    )

    @property
    def figures(self) -> NearCopiesFigures:
        return self.manifest.figures

    @property
    def pairs(self) -> pd.DataFrame:
        """The table."""
        return self.tables["pairs"]

    @property
    def near(self) -> pd.DataFrame:
        """The pairs that are near-copies."""
        return self.pairs[self.pairs["similarity"] >= self.figures.threshold]
