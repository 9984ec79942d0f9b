"""How learners use a processor: threads that each work on models or blocks of their own.

They meet once, at the end. Torch's own threads would meet in every product, and where another program holds a
processor, all would wait for it thousands of times.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

R = TypeVar("R")


@contextmanager
def one_thread_an_operation() -> Iterator[None]:
    """Within, torch uses one thread for each operation of any thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_threads(work: Callable[..., R], *items: Sequence[Any]) -> list[R]:
    """``work`` done on each item (of several sequences, as `map` does), by as many threads as torch uses."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool, one_thread_an_operation():
        return list(pool.map(work, *items) if len(items[0]) > 1 else map(work, *items))
