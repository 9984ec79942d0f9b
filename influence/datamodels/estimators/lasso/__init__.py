"""The LASSO of the datamodels paper (Ilyas et al. 2022, section 3): sparse weights, for all targets at once.

For each target, 1/(2m) ||y - b - A w||^2 + lambda ||w||_1, scikit-learn's objective, in the original units: masks are
0 or 1, weights are in units of the margin. All targets share the masks, and so the Gram matrix A'A / m: an iteration
of proximal gradient descent is one product of matrices for all of them. Each target follows its own path of falling
lambdas, extrapolates each start from the last two solutions, and leaves the path when its held-out error has risen.
"""

from influence.datamodels.estimators.lasso.estimator import Lasso

__all__ = ["Lasso"]
