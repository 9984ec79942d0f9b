"""How the threads of OpenMP wait for each other; to be set before torch, or whatever else brings OpenMP, is loaded."""

import os

_POLICY = "OMP_WAIT_POLICY"
_CHOSEN_BY = (_POLICY, "GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # OpenMP's own, GCC's, LLVM's and Intel's


def sleep_while_waiting() -> None:
    """Have threads sleep while they wait, in this process and in those that it starts, unless the user chose otherwise.

    By default they spin for some milliseconds first. Beside other busy processes, a thread that spins keeps the one
    that it waits for from its core, and a run comes to a standstill. What is computed does not change.
    """
    if not any(name in os.environ for name in _CHOSEN_BY):
        os.environ[_POLICY] = "PASSIVE"
