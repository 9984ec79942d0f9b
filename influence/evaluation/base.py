"""What an evaluation is: the scores of a result in, figures and tables out, which are kept as evidence.

To add one, write a file beside this one with a subclass of `Evaluation`. The registry holds the class itself; nobody
makes an instance. A file that declares an evaluation imports neither torch nor what trains: `run` does when called.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from influence import evidence
from influence.circumstances import circumstances
from influence.config import Config
from influence.errors import InfluenceError
from influence.evidence import Evidence
from influence.progress import Report, silent

if TYPE_CHECKING:
    from influence.datasets import Dataset
    from influence.evaluation.subject import Subject

MANY = 20_000
"""Training examples beyond which a training takes seconds, and evaluations do with fewer by default."""


@dataclass(frozen=True)
class Findings:
    """What an evaluation found.

    Parameters
    ----------
    config : mapping
        Everything that the figures follow from, as JSON can hold it.
    figures : mapping
        The numbers to show; estimates are {"mean", "low", "high", "level"}.
    notes : list of str
        Sentences: what was compared, and what the figures do not say.
    tables : mapping of str to pa.Table
        As the evidence declares them.
    about : dict or None
        What tells the scores that were judged from others; None is `influence.evidence.about` of the subject's result.
    """

    config: Mapping[str, Any]
    figures: Mapping[str, Any]
    notes: list[str]
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    about: dict[str, Any] | None = None


def keep(kind: type[Evidence[Any]], found: Findings, folder: Path, about: dict[str, Any], seconds: float) -> Path:
    """Write what an evaluation found into a folder, and return the evidence's own.

    Parameters
    ----------
    kind : type of Evidence
    found : Findings
    folder : Path
        The result's, or what stands for one.
    about : dict
        What tells the scores that were judged from others, where the findings say nothing of it.
    seconds : float
        How long it took.
    """
    manifest: dict[str, Any] = {
        "about": about if found.about is None else found.about,
        "config": found.config,
        "figures": found.figures,
        "notes": found.notes,
    }
    return evidence.write(folder, kind.name, manifest | circumstances(seconds), found.tables)


class Evaluation(ABC):
    """A way to measure how far scores can be trusted.

    Attributes
    ----------
    name : str
        The verb after ``evaluate``.
    title : str
        The verb's help, as a sentence.
    example : str
        What follows the verb in an example.
    config : type of Config
        The settings; the verb's options follow from them.
    evidence : type of Evidence
        What is kept of it, and how it is read.
    tasks : tuple of str
        Which data sets it is defined for: those with "classes", those with "values".
    keeps : str
        What is kept of a run that is stopped, and gone on from when it is started again; empty is nothing.
    needs_fit : bool
        Whether only scores that were fitted to the outputs of many models can be judged.
    needs_judges : bool
        Whether models of an outcome store judge, which must be named.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    example: ClassVar[str] = "RESULT"
    config: ClassVar[type[Config]]
    evidence: ClassVar[type[Evidence[Any]]]
    tasks: ClassVar[tuple[str, ...]] = ("classes", "values")
    keeps: ClassVar[str] = ""
    needs_fit: ClassVar[bool] = False
    needs_judges: ClassVar[bool] = False

    @classmethod
    def trainings(cls, config: Any, dataset: "Dataset", kept: int) -> int:
        """Count the models that are trained, at most: those that are kept of an earlier run are not trained again.

        Parameters
        ----------
        config
            An instance of the class's ``config``.
        dataset : Dataset
        kept : int
            How many scores the result keeps either way.
        """
        return int(getattr(config, "feature_models", 0))

    @classmethod
    @abstractmethod
    def run(cls, subject: "Subject", config: Any, report: Report = silent) -> Findings:
        """Measure.

        Parameters
        ----------
        subject : Subject
            The result with its scores, and what trains models like its own.
        config
            An instance of the class's ``config``.
        report : Report

        Raises
        ------
        InfluenceError
            If the subject or the settings won't do.
        """

    @classmethod
    def run_on_data(cls, config: Any, report: Report = silent, trainings: Path | None = None) -> Findings:
        """Measure on a data set alone, where that is possible; the settings then say which, and how models are trained.

        Parameters
        ----------
        config, report
            See `run`.
        trainings : Path or None
            Where finished trainings are kept; None is a hidden folder among the results.
        """
        raise InfluenceError(f"evaluate {cls.name} judges a result: give its folder.")
