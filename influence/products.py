"""The type in which this machine's processor multiplies matrices whose numbers need two to three digits."""

import time
from functools import cache

import torch
from torch import Tensor


@cache
def product_type() -> torch.dtype:
    """bfloat16 where the processor has instructions for it, else float32; timed once a process.

    With such instructions, products in bfloat16 are about twice as fast as in float32. Without them, torch computes
    them a hundred times slower or worse.
    """
    return torch.bfloat16 if _seconds(torch.bfloat16) < 2 * _seconds(torch.float32) else torch.float32


def _seconds(dtype: torch.dtype) -> float:
    """The least of three times that a product takes."""
    left, right = torch.ones(64, 128, dtype=dtype), torch.ones(128, 256, dtype=dtype)
    return min(_timed(left, right) for _ in range(3))


def _timed(left: Tensor, right: Tensor) -> float:
    start = time.perf_counter()
    torch.mm(left, right)
    return time.perf_counter() - start
