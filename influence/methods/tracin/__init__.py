"""TracIn (Pruthi et al. 2020): how much training on each example lowered the loss of each test example."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from influence.config import Config
from influence.methods.base import Method
from influence.methods.tracin.config import TracInConfig, usual_interval
from influence.progress import Report, silent

if TYPE_CHECKING:
    from influence.evaluation.subject import Subject
    from influence.learners.recipe import Recipe
    from influence.results import Result
    from influence.results.kind import Kind, OneOf

__all__ = ["TracIn", "TracInConfig"]


class TracIn(Method):
    """TracInCP: inner products of loss gradients, summed over the checkpoints of one training."""

    name: ClassVar[str] = "tracin"
    title: ClassVar[str] = "TracIn"
    config: ClassVar[type[Config]] = TracInConfig

    @classmethod
    def starting(cls, recipe: "Recipe") -> TracInConfig:
        """See `Method.starting`."""
        values = {name: getattr(recipe, name) for name in ("dataset", "classes", "train_size", "learner")}
        config = TracInConfig(**values, checkpoint_every=usual_interval(recipe.learner))
        assert config.traced  # refuses a learner without checkpoints
        return config

    @classmethod
    def kind(cls) -> "Kind[Any] | OneOf":
        """See `Method.kind`."""
        from influence.methods.tracin.kind import KIND

        return KIND

    @classmethod
    def run(cls, config: TracInConfig, out: Path, replace: bool = False, report: Report = silent) -> Path:
        """Train with checkpoints, score every pair, and write a result folder."""
        from influence.methods.tracin import run

        return run.run(config, out, replace, report)

    @classmethod
    def subject(cls, result: "Result[Any]", store: str | None = None, trainings: Path | None = None) -> "Subject":
        """See `Method.subject`."""
        from influence.methods.tracin.scores import TracInSubject

        return TracInSubject(result, store, trainings)
