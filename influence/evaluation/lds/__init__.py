"""`evaluate lds`: judge scores by models trained on subsets that the fit never saw."""

from typing import TYPE_CHECKING, ClassVar

from influence.config import Config
from influence.evaluation.base import Evaluation, Findings
from influence.evaluation.lds.config import LdsConfig
from influence.evidence import LdsEvidence
from influence.progress import Report, silent

if TYPE_CHECKING:
    from influence.datasets import Dataset
    from influence.evaluation.subject import Subject

__all__ = ["LdsConfig", "LdsEvaluation"]


class LdsEvaluation(Evaluation):
    """The linear datamodeling score."""

    name: ClassVar[str] = "lds"
    title: ClassVar[str] = (
        "The linear datamodeling score on models that the fit never saw, beside baselines and the noise ceiling."
    )
    example: ClassVar[str] = "RESULT --store outcomes/digits"
    config: ClassVar[type[Config]] = LdsConfig
    evidence: ClassVar[type[LdsEvidence]] = LdsEvidence
    tasks: ClassVar[tuple[str, ...]] = ("classes",)
    needs_judges: ClassVar[bool] = True

    @classmethod
    def trainings(cls, config: LdsConfig, dataset: "Dataset", kept: int) -> int:
        """See `Evaluation.trainings`; the models that judge are collected before."""
        return config.feature_models + (config.swapped_models if config.swapped else 0)

    @classmethod
    def run(
        cls, subject: "Subject", config: LdsConfig, report: Report = silent, *, ceiling_store: str | None = None
    ) -> Findings:
        """Judge the scores by the models of the subject's store.

        Parameters
        ----------
        subject, config, report
            See `Evaluation.run`. The subject's ``store`` has the models that judge, and must be given.
        ceiling_store : str or None
            The same subsets trained with other seeds; None is the store with "-ceiling" after its name.
        """
        from influence.evaluation.lds.evaluate import evaluate

        return evaluate(subject, config, ceiling_store, report)
