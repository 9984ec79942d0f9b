"""What all jobs share: scores are kept short."""

import numpy as np

from influence.ranking import shortened


def test_short_scores_are_what_float16_would_keep_without_its_range() -> None:
    values = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    assert shortened(values).dtype == np.float32
    np.testing.assert_array_equal(shortened(values), values.astype(np.float16))
    np.testing.assert_array_equal(shortened(values * np.float32(2**-60)), shortened(values) * np.float32(2**-60))
    np.testing.assert_array_equal(shortened(np.float32([0, -1, 2**20 + 1])), [0, -1, 2**20])


def test_short_scores_keep_their_order() -> None:
    rising = np.sort(np.random.default_rng(1).normal(size=1000).astype(np.float32))
    assert (np.diff(shortened(rising)) >= 0).all()
