"""Whether numbers of a few seeds are within a tolerance, beyond it, or cannot be told."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from nnrg.stats.estimate import Estimate

__all__ = ["verdict_of_all", "verdict_of_mean"]

Array = npt.NDArray[np.float64]

# How sure "holds" is. In draws "fails" goes wrong more often than it says where seeds are few, by
# the skewness of squares: its bound is the stricter one.
_HOLDS, _FAILS = 0.975, 0.01
_QUANTILES = 400
# A spread below this share of the tolerance is none.
_ROUNDING = 1e-9


def verdict_of_mean(gap: Estimate, tolerance: float) -> str:
    """Return the verdict on a mean over seeds that is not negative, by Student's t at 95 %."""
    from scipy.special import stdtrit

    if math.isnan(gap.value):
        return "fails"
    apart = gap.value - tolerance
    if abs(apart) < float(stdtrit(gap.n_samples - 1, _HOLDS)) * gap.error:
        return "cannot be told"
    return "holds" if apart < 0 else "fails"


def verdict_of_all(deviations: Array, tolerance: float) -> str:
    r"""Return the verdict on :math:`\sqrt{\mu^2 + \sigma^2}` of normal deviations of seeds.

    It is that of the fiducial distribution of :math:`\mu^2 + \sigma^2`, where
    :math:`\sigma^2 = (n - 1) s^2 / \chi^2_{n - 1}` and :math:`\mu` is normal about the mean with
    :math:`\sigma / \sqrt n`. The error of a root mean square is no guide: with few seeds those that
    happen to be small have small errors, too, and would be told to be so.
    """
    from scipy.special import ndtr

    n, mean = len(deviations), float(deviations.mean())
    if math.isnan(mean):
        return "fails"
    spread = float(deviations.std(ddof=1))
    if spread < _ROUNDING * tolerance:
        return "holds" if abs(mean) <= tolerance else "fails"
    variance = (n - 1) * spread**2 / _chi_squared(n - 1)
    room = np.sqrt(np.maximum(tolerance**2 - variance, 0.0))
    width = np.sqrt(variance / n)
    within = float(np.mean(ndtr((room - mean) / width) - ndtr((-room - mean) / width)))
    if within >= _HOLDS:
        return "holds"
    return "fails" if within <= _FAILS else "cannot be told"


@lru_cache(maxsize=32)
def _chi_squared(dof: int) -> Array:
    """Return equally likely numbers of this distribution."""
    from scipy.special import chdtri

    return np.asarray(chdtri(dof, (np.arange(_QUANTILES) + 0.5) / _QUANTILES))
