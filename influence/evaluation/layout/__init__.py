"""`evaluate layout`: test and training examples on one map, laid out by the scores that a result keeps."""

from typing import TYPE_CHECKING, ClassVar

from influence.config import Config
from influence.evaluation.base import Evaluation, Findings
from influence.evaluation.layout.config import LayoutConfig
from influence.evidence import LayoutEvidence
from influence.progress import Report, silent

if TYPE_CHECKING:
    from influence.evaluation.subject import Subject

__all__ = ["LayoutConfig", "LayoutEvaluation"]


class LayoutEvaluation(Evaluation):
    """A map of what is influenced alike."""

    name: ClassVar[str] = "layout"
    title: ClassVar[str] = "Lay test and training examples out on a map, near each other where their scores are alike."
    config: ClassVar[type[Config]] = LayoutConfig
    evidence: ClassVar[type[LayoutEvidence]] = LayoutEvidence
    tasks: ClassVar[tuple[str, ...]] = ("classes",)

    @classmethod
    def run(cls, subject: "Subject", config: LayoutConfig, report: Report = silent) -> Findings:
        """Lay the examples out by the kept scores; neither the data set nor a training is needed."""
        from influence.evaluation.layout.evaluate import evaluate

        return evaluate(subject.result, config, report)
