"""What all jobs share: scores are kept short."""

import numpy as np
import pytest

from influence.errors import InfluenceError
from influence.ranking import check_k, shortened


def test_short_scores_are_what_float16_would_keep_without_its_range() -> None:
    values = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    assert shortened(values).dtype == np.float32
    np.testing.assert_array_equal(shortened(values), values.astype(np.float16))
    np.testing.assert_array_equal(shortened(values * np.float32(2**-60)), shortened(values) * np.float32(2**-60))
    np.testing.assert_array_equal(shortened(np.float32([0, -1, 2**20 + 1])), [0, -1, 2**20])


def test_short_scores_keep_their_order() -> None:
    rising = np.sort(np.random.default_rng(1).normal(size=1000).astype(np.float32))
    assert (np.diff(shortened(rising)) >= 0).all()


@pytest.mark.parametrize("k", [2.5, 2.0, "2", True, None, np.float32(2), np.bool_(True)])
def test_k_is_a_whole_number(k: object) -> None:
    with pytest.raises(InfluenceError) as caught:
        check_k(k, 10)
    assert str(caught.value) == f"k is {k!r}, but must be a whole number."
    check_k(np.int64(2), 10)
