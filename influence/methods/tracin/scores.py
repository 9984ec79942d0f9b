"""All scores of a TracIn result, summed again over the checkpoints in its folder."""

from collections.abc import Callable
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from influence.datamodels.outcomes import OutcomeConfig
from influence.datasets import Dataset
from influence.evaluation.scores import Rows, Scores
from influence.evaluation.subject import Subject, check_same_data
from influence.learners.toolkit.checkpoints import Checkpoint, load_folder
from influence.learners.toolkit.outputs import squared_error
from influence.learners.traceable import Traced
from influence.methods.tracin.config import TracInConfig
from influence.methods.tracin.run import task_of
from influence.retraining.trainer import RegressionTrainer, Trainer
from influence.tracin.fixed_layers import without_fixed_layers
from influence.tracin.scores import Examples, TracInCP


class TracInSubject(Subject):
    """A TracIn result: scores of the loss, up to a common factor."""

    remark: ClassVar[str | None] = (
        "A TracIn score predicts minus the loss, the store keeps margins, and the loss is log(1 + exp(-margin)): both "
        "rank models alike."
    )

    @cached_property
    def config(self) -> TracInConfig:
        return TracInConfig.parse(self.result.manifest.settings)

    @cached_property
    def recipe(self) -> OutcomeConfig | None:
        """The recipe of the result's model, with subsets as they are drawn by default; None where it gives values."""
        config = self.config
        if not self.result.manifest.classes:
            return None
        return OutcomeConfig(
            dataset=config.dataset, classes=config.classes, train_size=config.train_size, learner=config.learner
        )

    @cached_property
    def dataset(self) -> Dataset:
        dataset = self.config.load()
        check_same_data(self.result, dataset)
        return dataset

    def trainer(self, epochs: int | None = None) -> Trainer:
        """What trains models as the result's own was trained."""
        if self.recipe is not None:
            return super().trainer(epochs)
        learner = self.config.learner
        return RegressionTrainer(self.dataset, learner if epochs is None else learner.replace(epochs=epochs))

    @cached_property
    def _seen(self) -> tuple[Traced, Examples, Examples]:
        """The layers from the first trained one on, and what they get of both parts."""
        checkpoints = load_folder(self.result.path / "checkpoints")
        traced = Traced(self.config.traced.network(self.dataset.train), checkpoints)
        return without_fixed_layers(traced, self.dataset)

    def all_scores(self, progress: Callable[[float], None]) -> Scores | None:
        """The sums; None where the folder has no checkpoints."""
        if not (self.result.path / "checkpoints").is_dir():
            return None
        moving, train, targets = self._seen
        loss = task_of(self.dataset).loss
        scorer = TracInCP(moving.model, moving.checkpoints, loss, layers=self.config.layers)

        def rows(positions: np.ndarray) -> np.ndarray:
            return scorer.scores(train, Examples(targets.inputs[positions], targets.labels[positions])).numpy()

        source = f"computed again from the result's {len(moving.checkpoints)} checkpoints"
        return self.check_same_scores(Scores(rows, source, has_scale=False))

    def output_scores(self, scores: Scores) -> Rows:
        """TracIn of a predicted value itself: how much training on each example raised it, up to a common factor.

        The influence on a loss says nothing of the direction. With the label y' = f(x') - 1/2 for the target, the
        squared error's gradient is that of the prediction f(x'): what lowers it lowers the value.
        """
        if self.dataset.classes:
            return super().output_scores(scores)
        moving, train, targets = self._seen
        model = moving.model

        def one(checkpoint: Checkpoint, positions: np.ndarray) -> np.ndarray:
            model.load_state_dict(checkpoint.state)
            inputs = targets.inputs[positions]
            with torch.no_grad():
                labels = model(inputs)[:, 0] - 0.5
            scorer = TracInCP(model, [checkpoint], squared_error, layers=self.config.layers)
            return -scorer.scores(train, Examples(inputs, labels)).numpy()

        return lambda positions: np.asarray(sum(one(checkpoint, positions) for checkpoint in moving.checkpoints))
