"""Datamodels (Ilyas et al. 2022): how much each training example adds to margins, learned from many models."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from influence.config import Config
from influence.methods.base import Method
from influence.methods.datamodels.config import DatamodelsConfig
from influence.progress import Report, silent

if TYPE_CHECKING:
    from influence.datamodels.outcomes import Backend
    from influence.evaluation.subject import Subject
    from influence.results import Result

__all__ = ["Datamodels", "DatamodelsConfig"]


class Datamodels(Method):
    """Linear datamodels, fitted to the margins of models that were trained on subsets."""

    name: ClassVar[str] = "datamodels"
    title: ClassVar[str] = "datamodels"
    config: ClassVar[type[Config]] = DatamodelsConfig

    @classmethod
    def run(
        cls,
        config: DatamodelsConfig,
        out: Path,
        replace: bool = False,
        report: Report = silent,
        *,
        store: str | None = None,
        backend: "Backend | None" = None,
        train: bool = True,
    ) -> Path:
        """Train the models that the store lacks, fit, judge, and write a result folder.

        Parameters
        ----------
        config, out, replace, report
            See `Method.run`.
        store : str or None
            Path or URL of the outcome store; None is the default one of the config's outcomes.
        backend : Backend or None
            Where models are trained; None is this process.
        train : bool
            If false, an incomplete store is an error.
        """
        from influence.methods.datamodels import run

        return run.run(config, out, replace, report, store=store, backend=backend, train=train)

    @classmethod
    def subject(cls, result: "Result[Any]", store: str | None = None, trainings: Path | None = None) -> "Subject":
        """See `Method.subject`."""
        from influence.methods.datamodels.scores import DatamodelsSubject

        return DatamodelsSubject(result, store, trainings)
