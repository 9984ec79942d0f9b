"""All scores of a datamodels result: the weights, fitted again on the outcome store of the result's config."""

from collections.abc import Callable
from functools import cached_property
from typing import ClassVar

import numpy as np

from influence import evidence
from influence.datamodels.outcomes import OutcomeConfig, default_store, missing, read
from influence.datamodels.priors import MOST_DENSE
from influence.errors import InfluenceError
from influence.evaluation.scores import Fitted, Scores
from influence.evaluation.subject import Subject
from influence.evidence import LdsEvidence
from influence.measures.lds import Lds
from influence.methods.datamodels.config import DatamodelsConfig
from influence.methods.datamodels.run import fitted_model


class DatamodelsSubject(Subject):
    """A datamodels result: weights in the unit of the margin, by a fit on stored outcomes."""

    has_scale: ClassVar[bool] = True

    @cached_property
    def config(self) -> DatamodelsConfig:
        return DatamodelsConfig.parse(self.result.manifest.settings)

    @cached_property
    def recipe(self) -> OutcomeConfig:
        """What the store's models were trained with."""
        return self.config.outcomes

    @property
    def takes_minutes(self) -> bool:
        """Whether the fit has a prior from many training examples' gradients."""
        return self.config.fitted_by.needs_prior and len(self.result.train) > MOST_DENSE

    @property
    def fitted(self) -> Fitted:
        config = self.config
        store = self.store or default_store(config.outcomes)
        return Fitted(store, config.held_out, config.models, config.fitted_by, config.prior_models, self._measured())

    def _measured(self) -> Lds | None:
        """The score that the fit's own run measured, unless evidence from other models has taken its place."""
        quality, found = self.result.manifest.quality, evidence.read(self.result).lds
        if quality.lds is not None:  # results of older versions
            score = quality.lds
        elif found is not None and self._is_of_fit(found):
            score = found.methods["result"]
        else:
            return None
        per_target = self.result.targets["lds"].to_numpy(np.float64)
        return Lds(per_target, score.mean, (score.low, score.high), score.level, quality.held_out)

    def _is_of_fit(self, found: LdsEvidence) -> bool:
        """Whether scores are those on the models that the fit held out, over all targets."""
        config, own = found.config, self.config
        judges = (config.get("models"), config.get("outcomes"), config.get("targets"))
        return judges == ([0, own.held_out], own.outcomes.as_dict(), None)

    def all_scores(self, progress: Callable[[float], None]) -> Scores | None:
        """The fit's weights; None unless a store has all models that it was fitted on."""
        config = self.config
        total = config.held_out + config.models
        candidates = [store for store in (self.store, default_store(config.outcomes)) if store is not None]
        store = next((store for store in candidates if _has_models(config.outcomes, store, total)), None)
        if store is None:
            return None
        model = fitted_model(config, read(store, range(config.held_out, total)), progress)
        found = Scores(
            lambda positions: np.ascontiguousarray(model.coef(positions), dtype=np.float32),
            f"fitted again on the {config.models:,} stored models that the result was fitted on",
            has_scale=True,
            intercept=model.intercept_,
        )
        return self.check_same_scores(found)


def _has_models(config: OutcomeConfig, store: str, total: int) -> bool:
    """Whether a store has all these models; one of another config has none."""
    try:
        return missing(config, store, total) == 0
    except InfluenceError:
        return False
