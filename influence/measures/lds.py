"""The linear datamodeling score (Park et al. 2023, section 2), with an interval, a baseline and a ceiling.

For each target, the Spearman correlation over held-out subsets between the trained models' outputs and the sum of the
scores of the subset's members; then the mean over targets. State alpha, the margin, how many held-out models there were
and whether seeds were fresh or common with every figure: they change it more than most methods do.
"""

from dataclasses import dataclass

import numpy as np

from influence.errors import InfluenceError

LEAST_MODELS = 10
_BLOCK = 512  # targets whose weights are held at once


@dataclass(frozen=True)
class Lds:
    """A score and how sure it is.

    Parameters
    ----------
    per_target : (n_targets,) float64
        Spearman correlations; 0 where the prediction or the observation is constant.
    mean : float
    interval : (float, float)
        Of the mean: a percentile bootstrap over held-out models, all targets resampled together, less its bias: a
        resample holds models twice, and such ties pull a rank correlation towards zero.
    level : float
        The interval's, such as 0.95.
    n_models : int
    """

    per_target: np.ndarray
    mean: float
    interval: tuple[float, float]
    level: float
    n_models: int

    def as_dict(self) -> dict[str, float]:
        """The mean and its interval, as manifests hold them."""
        low, high = self.interval
        return {"mean": self.mean, "low": low, "high": high, "level": self.level}

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.mean:.3f} ({low:.3f} to {high:.3f})"


@dataclass(frozen=True)
class Quality:
    """How a datamodel does on held-out models.

    Parameters
    ----------
    lds : Lds
    correlation : (n_targets,) float64
        Pearson's, of predicted and observed margins; 0 where either is constant.
    error : (n_targets,) float64
        Mean squared error over the variance of the observed margins: 1 is no better than their mean. NaN where they
        are constant.
    """

    lds: Lds
    correlation: np.ndarray
    error: np.ndarray


def lds(predicted: np.ndarray, observed: np.ndarray, bootstrap: int = 1000, level: float = 0.95, seed: int = 0) -> Lds:
    """Score predictions for held-out models.

    Parameters
    ----------
    predicted, observed : (m, n_targets)
        Margins of held-out models; any increasing function of the predictions, such as a sum of scores, will do.
    bootstrap : int
        Resamples of the m models.
    level : float
    seed : int

    Raises
    ------
    InfluenceError
        If there are fewer than ten models, or a number is not finite.
    """
    if predicted.shape != observed.shape or predicted.ndim != 2:
        raise ValueError(f"predicted {predicted.shape}, observed {observed.shape}")
    m = len(observed)
    if m < LEAST_MODELS:
        raise InfluenceError(
            f"{m} model(s) were held out, and a correlation over them needs at least {LEAST_MODELS}: collect more."
        )
    if not (np.isfinite(predicted).all() and np.isfinite(observed).all()):
        raise InfluenceError("Held-out margins or predictions are not finite: leave out models that diverged.")
    if bootstrap < 1 or not 0 < level < 1:
        raise ValueError(f"bootstrap {bootstrap}, level {level}")
    ties = (_tied_groups(predicted), _tied_groups(observed))
    per_target = _spearman(ties, np.ones(m))
    rng = np.random.default_rng(seed)
    means = [_spearman(ties, np.bincount(rng.integers(m, size=m), minlength=m)).mean() for _ in range(bootstrap)]
    bias = np.mean(means) - per_target.mean()
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2]) - bias
    return Lds(per_target, float(per_target.mean()), (float(low), float(high)), level, m)


def quality(predicted: np.ndarray, observed: np.ndarray, bootstrap: int = 1000, seed: int = 0) -> Quality:
    """LDS, correlation and error of a datamodel's predicted margins, (m, n_targets) each."""
    score = lds(predicted, observed, bootstrap, seed=seed)
    variance = observed.var(axis=0, dtype=np.float64)
    error = np.square(predicted.astype(np.float64) - observed).mean(axis=0)
    relative = np.divide(error, variance, out=np.full_like(error, np.nan), where=variance > 0)
    return Quality(score, _pearson(predicted.T, observed.T, np.ones(len(observed))), relative)


