"""Fixed points and depth scales on a grid of sigma_w and sigma_b, all points at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real, shown
from nnrg.activation_functions import Activation, Function, as_activation
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.theory._roots import log_grid
from nnrg.theory.criticality._correlation import correlation_fixed_point
from nnrg.theory.criticality._depth_scales import depth_scales
from nnrg.theory.criticality._hermite import chaotic_fixed_points
from nnrg.theory.criticality.fixed_points import MARGINAL, bracketed_fixed_points
from nnrg.theory.gaussian_averages import selected_moments

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["PhaseDiagram", "phase_diagram"]

Array = npt.NDArray[np.float64]

_LOWEST, _HIGHEST, _PER_DECADE, _BEYOND = 1e-9, 1e8, 24, 1e60
# What the expansion of the correlation map may leave open of c*.
_OPEN = 1e-8


@dataclass(frozen=True, slots=True)
class PhaseDiagram:
    """Mean-field theory on a grid; arrays of shape (len(sigma_b), len(sigma_w)).

    Attributes
    ----------
    activation : str
    q0 : float
        Variance in the first layer.
    sigma_w, sigma_b : ndarray
        The axes.
    q, q_error : ndarray
        Fixed point of the variance; NaN where it diverges.
    chi_1, chi_1_error, chi_par : ndarray, dimensionless
        As in `MeanField`; NaN where q diverges.
    c, c_error : ndarray, dimensionless
        Fixed point of the correlation; NaN where q is 0 or diverges.
    xi_q, xi_q_error, xi_c, xi_c_error : ndarray, layers
        Depth scales; infinite on the edge.
    phase : ndarray of int
        -1 ordered, 0 critical, 1 chaotic, 2 where q diverges.
    """

    activation: str
    q0: float
    sigma_w: Array
    sigma_b: Array
    q: Array
    q_error: Array
    chi_1: Array
    chi_1_error: Array
    chi_par: Array
    c: Array
    c_error: Array
    xi_q: Array
    xi_q_error: Array
    xi_c: Array
    xi_c_error: Array
    phase: npt.NDArray[np.int8]

    def __post_init__(self) -> None:
        for value in (getattr(self, name) for name in self.__slots__):
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def to_xarray(self) -> xr.Dataset:
        """Return all arrays with their axes."""
        import xarray as xr

        axes = ("sigma_b", "sigma_w")
        names = [name for name in self.__slots__ if np.ndim(getattr(self, name)) == 2]
        return xr.Dataset(
            {name: (axes, getattr(self, name)) for name in names},
            coords={name: getattr(self, name) for name in axes},
            attrs={"activation": self.activation, "q0": self.q0},
        )

    def __str__(self) -> str:
        letters = np.array(["x", ".", "o", "C"])[(self.phase + 2) % 4]
        rows = np.unique(np.linspace(0, len(self.sigma_b) - 1, 16).round().astype(int))[::-1]
        columns = np.unique(np.linspace(0, len(self.sigma_w) - 1, 60).round().astype(int))
        lines = [
            f"phases of {self.activation}: . ordered, o critical, C chaotic, x q diverges",
            *(f"  {self.sigma_b[i]:8.4g}  {''.join(letters[i, columns])}" for i in rows),
            f"   sigma_b  sigma_w from {self.sigma_w[0]:.4g} to {self.sigma_w[-1]:.4g}",
        ]
        return "\n".join(lines)


def phase_diagram(
    activation: str | Activation | Function,
    sigma_w: npt.ArrayLike,
    sigma_b: npt.ArrayLike,
    *,
    q0: float = 1.0,
) -> PhaseDiagram:
    """Return fixed points, phases and depth scales on a grid of sigma_w and sigma_b.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_w, sigma_b : array_like of shape (n,)
        Increasing, at least zero.
    q0 : float
        Variance in the first layer, from which the fixed point is reached.

    Raises
    ------
    ArgumentError
        If an axis does not increase or is negative.
    AnalysisError
        If <phi^2> falls with q: fixed points then have to be sought one by one, by `MeanField`.

    Notes
    -----
    The numbers are those of `MeanField`. c* and the slope there come from the expansion of the
    correlation map in powers of c (squares of the Hermite coefficients of phi), and from quadrature
    where that has not converged. Pairs of fixed points closer than 10 % in q are not seen.

    Examples
    --------
    >>> from nnrg.theory.criticality.phase_diagram import phase_diagram
    >>> phase_diagram("tanh", [0.8, 1.3, 2.5], [0.1, 0.3]).phase.tolist()
    [[-1, 1, 1], [-1, -1, 1]]
    """
    phi = as_activation(activation)
    w, b = _axis("sigma_w", sigma_w), _axis("sigma_b", sigma_b)
    start = as_real("q0", q0)
    if not start > 0:
        raise ArgumentError(f"q0 must be above zero, got {start:g}; it is a variance, try 1")
    shape = (len(b), len(w))
    w2, b2 = (np.broadcast_to(x, shape).ravel() for x in (w[None] ** 2, b[:, None] ** 2))
    q = _fixed_points(phi, w2, b2, start)
    chi_1, chi_par, c, slope = (np.full(q.shape, np.nan) for _ in range(4))
    q_error, chi_1_error, chi_par_error, c_error, slope_error = (q * 0 for _ in range(5))
    some = np.flatnonzero(np.isfinite(q))
    if len(some):
        # Where q goes to zero, its slopes are those of the limit.
        at = np.maximum(q[some], 1e-20)
        m, errors = selected_moments(phi, at, ("square", "slope_square", "first"))
        ends = [
            selected_moments(phi, at * (1 + s * 1e-4), ("square", "slope_square", "first"))[0]
            for s in (-1, 1)
        ]
        chi_1[some], chi_par[some] = w2[some] * m["slope_square"], w2[some] * m["first"]
        residual = w2[some] * errors["square"] + 4e-16 * (q[some] + b2[some])
        with np.errstate(divide="ignore"):
            q_error[some] = residual / np.abs(1 - chi_par[some])
        # Signals that die out are at 0 exactly, and those of scale-invariant functions at q0.
        q_error[(q == 0) | ((q == start) & (phi.slopes is not None))] = 0.0
        for name, out in (("slope_square", chi_1_error), ("first", chi_par_error)):
            drift = np.abs(ends[1][name] - ends[0][name]) / (2e-4 * at) * q_error[some]
            out[some] = w2[some] * (errors[name] + drift)
    critical = np.abs(chi_1 - 1) <= np.maximum(MARGINAL, chi_1_error)
    settled = (q > 0) & ((chi_1 < 1) | critical)
    c[settled], slope[settled], slope_error[settled] = 1.0, chi_1[settled], chi_1_error[settled]
    chaotic = np.flatnonzero((q > 0) & (chi_1 > 1) & ~critical)
    if len(chaotic):
        found = chaotic_fixed_points(phi, w2[chaotic], b2[chaotic], q[chaotic])
        for i, place in enumerate(chaotic):
            row = tuple(float(x[i]) for x in found)
            if not row[1] <= _OPEN * max(1 - row[0], 1e-6):
                here = float(w2[place]), float(b2[place]), float(q[place])
                row = correlation_fixed_point(phi, *here, float(q_error[place]))
            c[place], c_error[place], slope[place], slope_error[place] = row
    xi_q, xi_q_error = depth_scales(chi_par, chi_par_error)
    xi_c, xi_c_error = depth_scales(slope, slope_error)
    phase = np.where(chi_1 > 1, 1, -1)
    phase = np.where(np.isnan(q), 2, np.where(critical, 0, phase)).astype(np.int8)
    c_error = np.where(np.isnan(c), np.nan, c_error)
    columns = {
        "q": q,
        "q_error": q_error,
        "chi_1": chi_1,
        "chi_1_error": chi_1_error,
        "chi_par": chi_par,
        "c": c,
        "c_error": c_error,
        "xi_q": xi_q,
        "xi_q_error": xi_q_error,
        "xi_c": xi_c,
        "xi_c_error": xi_c_error,
    }
    return PhaseDiagram(
        activation=str(phi),
        q0=start,
        sigma_w=w,
        sigma_b=b,
        phase=phase.reshape(shape),
        **{name: value.reshape(shape) for name, value in columns.items()},
    )


def _axis(name: str, values: npt.ArrayLike) -> Array:
    try:
        axis = np.array(values, dtype=np.float64, ndmin=1)
    except (TypeError, ValueError):
        axis = np.array([np.nan])
    good = axis.ndim == 1 and axis.size and np.isfinite(axis).all() and axis[0] >= 0
    if not good or not (np.diff(axis) > 0).all():
        raise ArgumentError(
            f"{name} must be increasing finite numbers of at least zero, got {shown(values)}"
        )
    return axis


def _fixed_points(phi: Activation, w2: Array, b2: Array, q0: float) -> Array:
    """Return the fixed point of q reached from q0, NaN where it diverges."""
    if phi.slopes is not None:
        a2 = w2 * (phi.slopes[0] ** 2 + phi.slopes[1] ** 2) / 2
        kept = (np.abs(a2 - 1) <= MARGINAL) & (b2 == 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            q_star = np.where(a2 < 1, b2 / (1 - a2), np.nan)
        return np.asarray(np.where(kept, q0, q_star))
    low = float(min(_LOWEST, np.min(b2[b2 > 0], initial=1.0) / 2))
    far = selected_moments(phi, np.array([_HIGHEST]), ("square",))[0]["square"][0]
    top = far * w2.max() + b2.max()
    # A bounded function may have its fixed point further out.
    high = min(1e3 * top, _BEYOND) if top > _HIGHEST else _HIGHEST
    grid = np.sort(np.append(log_grid(low, high, _PER_DECADE), q0))
    m, _ = selected_moments(phi, grid, ("square", "first"))
    if not (m["first"][np.isfinite(m["first"])] >= -1e-12).all():
        raise AnalysisError(
            f"<phi^2> of {phi} falls with q, so that q may alternate; take MeanField point by point"
        )
    middle = int(np.searchsorted(grid, q0))
    q = np.full(len(w2), np.nan)
    lows: list[float] = []
    highs: list[float] = []
    where: list[int] = []
    for i in range(len(w2)):
        excess = w2[i] * m["square"] + b2[i] - grid
        excess[np.isnan(excess)] = np.inf
        if excess[middle] > 0:
            ahead = np.flatnonzero(excess[middle:] <= 0)
            ends = (middle + ahead[0] - 1, middle + ahead[0]) if len(ahead) else None
        else:
            behind = np.flatnonzero(excess[: middle + 1] > 0)
            ends = (behind[-1], behind[-1] + 1) if len(behind) else None
            if ends is None:
                q[i] = 0.0
        if ends is not None:
            lows.append(grid[ends[0]])
            highs.append(grid[ends[1]])
            where.append(i)
    if where:
        ours = np.array(where)
        q[ours] = bracketed_fixed_points(phi, w2[ours], b2[ours], np.log(lows), np.log(highs))
    return q
