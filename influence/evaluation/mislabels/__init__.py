"""`evaluate mislabels`: flip labels, and see which ranking of training examples finds the flips."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from influence.config import Config
from influence.evaluation.base import Evaluation, Findings
from influence.evaluation.mislabels.config import MislabelsConfig
from influence.evidence import FLIPS, MislabelsEvidence, about
from influence.progress import Report, silent

if TYPE_CHECKING:
    from influence.datasets import Dataset
    from influence.evaluation.subject import Subject

__all__ = ["MislabelsConfig", "MislabelsEvaluation"]


class MislabelsEvaluation(Evaluation):
    """Flipped labels, and what finds them."""

    name: ClassVar[str] = "mislabels"
    title: ClassVar[str] = (
        "Flip labels, and see which ranking finds the flips: self-influence, memorisation, or plain loss."
    )
    example: ClassVar[str] = "digits --share 0.1"
    config: ClassVar[type[Config]] = MislabelsConfig
    evidence: ClassVar[type[MislabelsEvidence]] = MislabelsEvidence
    tasks: ClassVar[tuple[str, ...]] = ("classes",)
    keeps: ClassVar[str] = "the models that were trained"

    @classmethod
    def trainings(cls, config: MislabelsConfig, dataset: "Dataset", kept: int) -> int:
        """See `Evaluation.trainings`: on the labels as they are, and on each kind of flips."""
        done = config.completed(len(dataset.train))
        return len(FLIPS) * ((done.models or 0) + (done.subset_models or 0))

    @classmethod
    def run(cls, subject: "Subject", config: MislabelsConfig, report: Report = silent) -> Findings:
        """Flip labels of the data that the subject's models are trained on, with its learner."""
        from influence.evaluation.mislabels.evaluate import evaluate
        from influence.evaluation.subject import recipe_of

        recipe = recipe_of(subject)
        own = config.replace(
            dataset=recipe.dataset, classes=recipe.classes, train_size=recipe.train_size, learner=recipe.learner
        )
        return evaluate(own, about(subject.result), subject.trainings, report)

    @classmethod
    def run_on_data(cls, config: MislabelsConfig, report: Report = silent, trainings: Path | None = None) -> Findings:
        """Flip labels of a data set, which needs no result."""
        from influence.evaluation.mislabels.evaluate import evaluate

        return evaluate(config, None, trainings, report)
