"""All scores of a TracIn result, summed again over the checkpoints in its folder."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from influence import datasets
from influence.datamodels.outcomes import OutcomeConfig
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.evaluation.scores import Rows, Scores
from influence.evaluation.subject import Subject, check_same_data
from influence.learners import regression
from influence.learners.toolkit.checkpoints import Checkpoint, load_folder
from influence.learners.toolkit.outputs import cross_entropy
from influence.learners.traceable import Traceable, Traced
from influence.methods.tracin.config import TracInConfig, TracInImagesConfig
from influence.results import Result
from influence.retraining.trainer import RegressionTrainer, Trainer
from influence.tracin.fixed_layers import without_fixed_layers
from influence.tracin.scores import Examples, TracInCP


def subject_of(result: Result[Any], store: str | None = None, trainings: Path | None = None) -> Subject:
    """The subject of a result, by its task."""
    kind = ClassesSubject if result.manifest.classes else ValuesSubject
    return kind(result, store, trainings)


class _Traced(Subject):
    """A TracIn result: scores of the loss, up to a common factor."""

    remark: ClassVar[str | None] = (
        "A TracIn score predicts minus the loss, the store keeps margins, and the loss is log(1 + exp(-margin)): both "
        "rank models alike."
    )

    @cached_property
    def checkpoints(self) -> list[Checkpoint]:
        return load_folder(self.result.path / "checkpoints")

    def scorer(self) -> tuple[TracInCP, Examples, Examples]:
        """What sums over the checkpoints, and what it is given of the training and the test examples."""
        raise NotImplementedError

    def all_scores(self, progress: Callable[[float], None]) -> Scores | None:
        """The sums; None where the folder has no checkpoints."""
        if not (self.result.path / "checkpoints").is_dir():
            return None
        scorer, train, targets = self.scorer()

        def rows(positions: np.ndarray) -> np.ndarray:
            return scorer.scores(train, Examples(targets.inputs[positions], targets.labels[positions])).numpy()

        source = f"computed again from the result's {len(self.checkpoints)} checkpoints"
        return self.check_same_scores(Scores(rows, source, has_scale=False))


class ClassesSubject(_Traced):
    """A TracIn result on targets with classes."""

    @cached_property
    def config(self) -> TracInImagesConfig:
        return TracInImagesConfig.parse(self.result.manifest.settings)

    @cached_property
    def recipe(self) -> OutcomeConfig:
        """The recipe of the result's model; subsets are drawn as they are by default."""
        config = self.config
        return OutcomeConfig(
            dataset=config.dataset, classes=config.classes, train_size=config.train_size, learner=config.learner
        )

    def scorer(self) -> tuple[TracInCP, Examples, Examples]:
        """All layers from the first trained one on."""
        traced = Traced(self._architecture(), self.checkpoints)
        moving, train, targets = without_fixed_layers(traced, self.dataset)
        return TracInCP(moving.model, moving.checkpoints, cross_entropy), train, targets

    def _architecture(self) -> nn.Module:
        """The model; one example of each class and one epoch make it, and its weights do not matter."""
        learner, train = self.config.learner, self.dataset.train
        if not isinstance(learner, Traceable):
            raise InfluenceError(f"{self.result.path} was made with {learner.name}, which keeps no checkpoints.")
        _, few = np.unique(train.labels, return_index=True)
        model: nn.Module = learner.replace(epochs=1).trace(train.take(few), 0, 1).model
        return model


class ValuesSubject(_Traced):
    """A TracIn result on targets with values."""

    @cached_property
    def config(self) -> TracInConfig:
        return TracInConfig.parse(self.result.manifest.settings)

    @cached_property
    def recipe(self) -> OutcomeConfig | None:
        """None: networks of values are trained by a trainer of their own."""
        return None

    @cached_property
    def dataset(self) -> Dataset:
        dataset = datasets.load(self.config.dataset)
        check_same_data(self.result, dataset)
        return dataset

    @cached_property
    def _data(self) -> regression.Standardised:
        return regression.Standardised.of(self.dataset)

    def trainer(self, epochs: int | None = None) -> Trainer:
        """What trains networks as the result's own was trained; only the last epoch counts."""
        learner = self.config.learner
        return RegressionTrainer(self.dataset, learner.replace(epochs=epochs or learner.epochs, checkpoint_every=1))

    def scorer(self) -> tuple[TracInCP, Examples, Examples]:
        """Those layers whose gradients count in the result."""
        data, model = self._data, regression.build(self.dataset.train.inputs.shape[1])
        scorer = TracInCP(model, self.checkpoints, regression.squared_error, layers=self.config.layers)
        return scorer, Examples(data.train_inputs, data.train_labels), Examples(data.test_inputs, data.test_labels)

    def output_scores(self, scores: Scores) -> Rows:
        """TracIn of the predicted value itself: how much training on each example raised it, up to a common factor.

        The influence on a loss says nothing of the direction. With the label y' = f(x') - 1/2 for the target, the
        squared error's gradient is that of the prediction f(x'): what lowers it lowers the value.
        """
        data = self._data
        train = Examples(data.train_inputs, data.train_labels)
        model = regression.build(self.dataset.train.inputs.shape[1])

        def one(checkpoint: Checkpoint, positions: np.ndarray) -> np.ndarray:
            model.load_state_dict(checkpoint.state)
            inputs = data.test_inputs[positions]
            with torch.no_grad():
                labels = model(inputs)[:, 0] - 0.5
            scorer = TracInCP(model, [checkpoint], regression.squared_error, layers=self.config.layers)
            return -scorer.scores(train, Examples(inputs, labels)).numpy()

        return lambda positions: np.asarray(sum(one(checkpoint, positions) for checkpoint in self.checkpoints))
