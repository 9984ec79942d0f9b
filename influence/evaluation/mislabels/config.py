"""The settings of `evaluate mislabels`."""

from influence.config import setting
from influence.evaluation.base import MANY
from influence.learners.recipe import Recipe


class MislabelsConfig(Recipe):
    """What is flipped, and what looks for it.

    With more than `influence.evaluation.base.MANY` training examples a training takes seconds, and the defaults are 1
    model with 3 checkpoints, and 48 on subsets.
    """

    share: float = setting(0.1, "Share of the labels that are flipped.", gt=0, le=0.5)
    models: int | None = setting(
        None, "Models trained on everything, for loss and self-influence, which are means over them. Default: 10.", ge=1
    )
    checkpoints: int | None = setting(
        None,
        "Approximate number of checkpoints of each of these models, for the self-influence; without checkpoints, "
        "the finished model alone counts. Default: 6.",
        ge=1,
    )
    subset_models: int | None = setting(
        None, "Models trained on subsets, for memorisation and held-out loss. Default: 500.", ge=2
    )
    alpha: float = setting(0.5, "Share of the training part that each of these sees.", gt=0, lt=1)
    seed: int = setting(0, "Seed of everything that is drawn.", ge=0)

    def completed(self, n_train: int) -> "MislabelsConfig":
        """Choose what was left open."""
        usual = (1, 3, 48) if n_train > MANY else (10, 6, 500)
        return self.replace(
            models=self.models or usual[0],
            checkpoints=self.checkpoints or usual[1],
            subset_models=self.subset_models or usual[2],
        )
