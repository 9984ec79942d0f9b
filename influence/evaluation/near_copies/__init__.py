"""`evaluate near-copies`: which test images have a near-copy among the training images, by their pixels alone."""

from typing import TYPE_CHECKING, ClassVar

from influence.config import Config
from influence.evaluation.base import Evaluation, Findings
from influence.evaluation.near_copies.config import NearCopiesConfig
from influence.evidence import NearCopiesEvidence
from influence.progress import Report, silent

if TYPE_CHECKING:
    from influence.evaluation.subject import Subject

__all__ = ["NearCopiesConfig", "NearCopiesEvaluation"]


class NearCopiesEvaluation(Evaluation):
    """Near-copies of test images in the training part."""

    name: ClassVar[str] = "near-copies"
    title: ClassVar[str] = (
        "Compare the pixels of every test image with all training images, and tell accuracy without near-copies."
    )
    config: ClassVar[type[Config]] = NearCopiesConfig
    evidence: ClassVar[type[NearCopiesEvidence]] = NearCopiesEvidence
    tasks: ClassVar[tuple[str, ...]] = ("classes",)

    @classmethod
    def run(cls, subject: "Subject", config: NearCopiesConfig, report: Report = silent) -> Findings:
        """Compare the pixels, and look up what the result says of the most alike."""
        from influence.evaluation.near_copies.evaluate import evaluate

        return evaluate(subject, config, report)
