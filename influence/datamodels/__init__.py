"""Datamodels (Ilyas et al. 2022): which training examples a model's margins depend on, learned from many models."""

from typing import TYPE_CHECKING

from influence.deferring import on_first_use

if TYPE_CHECKING:
    from influence.datamodels.estimators.base import LinearDatamodel
    from influence.datamodels.estimators.difference_in_means import DifferenceInMeans
    from influence.datamodels.estimators.lasso import Lasso
    from influence.datamodels.estimators.prior_informed import PriorInformed
    from influence.datamodels.estimators.ridge import Ridge
    from influence.datamodels.outcomes import (
        Backend,
        Check,
        OutcomeConfig,
        Outcomes,
        collect,
        read,
        read_config,
        verify,
    )
    from influence.datamodels.priors import Prior, tangent_prior
    from influence.datamodels.subsets import SubsetConfig

__all__ = [
    "Backend",
    "Check",
    "DifferenceInMeans",
    "Lasso",
    "LinearDatamodel",
    "OutcomeConfig",
    "Outcomes",
    "Prior",
    "PriorInformed",
    "Ridge",
    "SubsetConfig",
    "collect",
    "read",
    "read_config",
    "tangent_prior",
    "verify",
]

__getattr__ = on_first_use(
    __name__,
    {
        **dict.fromkeys(__all__, "outcomes"),
        **dict.fromkeys(("Prior", "tangent_prior"), "priors"),
        "DifferenceInMeans": "estimators.difference_in_means",
        "Lasso": "estimators.lasso",
        "LinearDatamodel": "estimators.base",
        "PriorInformed": "estimators.prior_informed",
        "Ridge": "estimators.ridge",
        "SubsetConfig": "subsets",
    },
)
