"""What a method is: a config in, a result folder out.

To add one, write a file beside this one with a subclass of `Method`. The registry holds the class itself; nobody makes
an instance. A file that declares a method imports neither torch nor what trains or scores: `run` does when called.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from influence.config import Config
from influence.progress import Report, silent

if TYPE_CHECKING:
    from influence.evaluation.subject import Subject
    from influence.learners.recipe import Recipe
    from influence.results import Result
    from influence.results.kind import Kind, OneOf


@dataclass(frozen=True)
class Family:
    """A setting of a config that names a member of a family, which has settings of its own: an estimator, say.

    Parameters
    ----------
    setting, settings : str
        The names of the setting, and of the one that holds the member's own.
    members : mapping of str to type of Config
    without : callable
        From a member to the settings of the config that have no part in it.
    """

    setting: str
    settings: str
    members: Mapping[str, type[Config]]
    without: Callable[[Any], tuple[str, ...]]


class Method(ABC):
    """A way to score training examples for test examples.

    Attributes
    ----------
    name : str
        The name by which manifests and the command line know the method.
    title : str
        What the explorer calls it.
    config : type of Config
        Everything that a result of the method follows from.
    tasks : tuple of str
        Which data sets it can score: those with "classes", those with "values".
    keeps : str
        What is kept of a run that is stopped, and gone on from when it is started again; empty is nothing.
    verb : tuple of str
        What the command line calls a run; empty is the name alone.
    measures : bool
        Whether a run with ``--measure`` trains one model, and says how long all will take.
    is_fitted : bool
        Whether its scores are fitted to the outputs of many models, of which there could be fewer.
    family : Family or None
        The setting of its config that names a member of a family.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    config: ClassVar[type[Config]]
    tasks: ClassVar[tuple[str, ...]] = ("classes", "values")
    keeps: ClassVar[str] = ""
    verb: ClassVar[tuple[str, ...]] = ()
    measures: ClassVar[bool] = False
    is_fitted: ClassVar[bool] = False
    family: ClassVar[Family | None] = None

    @classmethod
    def starting(cls, recipe: "Recipe") -> Config:
        """Give the config of a first run on these data with this learner.

        Raises
        ------
        InfluenceError
            If the method can't score such models.
        """
        return cls.config(**{name: getattr(recipe, name) for name in type(recipe).model_fields})

    @classmethod
    def trainings(cls, config: Any) -> int:
        """Count the models that a run of this config trains, those that judge it among them, without what is kept."""
        return 1

    @classmethod
    def more(cls, config: Any) -> tuple[str, Config] | None:
        """Give the config of a larger run that goes on from this one, and what a button calls it; None if none does."""
        return None

    @classmethod
    def called(cls, config: Any) -> str:
        """Make a name for a result that tells its settings: letters, digits and hyphens."""
        return f"{cls.name}-seed-{config.seed}-{config.learner.epochs}-epochs"

    @classmethod
    def kind(cls) -> "Kind[Any] | OneOf":
        """What its result folders hold: the class of their manifest, and the schemas of their tables.

        It is a function since the command line and its help do without tables, which take long to import.
        """
        from influence.results.kinds import PLAIN

        return PLAIN

    @classmethod
    def parse(cls, values: Any) -> Config:
        """Read the config of a manifest, which may be an older version's.

        Raises
        ------
        InfluenceError
            If it is no config of this method.
        """
        return cls.config.parse(values)

    @classmethod
    @abstractmethod
    def run(cls, config: Any, out: Path, replace: bool = False, report: Report = silent) -> Path:
        """Compute a result and write its folder.

        Parameters
        ----------
        config
            An instance of the class's ``config``.
        out : Path
            The folder that is written, and returned.
        replace : bool
            Whether to replace the folder if it exists, once the new one is complete.
        report : Report

        Raises
        ------
        InfluenceError
            Before any work if the config, the data set or ``out`` won't do; later if the work fails in a way that the
            user can mend. Nothing is left behind.
        """

    @classmethod
    def subject(cls, result: "Result[Any]", store: str | None = None, trainings: Path | None = None) -> "Subject":
        """What evaluations judge of a result of this method: its kept scores, unless the method computes all again.

        Parameters
        ----------
        result : Result
        store : str or None
            Where outcomes may be from which all scores follow; None is where those of the result's config are kept.
        trainings : Path or None
            Where finished trainings are kept; None is a hidden folder among the results.
        """
        from influence.evaluation.subject import Subject

        return Subject(result, store, trainings)
