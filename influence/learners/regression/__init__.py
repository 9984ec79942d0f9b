"""The learner of the TracIn paper's regression example (Pruthi et al. 2020, California housing).

A network of three hidden layers, Adam on the mean squared error, every input column standardised by the whole training
part.
"""

from influence.learners.regression.learner import RegressionNetwork

__all__ = ["RegressionNetwork"]
