"""What weights shared by all time steps do to a linear network, unlike those of layers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.simulate.linear_recurrent import linear_recurrent_growth
from nnrg.theory.recurrent._wick import power_moment

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SharedWeightGrowth", "shared_weight_growth", "shared_weight_moments"]

Array = npt.NDArray[np.float64]

_EXACT = 12


@dataclass(frozen=True, slots=True)
class SharedWeightGrowth:
    """E tr(W^T W^T^T) / N of a linear recurrent network, relative to the feed-forward one.

    Attributes
    ----------
    width, n_networks : int
    steps : ndarray of shape (n,)
        T = 0, 1, ...
    exact : ndarray of shape (n,)
        By Wick's theorem; NaN for T > 12.
    measured, error : ndarray of shape (n,)
        Over networks, one standard deviation.
    limit : ndarray of shape (n,)
        sinh(x/2) / (x/2), x = T^2 / N, what it tends to for T and N to infinity at fixed x.
    assumptions : tuple of str
    flag : str
    """

    width: int
    n_networks: int
    steps: npt.NDArray[np.int64]
    exact: Array
    measured: Array
    error: Array
    limit: Array
    assumptions: tuple[str, ...]
    flag: str

    def to_dataframe(self) -> pd.DataFrame:
        """Return columns ``steps, x, feed_forward, exact, measured, error, sigmas, limit``."""
        import pandas as pd

        with np.errstate(divide="ignore", invalid="ignore"):
            sigmas = (self.measured - self.exact) / self.error
        return pd.DataFrame(
            {
                "steps": self.steps,
                "x": self.steps**2 / self.width,
                "feed_forward": 1.0,
                "exact": self.exact,
                "measured": self.measured,
                "error": self.error,
                "sigmas": sigmas,
                "limit": self.limit,
            }
        )

    def __str__(self) -> str:
        frame = self.to_dataframe()
        keep = np.unique(np.linspace(1, len(frame) - 1, 14).astype(int))
        table = frame.iloc[keep].to_string(index=False, float_format="{:.6g}".format)
        head = f"E tr(W^T W^T^T) / N of linear networks of width {self.width}, sigma_w = 1"
        return f"{head}\n{table}" + (f"\nflag: {self.flag}" if self.flag else "")


def shared_weight_moments(steps: int) -> tuple[int, ...]:
    r"""Return E tr(W^T W^T^T) / N of a linear recurrent network exactly, as a series in 1/N.

    Parameters
    ----------
    steps : int
        T from 0 to 12.

    Returns
    -------
    tuple of int
        Coefficients of 1, 1/N, 1/N^2, ... 1/N^T, for W_ij ~ N(0, 1/N).

    Raises
    ------
    ArgumentError
        If `steps` is out of range.

    Notes
    -----
    Wick's theorem over the (2T - 1)!! pairings, each a surface of Euler characteristic chi, which
    counts N^(chi - 2): without the planar one the sum would vanish, and there is none of order 1/N.
    A feed-forward network has the planar pairing alone and gives exactly 1.

    Examples
    --------
    >>> from nnrg.theory.recurrent.shared_weights import shared_weight_moments
    >>> shared_weight_moments(2), shared_weight_moments(3)
    ((1, 0, 2), (1, 0, 10, 4))
    """
    total = as_count("steps", steps, 0, _EXACT, hint="use linear_recurrent_growth beyond")
    return power_moment(total) if total else (1,)


def shared_weight_growth(
    width: int,
    steps: int,
    n_networks: int = 4000,
    *,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
) -> SharedWeightGrowth:
    """Compare how linear recurrent networks carry a signal with exact moments and the limit.

    Parameters
    ----------
    width : int
        N >= 2.
    steps : int
        Largest T >= 1.
    n_networks : int
        Of the measurement, at least 2.
    rng : numpy.random.Generator, SeedSequence, int or None

    Returns
    -------
    SharedWeightGrowth
        For sigma_w = 1; at another gain everything is multiplied by sigma_w^(2T).

    Raises
    ------
    ArgumentError
        If a number is out of range.

    Notes
    -----
    For complex Gaussian matrices E tr(W^T W^T^+) / N = N^-(T+1) [(N+T+1)! / (N-1)! - N! /
    (N-T-2)!] / ((T+1) (T+2)), whence the limit; real ones differ from it by terms of order
    1 / sqrt(N) at fixed x. The mean is carried by ever rarer networks as x grows: beyond x of
    about 8 the measurement falls short of it.

    Examples
    --------
    >>> from nnrg.theory.recurrent.shared_weights import shared_weight_growth
    >>> found = shared_weight_growth(16, 4, rng=1)
    >>> round(float(found.exact[4]), 8)
    1.11694336
    >>> bool(abs(found.measured[4] - found.exact[4]) < 4 * found.error[4])
    True
    """
    run = linear_recurrent_growth(width, steps, n_networks, rng=rng)
    exact = np.full(len(run.steps), np.nan)
    for t in run.steps[: _EXACT + 1]:
        series = shared_weight_moments(int(t))
        exact[t] = math.fsum(c / run.width**k for k, c in enumerate(series))
    x = run.steps**2 / run.width
    limit = np.ones(len(x))
    limit[1:] = np.sinh(np.minimum(x[1:] / 2, 700)) / (x[1:] / 2)
    rare = run.error > 0.1 * run.mean
    if rare.any():
        flag = f"from T = {int(rare.argmax())} on rare networks carry the mean"
    else:
        flag = ""
    for array in (exact, limit):
        array.flags.writeable = False
    assumptions = ("linear activation", "no bias, no noise", "W_ij ~ N(0, 1/N), shared")
    return SharedWeightGrowth(
        run.width, run.n_networks, run.steps, exact, run.mean, run.error, limit, assumptions, flag
    )
