"""The outcome store: many models trained on subsets, and their margins and predictions on every target.

`store` has the format and what makes it safe to stop at any time, `unit` the work that is handed out, `backends` where
it is done.
"""

from typing import TYPE_CHECKING

from influence.deferring import on_first_use

if TYPE_CHECKING:
    from influence.datamodels.outcomes.backends import Backend
    from influence.datamodels.outcomes.collection import Collected, collect
    from influence.datamodels.outcomes.config import OutcomeConfig
    from influence.datamodels.outcomes.place import default_store
    from influence.datamodels.outcomes.reading import Outcomes, missing, read, read_config, reproduce, size
    from influence.datamodels.outcomes.verification import Check, verify

__all__ = [
    "Backend",
    "Check",
    "Collected",
    "OutcomeConfig",
    "Outcomes",
    "collect",
    "default_store",
    "missing",
    "read",
    "read_config",
    "reproduce",
    "size",
    "verify",
]

__getattr__ = on_first_use(
    __name__,
    {
        **dict.fromkeys(("Outcomes", "missing", "read", "read_config", "reproduce", "size"), "reading"),
        **dict.fromkeys(("Check", "verify"), "verification"),
        **dict.fromkeys(("Collected", "collect"), "collection"),
        "Backend": "backends",
        "OutcomeConfig": "config",
        "default_store": "place",
    },
)
