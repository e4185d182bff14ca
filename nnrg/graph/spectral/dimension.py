"""The spectral dimension: twice the plateau of the heat capacity, if there is one."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, inf, log, log10, nan

import numpy as np
import numpy.typing as npt

from nnrg.graph.spectral._thermal import Thermal
from nnrg.graph.spectral.flow import SpectralFlow
from nnrg.graph.spectral.measure import Rng, SpectralMeasure, spectral_measure
from nnrg.stats.estimate import Estimate
from nnrg.stats.jackknife import pseudo_deviations

__all__ = ["SpectralDimension", "as_measure", "spectral_dimension"]

Floats = npt.NDArray[np.float64]

# Largest deviations of C from its mean over a plateau, the flattest tried first.
TOLERANCES = (0.02, 0.05, 0.1, 0.2)
SHORTEST = 1.0  # decades
WANTED = 2.0  # decades that an exponent should have
LEAST = 0.05  # C below this belongs to no plateau: little diffuses at all
FEWEST_EIGENVALUES = 12


@dataclass(frozen=True, slots=True)
class SpectralDimension:
    """Spectral dimension of a graph, with the window of times that it was read from.

    Attributes
    ----------
    estimate : Estimate
        d_s; NaN if there is no plateau. Its error is that of the probes and of the window.
    window : tuple of float, or None
        First and last time of the plateau.
    flatness : float
        Largest deviation of C from its mean over the window, relative.
    scan : tuple of (first time, last time, d_s)
        The same from parts of the window, each at least half of it and a decade long.
    counting : Estimate or None
        d_s from the number of eigenvalues below 1/tau over the same window, which grows like
        tau^(-d_s/2); None if fewer than 12 are known there.
    """

    estimate: Estimate
    window: tuple[float, float] | None
    flatness: float
    scan: tuple[tuple[float, float, float], ...]
    counting: Estimate | None

    @property
    def value(self) -> float:
        """Twice the mean of C over the plateau; NaN if there is none."""
        return self.estimate.value

    @property
    def error(self) -> float:
        """One standard deviation."""
        return self.estimate.error

    @property
    def has_plateau(self) -> bool:
        """Whether there is a plateau."""
        return self.window is not None

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        if self.window is None:
            return f"no spectral dimension: {self.estimate.flag}"
        first, last = self.window
        lines = [
            f"spectral dimension {self.estimate}",
            f"plateau from tau = {first:.3g} to {last:.3g} ({log10(last / first):.2f} decades), "
            f"C within {100 * self.flatness:.0f} % of its mean",
        ]
        if self.scan:
            parts = [d for _, _, d in self.scan]
            lines.append(
                f"{len(parts)} parts of the window give {min(parts):.4g} to {max(parts):.4g}"
            )
        if self.counting is not None:
            lines.append(f"counting eigenvalues gives {self.counting}")
        if self.estimate.flag:
            lines.append(f"! {self.estimate.flag}")
        return "\n".join(lines)


def as_measure(graph: object, kind: str, method: str, rng: Rng) -> SpectralMeasure:
    """Return the spectrum of a graph, or the one that is given."""
    if isinstance(graph, SpectralFlow):
        return graph.measure
    if isinstance(graph, SpectralMeasure):
        return graph
    return spectral_measure(graph, kind=kind, method=method, rng=rng)


def spectral_dimension(
    graph: object, *, kind: str = "combinatorial", method: str = "auto", rng: Rng = None
) -> SpectralDimension:
    r"""Return the spectral dimension of a graph: twice the plateau of its heat capacity.

    Parameters
    ----------
    graph : ConnectionGraph, SciPy sparse matrix, SpectralMeasure or SpectralFlow
    kind, method, rng
        As in `spectral_measure`; not used where the spectrum is given.

    Returns
    -------
    SpectralDimension
        Without a plateau, of at least a decade over which C is within a fifth of its mean, the
        value is NaN and the flag says so: most graphs have no spectral dimension.

    Raises
    ------
    ArgumentError, NonFiniteError, AnalysisError
        As `spectral_measure`.

    Notes
    -----
    A density of eigenvalues :math:`\propto \lambda^{d_s/2 - 1}` gives
    :math:`Z \propto \tau^{-d_s/2}` and :math:`C = d_s / 2`. The plateau is the longest window in
    ln tau where C stays within 2 % of its mean, if that has two decades; else within 5, 10 and
    20 %; and if none has two decades, the flattest that has one, flagged. Only times between the
    inverses of the largest and the smallest nonzero eigenvalue count. The value is the mean of C
    over ln tau. Its error holds that of the probes, the spread of parts of the window, which differ
    where C oscillates with ln tau, as on fractals, and how far its halves are from the mean. It is
    the error of the plateau of this graph: what a larger graph would change is not in it.

    Examples
    --------
    >>> from nnrg.simulate.graphs import ring
    >>> found = spectral_dimension(ring(512))
    >>> found.has_plateau, round(found.value, 2)
    (True, 1.0)
    """
    measure = as_measure(graph, kind, method, rng)
    tau, step = _times(measure)
    capacity = measure.at(tau).heat_capacity
    random = measure.errors(tau, lambda t: t.heat_capacity)[0]
    found = _plateau(capacity, random, step)
    samples = float(measure.probes) if measure.probes else inf
    if found is None:
        reason = (
            f"no decade of tau over which C stays within {TOLERANCES[-1]:.0%} of its mean; "
            f"the largest C is {measure.at(measure.times).heat_capacity.max():.3g}"
        )
        return SpectralDimension(Estimate(nan, nan, samples, flag=reason), None, nan, (), None)
    first, last = found
    window = slice(first, last + 1)

    def mean(t: Thermal) -> Floats:
        return np.asarray(2 * t.heat_capacity[..., window].mean(axis=-1))[..., None]

    value = mean(measure.at(tau))
    left_out = measure.left_out(tau)
    probes = 0.0
    if left_out is not None:
        probes = float(np.sqrt((pseudo_deviations(mean(left_out), value) ** 2).sum()))
    scan = _scan(tau, capacity, first, last, step)
    spread = float(np.std([d for _, _, d in scan])) if len(scan) > 1 else 0.0
    # Corrections to a power law drift: each half of the window is as good as the mean of both.
    middle = (first + last + 1) // 2
    drift = float(capacity[first:middle].mean() - capacity[middle : last + 1].mean())
    decades = (last - first) * step / log(10)
    flag = "" if decades >= WANTED else f"the plateau has {decades:.1f} decades, two are wanted"
    flat = np.abs(capacity[window] * 2 / value[0] - 1).max()
    ends = float(tau[first]), float(tau[last])
    return SpectralDimension(
        Estimate(float(value[0]), hypot(probes, spread, drift), samples, flag=flag),
        ends,
        float(flat),
        scan,
        _counting(measure, ends),
    )


def _times(measure: SpectralMeasure) -> tuple[Floats, float]:
    """Return times at which the graph is neither a set of nodes nor one cluster, and their step."""
    tau = measure.times
    first, last = measure.window
    inside = tau[(tau >= first) & (tau <= last)]
    return inside, float(np.log(tau[1] / tau[0]))


def _plateau(capacity: Floats, random: Floats, step: float) -> tuple[int, int] | None:
    """Return the ends of the plateau among times at equal steps of ln tau."""
    best: tuple[int, int] | None = None
    for tolerance in TOLERANCES:
        found = _longest(capacity, random, tolerance)
        if found is None:
            continue
        decades = (found[1] - found[0]) * step / log(10)
        if decades >= WANTED:
            return found
        if best is None and decades >= SHORTEST:
            best = found
    return best


def _longest(capacity: Floats, random: Floats, tolerance: float) -> tuple[int, int] | None:
    """Return the longest window over which C is its mean, to a tolerance or to two errors."""
    best: tuple[int, int] | None = None
    total = np.concatenate([[0.0], np.cumsum(capacity)])
    for first in range(capacity.size):
        top = bottom = 0.0
        low, high = inf, -inf
        for last in range(first, capacity.size):
            c, noise = float(capacity[last]), 2 * float(random[last])
            # Which mean each of these times allows, noise apart.
            low, high = min(low, c + noise), max(high, c - noise)
            mean = (total[last + 1] - total[first]) / (last + 1 - first)
            bottom, top = (1 - tolerance) * mean, (1 + tolerance) * mean
            # Once values differ by more than any mean between them allows, they always will.
            if high * (1 - tolerance) > low * (1 + tolerance) or c < LEAST:
                break
            if low >= bottom and high <= top and (best is None or last - first > best[1] - best[0]):
                best = first, last
    return best


def _scan(
    tau: Floats, capacity: Floats, first: int, last: int, step: float
) -> tuple[tuple[float, float, float], ...]:
    shortest = max(round(SHORTEST * log(10) / step), (last - first) // 2)
    stride = max(1, (last - first - shortest) // 6)
    return tuple(
        (float(tau[a]), float(tau[b]), float(2 * capacity[a : b + 1].mean()))
        for a in range(first, last - shortest + 1, stride)
        for b in range(a + shortest, last + 1, stride)
    )


def _counting(measure: SpectralMeasure, window: tuple[float, float]) -> Estimate | None:
    """Return d_s from the slope of ln N(lambda); halves of the window give its error."""
    if measure.probes:
        return None
    values = measure.quadrature.eigenvalues[measure.n_lowest :]
    count = measure.n_lowest + np.arange(1, values.size + 1)
    inside = (values >= 1 / window[1]) & (values <= 1 / window[0])
    if np.count_nonzero(inside) < FEWEST_EIGENVALUES:
        return None
    x = np.linspace(np.log(1 / window[1]), np.log(1 / window[0]), 64)
    steps = np.searchsorted(values, np.exp(x), side="right")
    # The middle of each step: N jumps by whole multiplets.
    y = np.log(count[np.maximum(steps - 1, 0)])
    slopes = [
        2 * float(np.polyfit(x[s], y[s], 1)[0]) for s in (slice(None), slice(32), slice(32, None))
    ]
    return Estimate(slopes[0], abs(slopes[1] - slopes[2]) / 2, n_samples=float(inside.sum()))
