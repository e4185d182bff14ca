"""Means over exp(-tau L)/Z of a spectrum known in part exactly and in part from probes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Thermal", "thermal"]

Floats = npt.NDArray[np.float64]

_ROOM = 1 << 22  # exponentials at a time


@dataclass(frozen=True, slots=True, eq=False)
class Thermal:
    """Entropy, heat capacity and its slope, each of shape (..., T).

    Attributes
    ----------
    entropy : array
        S in nats.
    heat_capacity : array
        C = -dS/d ln tau.
    slope : array
        dC/d ln tau.
    spread : array
        Z(tau)^2 / Z(2 tau), the number of modes that take part.
    """

    entropy: Floats
    heat_capacity: Floats
    slope: Floats
    spread: Floats

    def rows(self) -> list[Thermal]:
        """Return the rows, one for each index of the first axis."""
        parts = (self.entropy, self.heat_capacity, self.slope, self.spread)
        return [Thermal(*row) for row in zip(*parts, strict=True)]


def power_sums(values: Floats, weights: Floats | None, tau: Floats, lowest: float) -> Floats:
    """Return sums of w x^q exp(-tau x), x = values - lowest, q = 0 .. 3, and of w exp(-2 tau x).

    `values` and `weights` have shape (..., M), the result (..., 5, T).
    """
    x = values - lowest
    start = np.ones_like(x) if weights is None else weights
    powers = np.stack([start, start * x, start * x**2, start * x**3], axis=-2)
    out = np.empty((*values.shape[:-1], 5, tau.size))
    step = max(1, _ROOM // max(1, values.size))
    for first in range(0, tau.size, step):
        some = slice(first, first + step)
        decay = np.exp(-tau[some] * x[..., None])
        out[..., :4, some] = powers @ decay
        np.square(decay, out=decay)
        out[..., 4:, some] = start[..., None, :] @ decay
    return out


def thermal(sums: Floats, tau: Floats) -> Thermal:
    """Return what follows from the sums of `power_sums`, shape (..., 5, T).

    NaN where an estimate of Z, of which known modes were taken out, is not positive.
    """
    total = np.where(sums[..., 0, :] > 0, sums[..., 0, :], np.nan)
    m1, m2, m3 = (sums[..., q, :] / total for q in (1, 2, 3))
    variance = m2 - m1**2
    third = m3 - 3 * m2 * m1 + 2 * m1**3
    capacity = tau**2 * variance
    return Thermal(
        tau * m1 + np.log(total),
        capacity,
        2 * capacity - tau**3 * third,
        total**2 / sums[..., 4, :],
    )
