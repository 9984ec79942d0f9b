"""`evaluate scaling`: how well each estimator does from fewer models, on the models held out of all fits."""

from typing import TYPE_CHECKING, ClassVar

from influence.config import Config
from influence.evaluation.base import Evaluation, Findings
from influence.evaluation.scaling.config import ScalingConfig
from influence.evidence import ScalingEvidence
from influence.progress import Report, silent

if TYPE_CHECKING:
    from influence.evaluation.subject import Subject

__all__ = ["ScalingConfig", "ScalingEvaluation"]


class ScalingEvaluation(Evaluation):
    """Every estimator from fewer and more models."""

    name: ClassVar[str] = "scaling"
    title: ClassVar[str] = (
        "Every estimator from fewer and more models, beside what needs no outcomes, on the models held out of the fit."
    )
    example: ClassVar[str] = "RESULT --sizes 100,500,1000"
    config: ClassVar[type[Config]] = ScalingConfig
    evidence: ClassVar[type[ScalingEvidence]] = ScalingEvidence
    tasks: ClassVar[tuple[str, ...]] = ("classes",)
    needs_fit: ClassVar[bool] = True

    @classmethod
    def run(cls, subject: "Subject", config: ScalingConfig, report: Report = silent) -> Findings:
        """Fit every estimator on fewer and more of a result's models, and judge all on the ones held out."""
        from influence.evaluation.scaling.evaluate import evaluate

        return evaluate(subject, config, report)
