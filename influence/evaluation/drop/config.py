"""The settings of `evaluate drop`."""

from influence.config import Config, setting
from influence.measures.lds import LEAST_MODELS


class DropConfig(Config):
    """What is left out, how often, and for which targets that is judged.

    The protocol is that of MAGIC (Ilyas and Engstrom 2025): one seed, one order, one number of steps; an example that
    is left out leaves its place in its batch empty.
    """

    shares: tuple[float, ...] = setting((0.05,), "Shares of the training examples that are left out.")
    retrainings: int = setting(100, "Trainings for each share; each leaves out other examples.", ge=LEAST_MODELS)
    targets: int = setting(100, "Targets, drawn at random; all, if there are no more.", ge=1)
    feature_models: int = setting(
        4, "Models whose features find neighbours; they are trained for it. 0 compares pixels.", ge=0
    )
    bootstrap: int = setting(1000, "Bootstrap resamples.", ge=10)
    seed: int = setting(0, "Seed of what is left out, of the targets, and of resampling.", ge=0)
