"""Datamodels (Ilyas et al. 2022): which training examples a model's margins hang on, learned from many models."""

from influence.datamodels.estimators import DifferenceInMeans, PriorInformed, Ridge
from influence.datamodels.lasso import Lasso
from influence.datamodels.linear import LinearDatamodel
from influence.datamodels.outcomes import Backend, Check, OutcomeConfig, Outcomes, collect, read, read_config, verify
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
