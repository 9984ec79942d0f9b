"""The gradient of the margin by the logits, from which gradients by the weights start."""

import numpy as np
import torch


def margin_gradients(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differentiate margins (see `influence.learners.base.margins`) by the logits.

    Parameters
    ----------
    logits : (k, n, n_classes)
    labels : (n,)

    Returns
    -------
    gradients : (k, n, n_classes) float32
        1 for the correct class, minus the softmax over the others.
    p : (k, n) float32
        The probability of the correct class.
    """
    rows = torch.arange(len(labels))
    correct = torch.as_tensor(labels)
    z = torch.as_tensor(logits)
    p = torch.softmax(z, dim=2)[:, rows, correct]
    others = z.clone()
    others[:, rows, correct] = -torch.inf
    gradients = -torch.softmax(others, dim=2)
    gradients[:, rows, correct] = 1
    return gradients.numpy(), p.numpy()
