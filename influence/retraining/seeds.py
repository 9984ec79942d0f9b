"""Seeds of trainings that no outcome store has."""

import numpy as np


def derived(seed: int, stream: int, number: int) -> list[int]:
    """Draw ``number`` seeds of 64 bits; the first ones stay what they are when more are asked for.

    Parameters
    ----------
    seed : int
        The evaluation's own.
    stream : int
        Which of the evaluation's independent streams.
    number : int
    """
    return [int(np.random.SeedSequence([seed, stream, i]).generate_state(1, np.uint64)[0]) for i in range(number)]
