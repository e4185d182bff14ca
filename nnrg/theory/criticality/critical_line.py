"""The edge of chaos, chi_1 = 1, as a line in the plane of sigma_w and sigma_b."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real, shown
from nnrg.activation_functions import Activation, Function, as_activation
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.theory.criticality._critical_points import inverted, line_at
from nnrg.theory.criticality._depth_scales import depth_scales
from nnrg.theory.criticality.fixed_points import MARGINAL, limit_moments
from nnrg.theory.gaussian_averages import selected_moments

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CriticalLine", "critical_line"]

Array = npt.NDArray[np.float64]

_LARGEST = 1e50
_COLUMNS = (
    "sigma_w",
    "sigma_b",
    "sigma_w_error",
    "sigma_b_error",
    "q_error",
    "chi_par",
    "chi_par_error",
)


@dataclass(frozen=True, slots=True)
class CriticalLine:
    """Points of the edge of chaos; arrays of one shape, NaN where there is none.

    Attributes
    ----------
    activation : str
    given : {"sigma_b", "sigma_w", "q"}
        Which of the columns is the grid asked for.
    sigma_w, sigma_b, q : ndarray
        A network with these two has the fixed point q with chi_1 = 1.
    sigma_w_error, sigma_b_error, q_error : ndarray
        Of quadrature, rounding and root finding; zero in the given column.
    chi_par, chi_par_error : ndarray, dimensionless
        Slope of the map of q there; the fixed point is unstable beyond 1.
    xi_q, xi_q_error : ndarray, layers
        -1 / ln |chi_par|; NaN where unstable.
    solutions : ndarray of int
        Critical points found at this value; the row shows a stable one of the smallest q.
    flags : tuple of str
        A word for each row, empty if sound.
    """

    activation: str
    given: str
    sigma_w: Array
    sigma_b: Array
    q: Array
    sigma_w_error: Array
    sigma_b_error: Array
    q_error: Array
    chi_par: Array
    chi_par_error: Array
    xi_q: Array
    xi_q_error: Array
    solutions: npt.NDArray[np.intp]
    flags: tuple[str, ...]

    def __post_init__(self) -> None:
        for value in (getattr(self, name) for name in self.__slots__):
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table with a row for each point."""
        import pandas as pd

        names = ("sigma_w", "sigma_w_error", "sigma_b", "sigma_b_error", "q", "q_error")
        scales = ("chi_par", "chi_par_error", "xi_q", "xi_q_error", "solutions")
        table = {name: getattr(self, name) for name in (*names, *scales)}
        return pd.DataFrame({**table, "flag": list(self.flags)})

    def __str__(self) -> str:
        step = max(1, -(-len(self.q) // 20))
        lines = [
            f"edge of chaos of {self.activation}, chi_1 = 1: {len(self.q)} points by {self.given}, "
            f"largest error of sigma_w {np.nanmax(self.sigma_w_error):.1g}",
            f"  {'sigma_w':>12s}  {'sigma_b':>12s}  {'q*':>12s}  {'chi_par':>9s}  {'xi_q':>9s}",
        ]
        for i in range(0, len(self.q), step):
            lines.append(
                f"  {self.sigma_w[i]:12.9f}  {self.sigma_b[i]:12.9f}  {self.q[i]:12.8g}  "
                f"{self.chi_par[i]:9.6f}  {self.xi_q[i]:9.5g}  {self.flags[i]}".rstrip()
            )
        return "\n".join(lines)


def critical_line(
    activation: str | Activation | Function,
    *,
    sigma_b: npt.ArrayLike | None = None,
    sigma_w: npt.ArrayLike | None = None,
    q: npt.ArrayLike | None = None,
    tolerance: float = 1e-9,
) -> CriticalLine:
    """Return the points of the edge of chaos on a grid of sigma_b, of sigma_w, or of q.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_b, sigma_w, q : array_like
        Exactly one of them: the grid. By q the line is explicit, with all its branches.
    tolerance : float
        Largest error of sigma_w and sigma_b that is not flagged.

    Raises
    ------
    ArgumentError
        If none or several grids are given, or values are negative.
    AnalysisError
        If there is no critical point at any of the values asked for.

    Notes
    -----
    sigma_w^2 = 1 / <phi'^2>_q and sigma_b^2 = q - sigma_w^2 <phi^2>_q are explicit in q. They are
    inverted for 1e-7 < q < 1e7, and at q = 0 where phi(0) = 0; two solutions whose q are within 7 %
    may be missed. Scale-invariant functions are critical at the single point sigma_w^2 = 2 / (a_-^2
    + a_+^2), sigma_b = 0, for every q (NaN here). B. Poole et al., arXiv:1606.05340.

    Examples
    --------
    >>> from nnrg.theory.criticality.critical_line import critical_line
    >>> line = critical_line("tanh", sigma_b=[0.1, 1.0])
    >>> (line.sigma_w**2).round(8).tolist()
    [1.42420529, 3.44321091]
    """
    phi = as_activation(activation)
    grids = {"sigma_b": sigma_b, "sigma_w": sigma_w, "q": q}
    given = [name for name, grid in grids.items() if grid is not None]
    if len(given) != 1:
        raise ArgumentError(
            f"give exactly one grid of sigma_b, sigma_w or q, got {', '.join(given) or 'none'}"
        )
    name = given[0]
    try:
        grid = np.atleast_1d(np.array(grids[name], dtype=np.float64))
    except (TypeError, ValueError):
        grid = np.array([np.nan])
    low_ok = (grid > 0) if name == "q" else (grid >= 0)
    if grid.ndim != 1 or not grid.size or not (grid <= _LARGEST).all() or not low_ok.all():
        raise ArgumentError(
            f"{name} must be finite numbers {'above' if name == 'q' else 'of at least'} zero, and "
            f"at most {_LARGEST:g}, got {shown(grids[name])}"
        )
    if not (limit := as_real("tolerance", tolerance)) > 0:
        raise ArgumentError(f"tolerance must be above zero, got {limit:g}; try 1e-9")
    if phi.slopes is not None:
        line = _single_point(phi, name, grid)
    elif name == "q":
        line = _rows(phi, name, grid, grid, np.ones(len(grid), dtype=np.intp), limit)
    else:
        line = _rows(phi, name, grid, *inverted(phi, name, grid**2), limit)
    if np.isnan(line.sigma_w).all():
        raise AnalysisError(
            f"{phi} has no critical point for {name} from {grid.min():g} to {grid.max():g}: "
            f"{line.flags[0]}; try other values, or a grid of q"
        )
    return line


def _single_point(phi: Activation, name: str, grid: Array) -> CriticalLine:
    assert phi.slopes is not None
    a2 = (phi.slopes[0] ** 2 + phi.slopes[1] ** 2) / 2
    point = a2**-0.5 if a2 else np.nan
    here = {
        "sigma_b": grid == 0,
        "sigma_w": np.abs(grid - point) <= 1e-9 * point,
        "q": np.full(len(grid), a2 > 0),
    }[name]
    nan = np.full(len(grid), np.nan)
    return CriticalLine(
        activation=str(phi),
        given=name,
        sigma_w=np.where(here, point, nan),
        sigma_b=np.where(here, 0.0, nan),
        q=grid if name == "q" else nan,
        sigma_w_error=np.where(here, 4e-16 * point, nan),
        sigma_b_error=np.where(here, 0.0, nan),
        q_error=np.where(here & (name == "q"), 0.0, nan),
        chi_par=np.where(here, 1.0, nan),
        chi_par_error=np.where(here, 0.0, nan),
        xi_q=np.where(here, np.inf, nan),
        xi_q_error=nan,
        solutions=here.astype(np.intp),
        flags=tuple(
            "" if ok else f"critical at sigma_w = {point:.9g}, sigma_b = 0 only" for ok in here
        ),
    )


def _rows(
    phi: Activation,
    name: str,
    grid: Array,
    q: Array,
    solutions: npt.NDArray[np.intp],
    tolerance: float,
) -> CriticalLine:
    columns = {key: np.full(len(q), np.nan) for key in _COLUMNS}
    some = np.flatnonzero(q > 0)
    if len(some):
        at = q[some]
        w2, b2, w2_error, b2_error = line_at(phi, at)
        ends = [line_at(phi, at * (1 + shift)) for shift in (-1e-4, 1e-4)]
        dw2, db2 = ((ends[1][k] - ends[0][k]) / (2e-4 * at) for k in (0, 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            q_error = {
                "sigma_b": b2_error / np.abs(db2) + 1e-15 * at,
                "sigma_w": w2_error / np.abs(dw2) + 1e-15 * at,
                "q": np.zeros(len(at)),
            }[name]
            w2_error = w2_error + np.abs(dw2) * q_error
            b2_error = b2_error + np.abs(db2) * q_error
            w, b = np.sqrt(w2), np.sqrt(np.maximum(b2, 0))
            b = np.where(b2 < -4 * b2_error, np.nan, b)
            # The error of a square root: linear, or that of the square itself next to zero.
            b_error = np.minimum(b2_error / (2 * b), np.sqrt(b2_error))
        missing = np.isnan(b)
        chi_par, chi_par_error = _slopes(phi, at, q_error)
        values = (w, b, w2_error / (2 * w), b_error, q_error, chi_par, chi_par_error)
        for key, value in zip(columns, values, strict=True):
            columns[key][some] = np.where(missing, np.nan, value)
        q = q.copy()
        q[some] = np.where(missing & (name != "q"), np.nan, at)
    zero = np.flatnonzero(q == 0)
    if len(zero):
        m = limit_moments(phi)
        values_0 = (m["slope_square"] ** -0.5, 0.0, 4e-16, 0.0, 0.0, 1.0, 0.0)
        for key, number in zip(columns, values_0, strict=True):
            columns[key][zero] = number
    if name != "q":
        there = np.isfinite(columns["sigma_w"])
        columns[name] = np.where(there, grid, np.nan)
        columns[f"{name}_error"] = np.where(there, 0.0, np.nan)
    xi_q, xi_q_error = depth_scales(columns["chi_par"], columns["chi_par_error"])
    return CriticalLine(
        activation=str(phi),
        given=name,
        q=q,
        xi_q=xi_q,
        xi_q_error=xi_q_error,
        solutions=solutions,
        flags=_flags(columns, solutions, tolerance),
        **columns,
    )


def _slopes(phi: Activation, q: Array, q_error: Array) -> tuple[Array, Array]:
    """Return chi_par = 1 + <phi phi''> / <phi'^2> on the line, and its error."""
    shifts = q * np.array([[1.0], [1 - 1e-4], [1 + 1e-4]])
    m, errors = selected_moments(phi, shifts, ("square", "slope_square", "first"))
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = m["first"] / m["slope_square"]
        of_averages = errors["first"] + np.abs(slopes) * errors["slope_square"]
        drift = np.abs(slopes[2] - slopes[1]) / (2e-4 * q) * q_error
        return slopes[0], of_averages[0] / m["slope_square"][0] + drift


def _flags(
    columns: dict[str, Array], solutions: npt.NDArray[np.intp], tolerance: float
) -> tuple[str, ...]:
    flags = []
    for i, count in enumerate(solutions):
        words = []
        if np.isnan(columns["sigma_w"][i]):
            words.append("no fixed point with chi_1 = 1 and sigma_b^2 >= 0")
        elif abs(columns["chi_par"][i]) > 1 + MARGINAL:
            words.append("q* unstable")
        if max(columns["sigma_w_error"][i], columns["sigma_b_error"][i]) > tolerance:
            words.append("error above tolerance")
        if count > 1:
            words.append(f"one of {count}")
        flags.append(", ".join(words))
    return tuple(flags)
