"""Spectral entropy and heat capacity of diffusion on a graph, at every time."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, log
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg.graph.spectral._thermal import Thermal
from nnrg.graph.spectral.curve import SpectralCurve, as_times
from nnrg.graph.spectral.measure import Rng, SpectralMeasure, spectral_measure
from nnrg.stats.estimate import Estimate, format_value_error
from nnrg.stats.jackknife import pseudo_deviations

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SpectralFlow", "heat_capacity", "spectral_entropy", "spectral_flow"]

Floats = npt.NDArray[np.float64]

_ROWS = 24


@dataclass(frozen=True, slots=True, eq=False)
class SpectralFlow:
    """Spectral entropy and heat capacity as functions of diffusion time.

    Attributes
    ----------
    entropy : SpectralCurve
        S in nats; S / ln N falls from one to ln(number of lowest modes) / ln N.
    heat_capacity : SpectralCurve
        C = -dS/d ln tau, dimensionless.
    sum_rule : Estimate
        Integral of C over ln tau, as far as it is resolved, less what it must be.
    measure : SpectralMeasure
        The spectrum that all follows from.
    """

    entropy: SpectralCurve
    heat_capacity: SpectralCurve
    sum_rule: Estimate
    measure: SpectralMeasure

    @property
    def tau(self) -> Floats:
        """Diffusion times."""
        return self.entropy.tau

    @property
    def kind(self) -> str:
        """Which Laplacian."""
        return self.measure.kind

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row a time: tau, entropy, relative_entropy, heat_capacity, errors, flag."""
        import pandas as pd

        scale = log(self.measure.n_nodes)
        return pd.DataFrame(
            {
                "tau": self.tau,
                "entropy": self.entropy.values,
                "entropy_error": self.entropy.errors,
                "relative_entropy": self.entropy.values / scale,
                "relative_entropy_error": self.entropy.errors / scale,
                "heat_capacity": self.heat_capacity.values,
                "heat_capacity_error": self.heat_capacity.errors,
                "flag": list(self.entropy.flags),
            }
        )

    def __str__(self) -> str:
        m = self.measure
        some = "" if m.n_components == 1 else f", {m.n_components} components"
        how = (
            "all eigenvalues, no errors"
            if not m.probes
            else f"{m.probes} probes, {m.quadrature.steps} steps, {m.known_modes}"
        )
        lines = [
            f"diffusion on {m.n_nodes} nodes{some}: {m.kind} Laplacian, {how}",
            "integral of C over ln tau, less what it must be: "
            + _short(self.sum_rule.value, self.sum_rule.error),
        ]
        if isfinite(m.resolved_until):
            lines.append(f"not resolved beyond tau = {m.resolved_until:.3g}; more steps reach on")
        lines.append(f"{'tau':>10}  {'S':>14}  {'S / ln N':>12}  {'C':>14}")
        scale = log(m.n_nodes)
        for i in np.unique(np.linspace(0, self.tau.size - 1, _ROWS).astype(int)):
            s, c = self.entropy[i], self.heat_capacity[i]
            shown_relative = _short(s.value / scale, s.error / scale)
            lines.append(
                f"{self.tau[i]:10.4g}  {_short(s.value, s.error):>14}  {shown_relative:>12}  "
                f"{_short(c.value, c.error):>14}" + (" !" if s.flag else "")
            )
        return "\n".join(lines)


def _short(value: float, error: float) -> str:
    return format_value_error(value, error) if error > 0 else f"{value:.6g}"


