"""What discrete training with a constant kernel gives for a fit of Hubble rate and mass."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["discrete_hubble"]


def discrete_hubble(
    match: str, eta: float, theta: npt.ArrayLike, mu: float
) -> npt.NDArray[np.float64]:
    """Return H that a fit finds in discrete training with a constant kernel, NaN if none.

    A mode of plain gradient descent decays by 1 - eta theta a step, which a fit reads as the rate
    -ln(1 - eta theta); the recursion of the heavy ball is that of its match at any learning rate.
    """
    share = eta * np.asarray(theta, dtype=np.float64)
    if match == "momentum":
        return np.full(share.shape, (1 - mu) / (3 * math.sqrt(eta)))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where((share > 0) & (share < 1), share, math.nan)
        rate = -np.log1p(-share)
        if match == "slow_roll":
            return np.asarray(share / (3 * rate * eta))
        # What the rate exceeds eta theta by; of small steps as a series, which loses no digits.
        series = share**2 * (1 / 2 + share / 3 + share**2 / 4)
        excess = np.where(share > 1e-3, rate - share, series)
        return np.asarray(rate**2 / (3 * excess * eta))
