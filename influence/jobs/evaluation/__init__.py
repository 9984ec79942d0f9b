"""The jobs behind `python -m influence evaluate`: how far a result can be trusted, written beside it as evidence.

Each takes the path of a result folder, measures, and writes one kind of `influence.evidence` into it. What they train
is kept in a store of trainings: killed and started again, they go on.
"""

from influence.jobs.evaluation.lds import LdsConfig, lds
from influence.jobs.evaluation.mislabels import MislabelsConfig, default_evidence, mislabels, mislabels_of
from influence.jobs.evaluation.removal import RemovalConfig, removal
from influence.jobs.evaluation.sizes import SizesConfig, sizes

__all__ = [
    "LdsConfig",
    "MislabelsConfig",
    "RemovalConfig",
    "SizesConfig",
    "default_evidence",
    "lds",
    "mislabels",
    "mislabels_of",
    "removal",
    "sizes",
]
