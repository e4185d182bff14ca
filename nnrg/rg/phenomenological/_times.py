"""How long block activity remembers."""

from __future__ import annotations

from math import e

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft

from nnrg.rg.phenomenological._activity import Activity
from nnrg.rg.phenomenological._statistics import Numbers, joined
from nnrg.stats.jackknife import leave_one_out

__all__ = ["correlation_times"]

Array = npt.NDArray[np.float64]


def correlation_times(activity: Activity, errors: bool) -> Numbers:
    """Return the lag at which the autocorrelation of block activity falls to 1/e, in steps.

    The mean over blocks of each one's autocorrelation, from products within stretches of time
    alone. NaN where it does not fall so far within the shortest stretch.
    """
    centred = activity.values - activity.values.mean(axis=0)
    lags = int(activity.lengths.min())
    levels = []
    for block in activity.sums(centred):
        spread = block.std(axis=0)
        block = block[:, spread > 0] / spread[spread > 0]
        products = np.empty((activity.starts.size, lags))
        pairs = np.empty_like(products)
        for g, part in enumerate(activity.groups()):
            products[g] = _products(block[part], lags)
            pairs[g] = (part.stop - part.start - np.arange(lags)) * block.shape[1]
        values = _times((products.sum(axis=0) / pairs.sum(axis=0))[None])
        rows = np.empty((0, 1))
        if errors:
            rows = _times(leave_one_out(products) / leave_one_out(pairs))
        levels.append(Numbers(values[0], rows))
    return joined(levels)


def _products(values: Array, lags: int) -> Array:
    """Return sums over columns and over all pairs of rows so many rows apart."""
    padded = next_fast_len(len(values) + lags, real=True)
    power = np.abs(rfft(values, n=padded, axis=0)) ** 2
    return np.asarray(irfft(power.sum(axis=1), n=padded)[:lags])


def _times(autocovariance: Array) -> Array:
    """Return where each row falls to 1/e of its first number, shape (R, 1)."""
    rho = autocovariance / autocovariance[:, :1]
    below = rho < 1 / e
    lag = np.argmax(below, axis=1)
    row: npt.NDArray[np.intp] = np.arange(len(rho))
    before, after = rho[row, lag - 1], rho[row, lag]
    with np.errstate(invalid="ignore", divide="ignore"):
        crossing = lag - 1 + (before - 1 / e) / (before - after)
    return np.where(below.any(axis=1), crossing, np.nan)[:, None]
