"""All scores of a result of derivatives through training: trained again, and followed back when they are asked for."""

from collections.abc import Callable
from functools import cached_property
from typing import ClassVar

from influence.datamodels.outcomes import OutcomeConfig
from influence.datamodels.priors import MOST_DENSE
from influence.datamodels.subsets import SubsetConfig
from influence.evaluation.scores import Scores
from influence.evaluation.subject import Subject
from influence.methods.unrolled.config import UnrolledConfig
from influence.methods.unrolled.passing import Passing


class UnrolledSubject(Subject):
    """A result of derivatives: scores in the unit of the margin."""

    has_scale: ClassVar[bool] = True

    @cached_property
    def config(self) -> UnrolledConfig:
        return UnrolledConfig.parse(self.result.manifest.settings)

    @cached_property
    def recipe(self) -> OutcomeConfig | None:
        """The recipe of the result's models; of one training, seeds are common."""
        config = self.config
        return OutcomeConfig(
            dataset=config.dataset,
            classes=config.classes,
            train_size=config.train_size,
            learner=config.learner,
            subsets=SubsetConfig(seed=config.seed, seeds="common" if config.trainings == 1 else "fresh"),
        )

    @property
    def takes_minutes(self) -> bool:
        """Whether there are so many examples that following all margins back takes minutes."""
        return len(self.result.train) > MOST_DENSE

    @property
    def weight(self) -> float:
        """See `Subject.weight`."""
        return float(self.config.weight)

    def expected(self, n_train: int) -> tuple[int, int]:
        """See `Subject.expected`."""
        return self.config.expected(n_train)

    def all_scores(self, progress: Callable[[float], None]) -> Scores | None:
        """The derivatives; the trainings are run at once, and margins followed back as rows are asked for."""
        passing = Passing.train(self.config, self.dataset, progress)
        source = (
            f"followed back again through {self.result.manifest.trainings} training(s) of "
            f"{self.result.manifest.steps} steps"
        )
        return self.check_same_scores(
            Scores(lambda positions: passing.scores(positions).numpy(), source, has_scale=True)
        )
