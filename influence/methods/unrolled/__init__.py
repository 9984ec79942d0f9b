"""Exact derivatives through whole trainings (MAGIC: Ilyas and Engstrom 2025): what each example's weight does."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from influence.config import Config
from influence.methods.base import Method
from influence.methods.unrolled.config import UnrolledConfig
from influence.progress import Report, silent

if TYPE_CHECKING:
    from influence.evaluation.subject import Subject
    from influence.learners.recipe import Recipe
    from influence.results import Result
    from influence.results.kind import Kind, OneOf

__all__ = ["Unrolled", "UnrolledConfig"]


class Unrolled(Method):
    """The derivative of every margin by the weight of every training example in a training, exactly."""

    name: ClassVar[str] = "unrolled"
    title: ClassVar[str] = "derivatives through training"
    config: ClassVar[type[Config]] = UnrolledConfig
    tasks: ClassVar[tuple[str, ...]] = ("classes",)
    keeps: ClassVar[str] = "the finished blocks of targets"

    @classmethod
    def starting(cls, recipe: "Recipe") -> UnrolledConfig:
        """See `Method.starting`."""
        values = {name: getattr(recipe, name) for name in ("dataset", "classes", "train_size", "learner")}
        config = UnrolledConfig(**values)
        assert config.differentiable  # refuses a learner whose training can't be differentiated
        return config

    @classmethod
    def trainings(cls, config: UnrolledConfig) -> int:
        """See `Method.trainings`."""
        return config.trainings

    @classmethod
    def called(cls, config: UnrolledConfig) -> str:
        """See `Method.called`."""
        return f"derivatives-seed-{config.seed}-{config.trainings}-trainings"

    @classmethod
    def kind(cls) -> "Kind[Any] | OneOf":
        """See `Method.kind`."""
        from influence.methods.unrolled.kind import KIND

        return KIND

    @classmethod
    def run(cls, config: UnrolledConfig, out: Path, replace: bool = False, report: Report = silent) -> Path:
        """Train, follow every margin back through the training, and write a result folder."""
        from influence.methods.unrolled import run

        return run.run(config, out, replace, report)

    @classmethod
    def subject(cls, result: "Result[Any]", store: str | None = None, trainings: Path | None = None) -> "Subject":
        """See `Method.subject`."""
        from influence.methods.unrolled.scores import UnrolledSubject

        return UnrolledSubject(result, store, trainings)
