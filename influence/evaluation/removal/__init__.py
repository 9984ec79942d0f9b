"""`evaluate removal`: train without the examples that a result names."""

from typing import TYPE_CHECKING, ClassVar

from influence.config import Config
from influence.evaluation.base import Evaluation, Findings
from influence.evaluation.removal.config import RemovalConfig, completed
from influence.evidence import RemovalEvidence
from influence.progress import Report, silent

if TYPE_CHECKING:
    from influence.datasets import Dataset
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
    keeps: ClassVar[str] = "the models that were trained"

    @classmethod
    def trainings(cls, config: RemovalConfig, dataset: "Dataset", kept: int) -> int:
        """See `Evaluation.trainings`: of everything, of every removal, and of the predicted data support."""
        done = completed(config, dataset, False, kept)
        assert done.targets is not None
        assert done.seeds is not None
        own = len([choice for choice in done.choices if choice != "random"]) * (1 if done.together else done.targets)
        random = min(done.targets, len(dataset.classes) or 1) if "random" in done.choices else 0
        support = done.targets if dataset.classes and not done.together else 0
        whole = (1 if done.together else 5) + support
        return done.feature_models + done.seeds * (whole + len(done.counts) * (own + random))

    @classmethod
    def run(cls, subject: "Subject", config: RemovalConfig, report: Report = silent) -> Findings:
        """Train without the examples with the highest or lowest scores, and without others, and compare."""
        from influence.evaluation.removal.evaluate import evaluate

        return evaluate(subject, config, report)
