"""The settings of TracIn, and the form in which configs of values are stored."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import model_validator

from influence.config import setting
from influence.errors import InfluenceError
from influence.learners.base import Learner
from influence.learners.mlp import Mlp
from influence.learners.recipe import Recipe
from influence.learners.traceable import Traceable

_NAMELESS = "regression"  # the learner whose settings are stored without its name, and with those in _OF_TRAINING
_OF_TRAINING = ("seed", "checkpoint_every")
_OF_IMAGES = ("classes", "train_size", "reverse_k")  # stored beside that learner where they differ from the default


def usual_interval(learner: Learner) -> int:
    """Epochs from one checkpoint to the next where no number is given."""
    if not isinstance(learner, Traceable):
        return 1  # the method refuses the learner
    return learner.usual_interval or max(1, learner.epochs // 6)


class TracInConfig(Recipe):
    """Everything that a TracIn result follows from."""

    learner: Learner = setting(Mlp(), "How the model is trained; it must keep checkpoints.")
    seed: int = setting(0, "Seed of the initial weights and the order of examples.", ge=0, lt=2**63)
    checkpoint_every: int = setting(5, "Epochs between checkpoints; the first checkpoint is taken after as many.", ge=1)
    k: int = setting(50, "Training examples kept for each target, either way.")
    reverse_k: int = setting(
        20,
        "Targets kept for each training example, either way; of data sets with values none are.",
        ge=1,
        form=False,
    )
    layers: Literal["all", "last"] = setting(
        "all", "Layers whose gradients count; the last alone is an approximation.", added=True, form=False
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        learner = self.learner
        if isinstance(learner, Traceable) and not learner.kept_epochs(self.checkpoint_every):
            raise InfluenceError(
                f"checkpoint_every is {self.checkpoint_every} and epochs is {learner.epochs}, which leaves no "
                "checkpoint: TracIn needs at least one, so lower checkpoint_every."
            )
        return self

    @property
    def traced(self) -> Traceable:
        """The learner; an `InfluenceError` if it keeps no checkpoints."""
        if not isinstance(self.learner, Traceable):
            raise InfluenceError(
                f"The learner {self.learner.name} keeps no checkpoints, and TracIn sums over checkpoints: "
                "use --learner mlp."
            )
        return self.learner

    @classmethod
    def parse(cls, values: Any) -> Self:
        """Read a config in the form in which it is stored."""
        learner = values.get("learner") if isinstance(values, Mapping) else None
        if not isinstance(learner, Mapping) or "name" in learner or "classes" in values:
            return super().parse(values)
        training = {name: learner[name] for name in _OF_TRAINING if name in learner}
        named = {"name": _NAMELESS} | {name: value for name, value in learner.items() if name not in training}
        defaults = {name: cls.model_fields[name].default for name in _OF_IMAGES}
        return super().parse({**defaults, **values, **training, "learner": named})

    def as_dict(self) -> dict[str, Any]:
        """All settings as they are stored; those of values have the form of the first version."""
        values = super().as_dict()
        if values["learner"]["name"] != _NAMELESS:
            return values
        learner = {name: values.pop(name) for name in _OF_TRAINING} | values["learner"]
        del learner["name"]
        for name in _OF_IMAGES:
            if getattr(self, name) == type(self).model_fields[name].default:
                del values[name]
        return values | {"learner": learner}
