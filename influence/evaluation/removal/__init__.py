"""`evaluate removal`: train without the examples that a result names."""

from typing import TYPE_CHECKING, ClassVar

from influence.config import Config
from influence.evaluation.base import Evaluation, Findings
from influence.evaluation.removal.config import RemovalConfig
from influence.evidence import RemovalEvidence
from influence.progress import Report, silent

if TYPE_CHECKING:
    from influence.evaluation.subject import Subject

__all__ = ["RemovalConfig", "RemovalEvaluation"]


class RemovalEvaluation(Evaluation):
    """Retraining without some examples."""

    name: ClassVar[str] = "removal"
    title: ClassVar[str] = (
        "Train without the examples that a result names: predicted against measured change, and flipped predictions."
    )
    example: ClassVar[str] = "RESULT --targets 100 --seeds 10"
    config: ClassVar[type[Config]] = RemovalConfig
    evidence: ClassVar[type[RemovalEvidence]] = RemovalEvidence

    @classmethod
    def run(cls, subject: "Subject", config: RemovalConfig, report: Report = silent) -> Findings:
        """Train without the examples with the highest or lowest scores, and without others, and compare."""
        from influence.evaluation.removal.evaluate import evaluate

        return evaluate(subject, config, report)
