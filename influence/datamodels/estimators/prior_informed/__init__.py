"""Ridge regression with a prior that knows the training examples."""

from influence.datamodels.estimators.prior_informed.estimator import PriorInformed

__all__ = ["PriorInformed"]
