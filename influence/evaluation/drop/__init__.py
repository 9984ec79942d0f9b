"""`evaluate drop`: leave random training examples out of one training, with everything else as it was."""

from typing import TYPE_CHECKING, ClassVar

from influence.config import Config
from influence.evaluation.base import Evaluation, Findings
from influence.evaluation.drop.config import DropConfig
from influence.evidence import DropEvidence
from influence.progress import Report, silent

if TYPE_CHECKING:
    from influence.datasets import Dataset
    from influence.evaluation.subject import Subject

__all__ = ["DropConfig", "DropEvaluation"]


class DropEvaluation(Evaluation):
    """The linear datamodeling score of one training without a few random examples."""

    name: ClassVar[str] = "drop"
    title: ClassVar[str] = (
        "The linear datamodeling score of one training from which random examples are left out, order, batches and "
        "number of steps as they were."
    )
    example: ClassVar[str] = "RESULT --shares 0.05"
    config: ClassVar[type[Config]] = DropConfig
    evidence: ClassVar[type[DropEvidence]] = DropEvidence
    tasks: ClassVar[tuple[str, ...]] = ("classes",)
    keeps: ClassVar[str] = "the models that were trained"

    @classmethod
    def trainings(cls, config: DropConfig, dataset: "Dataset", kept: int) -> int:
        """See `Evaluation.trainings`."""
        return config.feature_models + len(config.shares) * config.retrainings

    @classmethod
    def run(cls, subject: "Subject", config: DropConfig, report: Report = silent) -> Findings:
        """Train again without random examples, and compare margins with sums of scores."""
        from influence.evaluation.drop.evaluate import evaluate

        return evaluate(subject, config, report)
