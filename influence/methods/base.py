"""What a method is: a config in, a result folder out.

To add one, write a file beside this one with a subclass of `Method`. The registry holds the class itself; nobody makes
an instance. A file that declares a method imports neither torch nor what trains or scores: `run` does when called.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from influence.config import Config
from influence.progress import Report, silent

if TYPE_CHECKING:
    from influence.evaluation.subject import Subject
    from influence.results import Result


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
    """

    name: ClassVar[str]
    title: ClassVar[str]
    config: ClassVar[type[Config]]

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
