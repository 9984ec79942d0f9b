"""`evaluate same-class`: how many of the strongest proponents are of the target's class."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from influence.config import Config, setting
from influence.evaluation.base import Evaluation, Findings
from influence.evaluation.subject import Subject
from influence.evidence import Evidence, EvidenceManifest
from influence.measures.bootstrap import of_means
from influence.progress import Report, silent
from influence.results import Interval, Kind, Table
from influence.results.manifest import Record
from influence.results.tables import schema


class SameClassConfig(Config):
    """What is looked at."""

    proponents: int = setting(10, "Proponents of each target.", ge=1)


class SameClassFigures(Record):
    """The mean share of proponents of the target's class, with an interval over targets."""

    share: Interval


class SameClassManifest(EvidenceManifest):
    figures: SameClassFigures


@dataclass(frozen=True)
class SameClassEvidence(Evidence[SameClassManifest]):
    """The share by target is in the table ``targets``."""

    name: ClassVar[str] = "same-class"
    format: ClassVar[Kind[Any]] = Kind(
        SameClassManifest, {"targets": Table(schema(target=pa.int32(), share=pa.float32()))}
    )


class SameClass(Evaluation):
    """Proponents of the target's class."""

    name: ClassVar[str] = "same-class"
    title: ClassVar[str] = "How many of the strongest proponents are of the target's class."
    config: ClassVar[type[Config]] = SameClassConfig
    evidence: ClassVar[type[SameClassEvidence]] = SameClassEvidence

    @classmethod
    def run(cls, subject: Subject, config: SameClassConfig, report: Report = silent) -> Findings:
        """Count them."""
        scores, train, test = subject.scores(), subject.dataset.train, subject.dataset.test
        strongest = np.argsort(-scores.rows(np.arange(len(test))), axis=1)[:, : config.proponents]
        share = (train.labels[strongest] == test.labels[:, None]).mean(axis=1)
        return Findings(
            config=config.as_dict(),
            figures={"share": of_means(share[:, None])[0].as_dict()},
            notes=[f"Over {len(test)} targets and {config.proponents} proponents of each. Scores: {scores.source}."],
            tables={"targets": pa.table({"target": test.index, "share": share.astype(np.float32)})},
        )
