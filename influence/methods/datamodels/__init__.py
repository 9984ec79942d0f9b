"""Datamodels (Ilyas et al. 2022): how much each training example adds to margins, learned from many models."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from influence.config import Config
from influence.datamodels.estimators.base import ESTIMATORS
from influence.methods.base import Family, Method
from influence.methods.datamodels.config import DatamodelsConfig
from influence.progress import Report, silent

if TYPE_CHECKING:
    from influence.datamodels.outcomes import Backend
    from influence.evaluation.subject import Subject
    from influence.learners.recipe import Recipe
    from influence.results import Result
    from influence.results.kind import Kind, OneOf

__all__ = ["Datamodels", "DatamodelsConfig"]

_STEP = 1000  # models that `more` adds


class Datamodels(Method):
    """Linear datamodels, fitted to the margins of models that were trained on subsets."""

    name: ClassVar[str] = "datamodels"
    title: ClassVar[str] = "datamodels"
    config: ClassVar[type[Config]] = DatamodelsConfig
    tasks: ClassVar[tuple[str, ...]] = ("classes",)
    keeps: ClassVar[str] = "the models that were trained"
    verb: ClassVar[tuple[str, ...]] = ("datamodels", "run")
    measures: ClassVar[bool] = True
    is_fitted: ClassVar[bool] = True
    family: ClassVar[Family | None] = Family(
        "estimator", "settings", ESTIMATORS, lambda estimator: () if estimator.needs_prior else ("prior_models",)
    )

    @classmethod
    def starting(cls, recipe: "Recipe") -> DatamodelsConfig:
        """See `Method.starting`."""
        from influence.datamodels.outcomes.config import OutcomeConfig

        values = {name: getattr(recipe, name) for name in ("dataset", "classes", "train_size", "learner")}
        return DatamodelsConfig(outcomes=OutcomeConfig(**values))

    @classmethod
    def trainings(cls, config: DatamodelsConfig) -> int:
        """Count the models that the stores of this config lack."""
        from influence.datamodels.outcomes.place import kept

        wanted = config.held_out + config.models
        again = config.held_out if config.ceiling else 0
        return wanted - kept(config.outcomes, wanted) + again - kept(config.outcomes, again, "-ceiling")

    @classmethod
    def more(cls, config: DatamodelsConfig) -> tuple[str, DatamodelsConfig]:
        """See `Method.more`: so many models more, in the same store."""
        return f"Add {_STEP:,} models", config.replace(models=config.models + _STEP)

    @classmethod
    def called(cls, config: DatamodelsConfig) -> str:
        """See `Method.called`."""
        return f"{config.estimator}-{config.models}-models-seed-{config.outcomes.subsets.seed}"

    @classmethod
    def kind(cls) -> "Kind[Any] | OneOf":
        """See `Method.kind`."""
        from influence.methods.datamodels.kind import KIND

        return KIND

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
