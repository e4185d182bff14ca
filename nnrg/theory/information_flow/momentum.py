"""The flow of a local action with a momentum cutoff: integrating modes at fixed sigma_w."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gamma, pi
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.cumulants import align
from nnrg.stats.estimate import Estimate, shown_number
from nnrg.stats.replicates import Replicates
from nnrg.theory.information_flow import scales as statements

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MomentumFlow", "flow_equation", "momentum_flow"]

Floats = npt.NDArray[np.float64]

NAMES = ("mass2", "quartic", "sextic")
_STRONG = 1.0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MomentumFlow:
    """Couplings of a local action against the momentum k down to which modes are integrated.

    Attributes
    ----------
    dimension : int
        d of the inputs.
    momenta : array of shape (n,)
        k, in the inverse unit of the inputs; from 0, where the couplings are those of the effective
        action, to the cutoff, where they are those of the action.
    values, errors : arrays of shape (n, 3)
        m^2, g_4 and g_6 at k in canonical normalisation; the errors of the start and of the solver.
    solver_error : float
        Largest change, relative, when the tolerance of the solver is a hundred times larger.
    replicates : Replicates
        Of ``values``, row by row.
    assumptions : tuple of str
    flags : tuple of str, one for each k
    """

    dimension: int
    momenta: Floats
    values: Floats
    errors: Floats
    solver_error: float
    replicates: Replicates
    assumptions: tuple[str, ...]
    flags: tuple[str, ...]
    scale: str = statements.MOMENTUM

    def __post_init__(self) -> None:
        for array in (self.momenta, self.values, self.errors):
            array.flags.writeable = False

    def estimate(self, name: str, at: int) -> Estimate:
        """Return one coupling at the at-th momentum.

        Raises
        ------
        ArgumentError
            If there is no such coupling or momentum.
        """
        if name not in NAMES:
            raise ArgumentError(f"name must be one of {', '.join(NAMES)}, got {shown(name)}")
        at, c = as_count("at", at, 0, len(self.momenta) - 1), NAMES.index(name)
        return Estimate(float(self.values[at, c]), float(self.errors[at, c]), flag=self.flags[at])

    def sigma_w(self) -> Replicates:
        """Return sigma_w of a network whose kernel has the mass at each k: sqrt(d m^2 / 2)."""
        at = 3 * np.arange(len(self.momenta))
        return self.replicates.select(at).map(lambda row: np.sqrt(self.dimension * row / 2))

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each momentum and coupling."""
        import pandas as pd

        n = len(self.momenta)
        return pd.DataFrame(
            {
                "momentum": np.repeat(self.momenta, 3),
                "coupling": list(NAMES) * n,
                "value": self.values.ravel(),
                "error": self.errors.ravel(),
                "flag": np.repeat(self.flags, 3),
            }
        )

    def __str__(self) -> str:
        rows = [["k", *NAMES]]
        for k, value, error in zip(self.momenta, self.values, self.errors, strict=True):
            cells = [shown_number(v, e) for v, e in zip(value, error, strict=True)]
            rows.append([f"{k:.4g}", *cells])
        lines = [
            f"local potential in d = {self.dimension}, solver error {self.solver_error:.1e}",
            align(rows, left=(0,)),
        ]
        lines += [f"flag: {flag}" for flag in dict.fromkeys(filter(None, self.flags))]
        return "\n".join([*lines, self.scale])


def flow_equation(k: float, couplings: Floats, dimension: int) -> Floats:
    r"""Return d/dk of (m^2, g_4, g_6) of a polynomial potential.

    Parameters
    ----------
    k : float
        Momentum, positive.
    couplings : array of shape (3,)
    dimension : int

    Notes
    -----
    From :math:`k \partial_k U = v_d k^{d+2} / (k^2 + U'')` of the sharpest smooth regulator (D. F.
    Litim, hep-th/0103195), :math:`v_d^{-1} = 2^d \pi^{d/2} \Gamma(d/2 + 1)`, at the origin, with
    g_8 = 0. With :math:`P = k^2 + m^2`

    .. math:: k \partial_k m^2 = -v k^{d+2} g_4 / P^2, \quad
              k \partial_k g_4 = v k^{d+2} (6 g_4^2 / P^3 - g_6 / P^2), \quad
              k \partial_k g_6 = v k^{d+2} (30 g_4 g_6 / P^3 - 90 g_4^3 / P^4) .
    """
    m2, g4, g6 = couplings
    p = k * k + m2
    v = k ** (dimension + 1) / (2**dimension * pi ** (dimension / 2) * gamma(dimension / 2 + 1))
    return np.array(
        [
            -v * g4 / p**2,
            v * (6 * g4**2 / p**3 - g6 / p**2),
            v * (30 * g4 * g6 / p**3 - 90 * g4**3 / p**4),
        ]
    )


