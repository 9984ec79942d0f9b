"""The chain rule along a training: from the gradients of targets to the derivatives by the examples' weights.

With c_s the derivative of a target by the gradient of step s, which `optimizers` takes back from step to step, the
derivative by the weight w_i of a training example is the sum over the steps whose batch has it::

    d target / d w_i = sum_s c_s . grad l_i(theta_s) / n_s

It is exact: nothing is linearised but the target itself, at the training that was run (Ilyas and Engstrom 2025).
"""

from collections.abc import Callable

from torch import Tensor

from influence.unrolled.trajectory import Trajectory


def back(
    trajectory: Trajectory, gradients: Tensor, on_progress: Callable[[float], None] = lambda share: None
) -> Tensor:
    """Derivatives of targets by the weights of all training examples.

    Parameters
    ----------
    trajectory : Trajectory
    gradients : (k, P)
        Of the targets, at the final weights. Not changed.
    on_progress : callable
        Called with the share that is done.

    Returns
    -------
    (k, n_train)
        Those of absent examples too: what a little of each would do.
    """
    training = trajectory.training
    total = len(training.steps)
    scores = gradients.new_zeros(len(gradients), len(training.weights))
    share = gradients / training.averaged  # of each averaged step
    adjoint = training.optimizer.adjoint(share.clone())
    for number, theta, kept in trajectory.backwards():
        step = training.steps[number]
        by_gradient = adjoint.by_gradient(number, step.rate, kept)
        products, slopes = training.products(number, theta, by_gradient)
        scores.index_add_(1, step.rows, slopes, alpha=1 / step.divisor)
        adjoint.back(step.rate, by_gradient, products)
        if number > total - training.averaged:  # the weights before this step are those after an averaged one
            adjoint.by_weights.add_(share)
        on_progress((total - number) / total)
    return scores
