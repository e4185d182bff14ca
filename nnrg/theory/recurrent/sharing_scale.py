"""After how many steps a linear recurrent network notices that its weights are shared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, as_real
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.linear_recurrent import linear_recurrent_growth
from nnrg.stats.fits import FitResult, correlated_fit
from nnrg.stats.replicates import Replicates

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SharedWeightScale", "shared_weight_scale"]

Array = npt.NDArray[np.float64]

_GROUPS = 24


@dataclass(frozen=True, slots=True)
class SharedWeightScale:
    """How many steps a linear recurrent network takes until sharing has changed the mean.

    Attributes
    ----------
    widths : tuple of int
    level : float
        The growth looked for.
    crossing, error : ndarray of shape (n_widths,)
        T at which it is reached, and one standard deviation.
    expected : float
        T / sqrt(N) at the level of sinh(x/2) / (x/2).
    fit : FitResult
        T = s sqrt(N) + t_0, parameters "s" (`expected`, if the limit holds) and "t0".
    other : FitResult
        T = s N + t_0, the scale of fluctuations in feed-forward networks.
    assumptions : tuple of str
    """

    widths: tuple[int, ...]
    level: float
    crossing: Array
    error: Array
    expected: float
    fit: FitResult
    other: FitResult
    assumptions: tuple[str, ...]

    def to_dataframe(self) -> pd.DataFrame:
        """Return columns ``width, crossing, error, ratio`` with ratio = T / sqrt(N)."""
        import pandas as pd

        widths = np.array(self.widths)
        return pd.DataFrame(
            {
                "width": widths,
                "crossing": self.crossing,
                "error": self.error,
                "ratio": self.crossing / np.sqrt(widths),
            }
        )

    def __str__(self) -> str:
        return (
            f"steps T until E tr(W^T W^T^T) / N = {self.level:g}; T / sqrt(N) -> "
            f"{self.expected:.4f} in theory\n{self.to_dataframe().to_string(index=False)}\n"
            f"T = s sqrt(N) + t0: {self.fit}\nT = s N + t0: {self.other}"
        )


def shared_weight_scale(
    widths: tuple[int, ...] = (64, 128, 256, 512, 1024),
    n_networks: int = 2400,
    *,
    level: float = 1.5,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
) -> SharedWeightScale:
    """Measure how the number of steps until sharing matters grows with the width.

    Parameters
    ----------
    widths : tuple of int
        At least four, each of at least 8.
    n_networks : int
        Of each width, at least 48.
    level : float
        From 1.05 to 3: the growth of the mean square of the signal that counts.
    rng : numpy.random.Generator, SeedSequence, int or None

    Raises
    ------
    ArgumentError
        If a number is out of range.
    AnalysisError
        If a width does not reach the level.

    Notes
    -----
    T^2 ~ N is the straight line T = s sqrt(N) + t_0, fitted with the errors over networks, and
    next to it T ~ N. Below N of about 64 there are further corrections. In a feed-forward network
    the mean does not change at all, and only its fluctuations, of relative variance
    (1 + 2/N)^T - 1, grow: with T ~ N.

    Examples
    --------
    >>> from nnrg.theory.recurrent.sharing_scale import shared_weight_scale
    >>> scale = shared_weight_scale((32, 48, 64, 96, 128), 1200, rng=3)
    >>> slope = scale.fit.estimate("s")
    >>> bool(abs(slope.value - scale.expected) < 4 * slope.error), scale.other.chi2 > scale.fit.chi2
    (True, True)
    """
    sizes = tuple(as_count("width", n, 8) for n in widths)
    if len(set(sizes)) < 4:
        raise ArgumentError(f"widths must be four or more different ones, got {sizes}")
    members = as_count("n_networks", n_networks, 2 * _GROUPS)
    height = as_real("level", level)
    if not 1.05 <= height <= 3:
        raise ArgumentError(f"level must be from 1.05 to 3, got {height:g}")
    seed = as_seed(rng)
    expected = _limit_crossing(height)
    values, replicates = [], []
    for n, child in zip(sizes, seed.spawn(len(sizes)), strict=True):
        steps = math.ceil(2 * expected * math.sqrt(n)) + 4
        curves = np.array(
            [
                linear_recurrent_growth(n, steps, members // _GROUPS, rng=one).mean
                for one in child.spawn(_GROUPS)
            ]
        )
        whole = curves.mean(axis=0)
        values.append(_crossing(whole, height, n))
        left_out = (whole * _GROUPS - curves) / (_GROUPS - 1)
        replicates.append([_crossing(curve, height, n) for curve in left_out])
    data = Replicates.from_jackknife(values, np.array(replicates).T)

    x = np.array(sizes, dtype=np.float64)
    fit, other = (
        correlated_fit(
            np.stack([column, np.ones(len(x))], axis=1),
            x,
            data,
            names=("s", "t0"),
            covariance="diagonal",
        )
        for column in (np.sqrt(x), x)
    )
    error = np.array([e.error for e in data.estimates()])
    crossing = np.array(values)
    for array in (crossing, error):
        array.flags.writeable = False
    assumptions = ("linear activation", "a constant corrects T ~ sqrt(N)")
    return SharedWeightScale(sizes, height, crossing, error, expected, fit, other, assumptions)


def _limit_crossing(level: float) -> float:
    from scipy.optimize import brentq

    x = brentq(lambda y: math.sinh(y / 2) / (y / 2) - level, 1e-6, 20.0)
    return math.sqrt(x)


def _crossing(curve: Array, level: float, width: int) -> float:
    """T at which a curve rises through a level first, by its logarithm between whole steps."""
    above = np.flatnonzero(curve >= level)
    if not above.size:
        raise AnalysisError(
            f"the growth must reach {level:g}, but networks of width {width} do not in "
            f"{len(curve) - 1} steps; try more networks or a lower level"
        )
    k = int(above[0])
    low, high = np.log(curve[k - 1]), np.log(curve[k])
    return float(k - 1 + (math.log(level) - low) / (high - low))
