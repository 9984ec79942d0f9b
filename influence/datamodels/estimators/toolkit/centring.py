"""Means over models, taken out of masks and margins."""

import numpy as np
import torch
from torch import Tensor


def centred(masks: np.ndarray, margins: np.ndarray, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Subtract the means over models from masks and margins, which removes the intercept from least squares problems.

    Returns
    -------
    a : (m, n_train), y : (m, n_targets), mean_a : (n_train,), mean_y : (n_targets,)
    """
    a, y = torch.as_tensor(masks, dtype=dtype), torch.as_tensor(margins, dtype=dtype)
    mean_a, mean_y = a.mean(dim=0), y.mean(dim=0)
    return a.sub_(mean_a), y - mean_y, mean_a, mean_y
