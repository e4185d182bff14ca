"""Times at which diffusion meets a scale of the graph: maxima of the heat capacity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.graph.spectral._thermal import Thermal
from nnrg.graph.spectral.dimension import as_measure
from nnrg.graph.spectral.measure import Rng, SpectralMeasure
from nnrg.stats.estimate import format_value_error

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CharacteristicTimes", "characteristic_times"]

Floats = npt.NDArray[np.float64]

SIGNIFICANT = 3.0
LEAST = 1e-6  # height over the neighbouring minima below which a maximum is rounding
HALVINGS = 48


@dataclass(frozen=True, slots=True, eq=False)
class CharacteristicTimes:
    """Local maxima of C(tau), in the order of time.

    Attributes
    ----------
    tau, tau_errors : arrays of shape (P,)
        Times of the maxima, one standard deviation of each.
    heat_capacity, heat_capacity_errors : arrays of shape (P,)
        C there.
    prominence : array of shape (P,)
        Height over the higher of the two neighbouring minima.
    probes : int
        Random vectors that the errors are from; 0 if all eigenvalues are known.
    """

    tau: Floats
    tau_errors: Floats
    heat_capacity: Floats
    heat_capacity_errors: Floats
    prominence: Floats
    probes: int

    def __post_init__(self) -> None:
        for name in ("tau", "tau_errors", "heat_capacity", "heat_capacity_errors", "prominence"):
            getattr(self, name).flags.writeable = False

    def __len__(self) -> int:
        return int(self.tau.size)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row a maximum."""
        import pandas as pd

        return pd.DataFrame(
            {
                "tau": self.tau,
                "tau_error": self.tau_errors,
                "heat_capacity": self.heat_capacity,
                "heat_capacity_error": self.heat_capacity_errors,
                "prominence": self.prominence,
            }
        )

    def __str__(self) -> str:
        lines = [f"{len(self)} maxima of C", f"{'tau':>14}  {'C':>12}  {'prominence':>10}"]
        for i in range(len(self)):
            lines.append(
                f"{_short(self.tau[i], self.tau_errors[i]):>14}  "
                f"{_short(self.heat_capacity[i], self.heat_capacity_errors[i]):>12}  "
                f"{self.prominence[i]:10.4g}"
            )
        return "\n".join(lines)


def _short(value: float, error: float) -> str:
    return format_value_error(value, error) if error > 0 else f"{value:.6g}"


def characteristic_times(
    graph: object, *, kind: str = "combinatorial", method: str = "auto", rng: Rng = None
) -> CharacteristicTimes:
    r"""Return the times at which C(tau) has a maximum: the scales that the graph has.

    Parameters
    ----------
    graph : ConnectionGraph, SciPy sparse matrix, SpectralMeasure or SpectralFlow
    kind, method, rng
        As in `spectral_measure`; not used where the spectrum is given.

    Returns
    -------
    CharacteristicTimes
        Of maxima that stand out from their neighbouring minima by three errors. A maximum at the
        end of what the estimate resolves is none.

    Raises
    ------
    ArgumentError, NonFiniteError, AnalysisError
        As `spectral_measure`.

    Notes
    -----
    The derivative :math:`dC / d\ln\tau = 2 C - \tau^3 \kappa_3(\lambda)`, with the third cumulant
    under exp(-tau L)/Z, is exact; its zeros are found again without each probe and with fewer
    steps, which gives the errors.

    Examples
    --------
    >>> from nnrg.simulate.graphs import complete
    >>> found = characteristic_times(complete(64))
    >>> found.tau.round(5).tolist(), found.heat_capacity.round(6).tolist()
    ([0.078], [5.229931])
    """
    measure = as_measure(graph, kind, method, rng)
    tau = measure.times
    full = measure.at(tau)
    slope, capacity = full.slope, full.heat_capacity
    tops = np.flatnonzero((slope[:-1] > 0) & (slope[1:] <= 0))
    valleys = np.flatnonzero((slope[:-1] <= 0) & (slope[1:] > 0))
    random, cut = measure.errors(tau, lambda t: t.heat_capacity)
    noise = np.hypot(random, cut)
    kept: list[tuple[int, float]] = []
    for i in tops:
        before, after = valleys[valleys < i], valleys[valleys > i]
        left = int(before[-1]) if before.size else 0
        right = int(after[0]) if after.size else tau.size - 1
        top = max(capacity[i], capacity[i + 1])
        height = float(top - max(capacity[left : i + 1].min(), capacity[i : right + 1].min()))
        if height > max(LEAST, SIGNIFICANT * float(noise[i])):
            kept.append((int(i), height))
    rows = np.array([_maximum(measure, *np.log(tau[i : i + 2])) for i, _ in kept])
    rows = rows.reshape(len(kept), 4)
    return CharacteristicTimes(
        rows[:, 0].copy(),
        rows[:, 1].copy(),
        rows[:, 2].copy(),
        rows[:, 3].copy(),
        np.array([height for _, height in kept]),
        measure.probes,
    )


def _maximum(
    measure: SpectralMeasure, low: float, high: float
) -> tuple[float, float, float, float]:
    """Return time and C of the maximum between two ln tau, each with its error."""
    a, b = low, high
    for _ in range(HALVINGS):
        middle = (a + b) / 2
        rises = measure.at(np.exp([middle])).slope[0] > 0
        a, b = (middle, b) if rises else (a, middle)
    here = np.exp((a + b) / 2)
    top = float(measure.at(np.array([here])).heat_capacity[0])
    if not measure.probes:
        return float(here), 0.0, top, 0.0
    # Without a probe the maximum may lie outside of where it was found.
    wide = high - low
    grid = np.linspace(low - 3 * wide, high + 3 * wide, 57)

    def maximum(t: Thermal) -> Floats:
        if t.slope.ndim == 1:
            return _crossing(grid, t)
        return np.array([_crossing(grid, row) for row in t.rows()])

    error = np.hypot(*measure.errors(np.exp(grid), maximum))
    return float(here), float(here * error[0]), top, float(error[1])


def _crossing(grid: Floats, t: Thermal) -> Floats:
    """Return ln tau and C where the slope passes zero downwards, nearest to the middle; or NaN."""
    falls = np.flatnonzero((t.slope[:-1] > 0) & (t.slope[1:] <= 0))
    if not falls.size:
        return np.full(2, np.nan)
    i = falls[np.argmin(np.abs(falls + 0.5 - (grid.size - 1) / 2))]
    share = t.slope[i] / (t.slope[i] - t.slope[i + 1])
    at = grid[i] + share * (grid[i + 1] - grid[i])
    return np.array([at, np.interp(at, grid, t.heat_capacity)])