def spectral_flow(
    graph: object,
    tau: npt.ArrayLike | None = None,
    *,
    kind: str = "combinatorial",
    method: str = "auto",
    probes: int | None = None,
    steps: int | None = None,
    rng: Rng = None,
) -> SpectralFlow:
    r"""Return spectral entropy and heat capacity of diffusion on a graph.

    Parameters
    ----------
    graph : ConnectionGraph, SciPy sparse matrix of shape (n, n), or SpectralMeasure
        What diffuses on it is spread over neighbours by weight. A `SpectralMeasure` is used as it
        is, with no option but `tau`.
    tau : array_like of shape (T,), optional
        Diffusion times, positive. By default 16 a decade from before diffusion starts to its end,
        or to where the estimate resolves it.
    kind, method, probes, steps, rng
        As in `spectral_measure`.

    Returns
    -------
    SpectralFlow

    Raises
    ------
    ArgumentError
        If a time is not positive and finite, or an argument is out of range.
    NonFiniteError
        If a weight is NaN or infinite.
    AnalysisError
        If there is one node, no edge, or a component too large for ``method="dense"``.

    Notes
    -----
    With :math:`\rho = e^{-\tau L} / Z`, :math:`Z = \mathrm{tr}\, e^{-\tau L}` (P. Villegas, T.
    Gili, G. Caldarelli and A. Gabrielli, Nature Physics 19 (2023) 445,
    doi:10.1038/s41567-022-01866-8),

    .. math:: S = -\mathrm{tr} \rho \ln \rho = \tau \langle \lambda \rangle + \ln Z, \qquad
              C = -\frac{dS}{d \ln \tau} = \tau^2 \left( \langle \lambda^2 \rangle -
              \langle \lambda \rangle^2 \right).

    S falls from ln N to the logarithm of the number of lowest modes, which of unsigned weights is
    that of the components, so that :math:`\int C\, d \ln \tau = \ln (N / n_0)`. The published C is
    that of S / ln N, smaller by ln N; here a plateau lies at half the spectral dimension. A graph
    of several components is one mixture: its C holds what the entropies of the components lose,
    and what probability flows between them.

    Examples
    --------
    >>> from nnrg.simulate.graphs import complete
    >>> flow = spectral_flow(complete(64), [0.01, 0.078])
    >>> flow.heat_capacity.values.round(5).tolist()
    [0.01162, 5.22993]
    """
    measure = (
        graph
        if isinstance(graph, SpectralMeasure)
        else spectral_measure(graph, kind=kind, method=method, probes=probes, steps=steps, rng=rng)
    )
    times = measure.times if tau is None else as_times(tau)
    return SpectralFlow(
        _curve(measure, times, lambda t: t.entropy),
        _curve(measure, times, lambda t: t.heat_capacity),
        _sum_rule(measure),
        measure,
    )


def _curve(measure: SpectralMeasure, tau: Floats, of: Any) -> SpectralCurve:
    random, cut = measure.errors(tau, of)
    until = measure.resolved_until
    flag = f"not resolved: beyond tau = {until:.3g} more steps are needed"
    return SpectralCurve(
        np.array(tau),
        np.asarray(of(measure.at(tau))),
        np.hypot(random, cut),
        tuple(flag if t > until else "" for t in tau),
        measure.probes,
    )


def _sum_rule(measure: SpectralMeasure) -> Estimate:
    r"""Return the integral of C over ln tau less ln N - S at the last time resolved."""
    tau = measure.times
    complete = measure.resolved_until == inf and measure.n_lowest > 0
    step = log(tau[1] / tau[0])

    def off(t: Thermal) -> Floats:
        total = np.trapezoid(t.heat_capacity, dx=step)
        # Euler and Maclaurin: what the ends add, where diffusion is not resolved to its end.
        total -= step**2 / 12 * (t.slope[..., -1] - t.slope[..., 0])
        last = log(measure.n_lowest) if complete else t.entropy[..., -1]
        return np.asarray(total + last - log(measure.n_nodes))[..., None]

    value = off(measure.at(tau))
    left_out = measure.left_out(tau)
    error = 0.0
    if left_out is not None:
        error = float(np.sqrt((pseudo_deviations(off(left_out), value) ** 2).sum()))
    return Estimate(
        float(value[0]), error, n_samples=float(measure.probes) if measure.probes else inf
    )


def spectral_entropy(
    graph: object,
    tau: npt.ArrayLike,
    *,
    kind: str = "combinatorial",
    method: str = "auto",
    probes: int | None = None,
    steps: int | None = None,
    rng: Rng = None,
) -> SpectralCurve:
    """Return S(tau) of diffusion in nats; see `spectral_flow`.

    Examples
    --------
    >>> from nnrg.simulate.graphs import ring
    >>> spectral_entropy(ring(64), [1.0, 10.0]).values.round(4).tolist()
    [3.5873, 2.2551]
    """
    return spectral_flow(
        graph, tau, kind=kind, method=method, probes=probes, steps=steps, rng=rng
    ).entropy


def heat_capacity(
    graph: object,
    tau: npt.ArrayLike,
    *,
    kind: str = "combinatorial",
    method: str = "auto",
    probes: int | None = None,
    steps: int | None = None,
    rng: Rng = None,
) -> SpectralCurve:
    """Return C(tau) of diffusion, dimensionless; see `spectral_flow`.

    Examples
    --------
    >>> from nnrg.simulate.graphs import ring
    >>> heat_capacity(ring(64), [1.0, 10.0]).values.round(4).tolist()
    [0.6569, 0.5136]
    """
    return spectral_flow(
        graph, tau, kind=kind, method=method, probes=probes, steps=steps, rng=rng
    ).heat_capacity
