"""The settings of `evaluate lds`."""

from typing import Self

from pydantic import model_validator

from influence.config import Config, setting
from influence.errors import InfluenceError
from influence.measures.lds import LEAST_MODELS


class LdsConfig(Config):
    """How to judge by held-out models."""

    models: tuple[int, int] | None = setting(
        None,
        "Range of the store's models that judge, as first and last + 1. Default: those held out of the fit, or all "
        "models of a store that the fit did not use.",
    )
    ceiling: bool = setting(
        True, "Measure the noise ceiling, which needs a store of the same subsets trained with other seeds."
    )
    feature_models: int = setting(
        4, "Number of models whose features find neighbours; they are trained for this. 0 compares pixels.", ge=0
    )
    bootstrap: int = setting(1000, "Bootstrap resamples of the models.", ge=10)
    seed: int = setting(0, "Seed of random scores, swapped members and resampling.", ge=0)
    kept: bool | None = setting(
        None,
        "Take the score that the fit itself measured on the same models, instead of computing all scores again. "
        "Default: if that would take minutes.",
        option="--kept/--all-scores",
    )
    swapped: int = setting(
        0,
        "Measure how repeatable training is if models share their seeds: swap this many members of some of the "
        "judges' subsets for others, and repeat their training. 0 leaves this out.",
        ge=0,
    )
    swapped_models: int = setting(24, "Judges whose subsets are swapped.", ge=0)
    targets: int | None = setting(
        None,
        "Number of targets to judge on, drawn at random. Default: all.",
        ge=1,
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.swapped and self.swapped_models < LEAST_MODELS:
            raise InfluenceError(f"swapped_models is {self.swapped_models}, but must be at least {LEAST_MODELS}.")
        if self.kept and self.targets is not None:
            raise InfluenceError(
                "The score that the fit measured is over all its targets: leave out --targets or --kept."
            )
        return self