def linear(predicted: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's correlation of each target, and the slope of what was observed on what was predicted.

    Parameters
    ----------
    predicted, observed : (m, n_targets)

    Returns
    -------
    correlation, slope : (n_targets,) float64
        0 where either is constant.
    """
    correlation = _pearson(predicted.T, observed.T, np.ones(len(observed)))
    spread, own = (each.std(axis=0, dtype=np.float64) for each in (observed, predicted))
    return correlation, np.divide(correlation * spread, own, out=np.zeros_like(own), where=correlation != 0)


def random_baseline(masks: np.ndarray, observed: np.ndarray, bootstrap: int = 1000, seed: int = 0) -> Lds:
    """The score of weights drawn at random: what a method that knows nothing gets.

    Parameters
    ----------
    masks : (m, n_train) bool
        Of the held-out models.
    observed : (m, n_targets)
    """
    rng, members = np.random.default_rng(seed), masks.astype(np.float32)
    sizes = [min(_BLOCK, observed.shape[1] - start) for start in range(0, observed.shape[1], _BLOCK)]
    predicted = [members @ rng.standard_normal((masks.shape[1], size), np.float32) for size in sizes]
    return lds(np.concatenate(predicted, axis=1), observed, bootstrap, seed=seed)


def noise_ceiling(observed: np.ndarray, repeated: np.ndarray, bootstrap: int = 1000, seed: int = 0) -> Lds:
    """The score of a second training on the very same subsets, with other seeds.

    One training predicts another one worse than their common mean would: if the noise is alike everywhere, a perfect
    predictor of the mean scores about the square root of this.

    Parameters
    ----------
    observed, repeated : (m, n_targets)
    """
    return lds(repeated, observed, bootstrap, seed=seed)


def _tied_groups(values: np.ndarray) -> np.ndarray:
    """(m, n_targets) -> (n_targets, m) int: equal values of a target have one number, and numbers grow with the values.

    Numbers go on from target to target, so that one sum over groups serves all of them.
    """
    columns = values.T
    order = np.argsort(columns, axis=1, kind="stable")
    ordered = np.take_along_axis(columns, order, axis=1)
    starts = np.ones(columns.shape, dtype=bool)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    groups = np.empty(columns.shape, dtype=np.int64)
    np.put_along_axis(groups, order, (starts.ravel().cumsum() - 1).reshape(columns.shape), axis=1)
    return groups


def _spearman(groups: tuple[np.ndarray, np.ndarray], times: np.ndarray) -> np.ndarray:
    """(n_targets,): Spearman correlations of a sample that holds each model so many times; ties get their mean rank."""
    return _pearson(_mid_ranks(groups[0], times), _mid_ranks(groups[1], times), times)


def _mid_ranks(groups: np.ndarray, times: np.ndarray) -> np.ndarray:
    sizes = np.bincount(groups.ravel(), weights=np.broadcast_to(times, groups.shape).ravel())
    before = sizes.cumsum() - sizes  # over all targets so far: a constant a target, which no correlation sees
    ranks: np.ndarray = (before + (sizes + 1) / 2)[groups]
    return ranks


def _pearson(x: np.ndarray, y: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(n_targets, m) twice -> (n_targets,)"""
    x, y = (part.astype(np.float64) - (part @ times / times.sum())[:, None] for part in (x, y))
    covariance, var_x, var_y = ((a * b) @ times for a, b in ((x, y), (x, x), (y, y)))
    scale = np.sqrt(var_x * var_y)
    tiny = scale <= 1e-12 * max(1.0, float(scale.max(initial=0)))
    correlation: np.ndarray = np.divide(covariance, scale, out=np.zeros_like(scale), where=~tiny)
    return correlation
