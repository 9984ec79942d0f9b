"""Evaluations: how far a result can be trusted, measured, and kept beside it as evidence.

An evaluation is a file here with a subclass of `Evaluation`, or a folder whose ``__init__`` has it. It is handed a
`influence.evaluation.subject.Subject`, scores and what trains models like a result's own, and knows no method. What it
trains is kept in a store of trainings: killed and started again, it goes on.
"""

from influence.evaluation.base import Evaluation, Findings
from influence.registry import Registry

__all__ = ["EVALUATIONS", "Evaluation", "Findings"]

EVALUATIONS: Registry[Evaluation] = Registry(
    "influence.evaluation",
    Evaluation,  # type: ignore[type-abstract]
    "evaluation",
)
