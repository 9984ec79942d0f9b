"""Evidence from fewer and more models: how well each estimator does.

The table ``scores`` has a row an (``estimator``, number of fitted ``models``): the mean LDS over ``targets`` targets,
and its interval over held-out models, ``low`` to ``high``. Estimators are those of datamodels, and those in
`REFERENCES`, which fit no outcomes: their ``models`` is 0, but for that of the prior mean, which needs some
models' gradients.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd
import pyarrow as pa

from influence.evidence.base import Evidence, EvidenceManifest
from influence.results import Kind, Table
from influence.results.manifest import Record
from influence.results.tables import CATEGORY, of_type, schema

PRIOR_MEAN = "prior mean"
_FORMERLY = {"guess": PRIOR_MEAN}
REFERENCES = {
    "random": "weights drawn at random",
    "same-class": "1 for the target's class, 0 for others",
    "neighbours": "the cosine of features, negative between classes",
    PRIOR_MEAN: "the mean of the prior alone, from gradients",
}


class ScalingFigures(Record):
    """How many models judged, and how many there were to fit."""

    held_out: int
    fitted: int


class ScalingManifest(EvidenceManifest):
    figures: ScalingFigures


@dataclass(frozen=True)
class ScalingEvidence(Evidence[ScalingManifest]):
    """How the score grows with the number of models, by estimator."""

    name: ClassVar[str] = "scaling"
    formerly: ClassVar[str | None] = "sizes"
    format: ClassVar[Kind[Any]] = Kind(
        ScalingManifest,
        {
            "scores": Table(
                schema(
                    estimator=CATEGORY,
                    **of_type(pa.int32(), "models", "targets"),
                    **of_type(pa.float32(), "mean", "low", "high"),
                )
            )
        },
    )

    @property
    def figures(self) -> ScalingFigures:
        return self.manifest.figures

    @property
    def scores(self) -> pd.DataFrame:
        """The table, with today's names of what was compared."""
        table = self.tables["scores"]
        return table.assign(estimator=table["estimator"].cat.rename_categories(_FORMERLY))

    @property
    def feature_models(self) -> int:
        """How many models' features found the neighbours; 0 stands for the inputs."""
        return int(self.config["feature_models"])
