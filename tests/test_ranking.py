"""What all jobs share: scores are kept short, and all of them are counted."""

from pathlib import Path

import numpy as np
import pytest

from influence.errors import InfluenceError
from influence.ranking import BINS, Ranking, Spread, check_k, shortened


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


def _uneven(n: int, m: int) -> np.ndarray:
    """Scores as TracIn has them: most near 0, few far away, some equal, rounded so that some lie on edges."""
    rng = np.random.default_rng(2)
    return np.round(rng.standard_t(2, (n, m)) * 8).astype(np.float32) / 8


@pytest.mark.parametrize("n_train", [1, 2, 64, 1000])
def test_a_histogram_is_numpys(n_train: int) -> None:
    scores = np.concatenate([_uneven(20, n_train), np.random.default_rng(3).normal(size=(20, n_train))])
    scores = scores.astype(np.float32)
    spread = Spread.of(np.sort(scores, axis=1))
    assert spread.counts.dtype == np.uint32
    assert spread.counts.shape == (40, BINS)
    for own, low, high, counts in zip(scores, spread.low, spread.high, spread.counts, strict=True):
        assert (low, high) == (own.min(), own.max())
        if low < high:
            np.testing.assert_array_equal(counts, np.histogram(own.astype(float), BINS)[0])
        else:
            assert counts.tolist() == [0] * (BINS - 1) + [n_train]


def test_blocks_are_spread_as_one_pass_is(tmp_path: Path) -> None:
    scores = _uneven(50, 300)
    whole, joined = Ranking(300, 4), Ranking(300, 4)
    whole.add(scores)
    for start in range(0, 50, 20):
        block = Ranking(300, 4, first=start)
        block.add(scores[start : start + 20])
        block.save(tmp_path / "block.npz")
        found = Ranking.load(tmp_path / "block.npz", 300, 4)
        assert found is not None
        joined.extend(found)
    assert whole.spread() == joined.spread()
    columns = joined.spread(short=True)
    assert columns["histogram"].type.value_type == "uint32"
    assert columns["histogram_low"].to_numpy().tolist() == scores.min(axis=1).tolist()
    assert np.stack(columns["histogram"].to_numpy(zero_copy_only=False)).sum(axis=1).tolist() == [300] * 50


def test_a_block_that_kept_less_is_not_gone_on_from(tmp_path: Path) -> None:
    block = Ranking(300, 4)
    block.add(_uneven(20, 300))
    block.save(tmp_path / "block.npz")
    with np.load(tmp_path / "block.npz") as arrays:
        older = {name: arrays[name] for name in arrays if name not in ("low", "high", "counts")}
    np.savez(tmp_path / "older.npz", allow_pickle=False, **older)
    assert Ranking.load(tmp_path / "block.npz", 300, 4) is not None
    assert Ranking.load(tmp_path / "older.npz", 300, 4) is None