def momentum_flow(
    couplings: Replicates | Sequence[float],
    momenta: Sequence[float],
    *,
    dimension: int,
    tolerance: float = 1e-9,
) -> MomentumFlow:
    """Follow mass, quartic and sextic coupling with the momentum cutoff at fixed sigma_w.

    Parameters
    ----------
    couplings : Replicates of three numbers, or (m^2, g_4, g_6)
        At the first momentum, in canonical normalisation; m^2 > 0. What connected correlators give
        (`sigma_flow`) is at k = 0.
    momenta : sequence of float
        k, monotonic, at least two, none negative.
    dimension : int
        d of the inputs.
    tolerance : float, dimensionless
        Of the solver.

    Returns
    -------
    MomentumFlow

    Raises
    ------
    ArgumentError
        If there are not three couplings, or the momenta are not monotonic.
    AnalysisError
        If the flow ends: k^2 + m^2 reaches zero, or a coupling diverges.

    Notes
    -----
    The other reading of the flow of H. Erbin, V. Lahoche and D. O. Samary (arXiv:2212.11811): the
    networks stay as they are, and the momentum down to which modes are integrated changes. From k =
    0 up to the cutoff sigma_w it undoes the integration. Local potential only: `flow_equation`.
    Each replicate is followed on its own.

    Examples
    --------
    >>> flow = momentum_flow([2.0, 0.1, 0.0], [0.0, 1.0], dimension=1)
    >>> flow.values.round(4).tolist()
    [[2.0, 0.1, 0.0], [1.9984, 0.1004, -0.0002]]
    """
    d = as_count("dimension", dimension)
    tolerance = as_real("tolerance", tolerance)
    if not 1e-12 <= tolerance <= 1e-2:
        raise ArgumentError(f"tolerance must be from 1e-12 to 0.01, got {tolerance:g}; try 1e-9")
    k = np.array([as_real("momentum", one) for one in momenta], dtype=np.float64)
    steps = np.diff(k)
    if len(k) < 2 or k.min() < 0 or not ((steps > 0).all() or (steps < 0).all()):
        raise ArgumentError(
            f"momenta must be two or more, rising or falling, none negative, got {shown(momenta)}"
        )
    if isinstance(couplings, Replicates):
        start = couplings
    else:
        given = np.array([as_real("coupling", one) for one in couplings], dtype=np.float64)
        start = Replicates.from_covariance(given, np.zeros(given.size))
    if start.values.size != 3 or not np.isfinite(start.values).all() or not start.values[0] > 0:
        raise ArgumentError(
            "couplings must be three finite numbers m^2 > 0, g_4, g_6, got "
            f"{shown(start.values.tolist())}"
        )
    whole = _solve(start.values, k, d, tolerance)
    coarse = _solve(start.values, k, d, 100 * tolerance)
    size = np.maximum(np.abs(whole).max(axis=0), 1e-300)
    off = np.abs(coarse - whole)
    distinct, where = np.unique(start.replicates, axis=0, return_inverse=True)
    each = np.stack([_solve(row, k, d, tolerance).ravel() for row in distinct])
    data = start.derived(whole.ravel(), each[where.ravel()])
    ratio = (
        np.abs(whole[:, 1]) * k ** max(d - 4, 0) / np.maximum(whole[:, 0], 1e-300) ** (2 - d / 2)
    )
    return MomentumFlow(
        dimension=d,
        momenta=k,
        values=whole,
        errors=np.hypot(data.errors().reshape(whole.shape), off),
        solver_error=float((off / size).max()),
        replicates=data,
        assumptions=(
            "local potential: no momentum dependence of vertices, no wave-function renormalisation",
            "g_8 and beyond are zero; the kinetic term is p^2 alone, not exp(d p^2 / 2 sigma_w^2)",
        ),
        flags=tuple(
            "strong coupling: g_4 / m^(4 - d) is above 1, the polynomial is not to be trusted"
            if one > _STRONG
            else ""
            for one in ratio
        ),
    )


def _solve(start: Floats, k: Floats, dimension: int, tolerance: float) -> Floats:
    """Integrate the flow equation along k, shape (n, 3)."""
    from scipy.integrate import solve_ivp

    def singular(at: float, y: Floats) -> float:
        return float(at * at + y[0] - 1e-6 * (1 + start[0]))

    singular.terminal = True  # type: ignore[attr-defined]
    unit = np.maximum(np.abs(start), [start[0], start[0], start[0]])
    with np.errstate(over="ignore", invalid="ignore"):
        found = solve_ivp(
            lambda at, y: flow_equation(at, y, dimension),
            (k[0], k[-1]),
            start,
            method="DOP853",
            t_eval=k,
            rtol=tolerance,
            atol=1e-3 * tolerance * unit,
            events=singular,
        )
    if found.status != 0 or found.y.shape[1] != len(k) or not np.isfinite(found.y).all():
        last = float(found.t[-1]) if len(found.t) else float(k[0])
        raise AnalysisError(
            f"the flow ends after k = {last:.4g}: k^2 + m^2 reaches zero or a coupling diverges; "
            "stop before, or take weaker couplings"
        )
    return np.asarray(found.y.T)
