"""A folder's manifest, parsed once into a record with typed attributes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from influence.errors import InfluenceError
from influence.results.manifest_file import has_digest


class Record(BaseModel):
    """A part of a manifest. Types are strict, as JSON has them; what is not declared is left out."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", validate_by_name=True, validate_by_alias=True)


class TableFacts(Record):
    """What a manifest says of one table's file."""

    rows: int
    sha256: str


class Interval(Record):
    """A figure and its interval."""

    mean: float
    low: float
    high: float
    level: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


class Manifest(Record):
    """What every folder's manifest holds."""

    created: str
    tables: dict[str, TableFacts]

    _values: dict[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any], path: Path, remedy: str) -> Self:
        """Parse what a file holds.

        Parameters
        ----------
        values : mapping
        path : Path
            The file, for messages.
        remedy : str
            What to do about a damaged one, as the end of a sentence.

        Raises
        ------
        InfluenceError
            If a value is missing or is not of its type.
        """
        try:
            manifest = cls.model_validate_json(json.dumps(values))
        except ValidationError as error:
            raise InfluenceError(_sentence(error, path, remedy)) from None
        manifest._values.update(values)
        return manifest

    @property
    def has_digest(self) -> bool:
        """Whether the file was written with a digest of itself; those of older versions were not."""
        return has_digest(self._values)

    def as_dict(self) -> dict[str, Any]:
        """All that the file holds, declared or not."""
        return dict(self._values)


class Group(Record):
    """Targets that are also explained together; their id is negative, and their scores are the members' sums."""

    id: int
    title: str
    targets: tuple[int, ...]


class Shares(Record):
    """A share of the training part and of the test part."""

    train: float
    test: float


class Accuracy(Record):
    """The share of examples whose class a model predicts rightly."""

    accuracy: Shares


class ResultManifest(Manifest):
    """What the manifests of all results hold, whatever the method.

    Attributes
    ----------
    settings : dict
        The config as it is stored. The manifests of methods parse it, as ``config``, when that is asked for: a result
        whose learner is gone can still be looked at.
    seconds : float
        How long it took.
    k : int
        Training examples kept for each target, either way.
    classes : tuple of str
        Names of the targets' classes; empty where they have none.
    groups : tuple of Group
    files : dict of str to str
        The SHA-256 of what else the folder has, checkpoints say; older results do not tell.
    """

    dataset: str
    dataset_hash: str
    method: str
    title: str
    learner: str
    settings: dict[str, Any] = Field(alias="config")
    caveat: str
    seconds: float
    quality: Any
    k: int
    classes: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    sign: str | None = None
    units: str | None = None
    files: dict[str, str] = Field(default_factory=dict)

    @property
    def part(self) -> tuple[tuple[str, ...], int | None]:
        """The classes (none means all) and the training size of the part of the data set that the result is about."""
        return _part(self.settings)


def _part(settings: Mapping[str, Any]) -> tuple[tuple[str, ...], int | None]:
    return tuple(settings.get("classes") or ()), settings.get("train_size")


def _sentence(error: ValidationError, path: Path, remedy: str) -> str:
    faults = error.errors(include_url=False)
    absent = [_named(fault["loc"]) for fault in faults if fault["type"] == "missing"]
    if absent:
        return f"{path} lacks {', '.join(absent)}: {remedy}."
    named, found = _named(faults[0]["loc"]), str(faults[0]["input"])[:80]
    return f"{path} is damaged ({named} is {found!r}, which is not of its type): {remedy}."


def _named(place: tuple[int | str, ...]) -> str:
    return ".".join(map(str, place))
