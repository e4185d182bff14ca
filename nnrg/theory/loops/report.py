"""Finite-width corrections next to a simulation: what holds, and from which depth on not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.activation_functions import Activation
from nnrg.simulate.tangents import tangent_networks
from nnrg.stats.estimate import format_value_error
from nnrg.theory.loops._measure import measured_tangents
from nnrg.theory.loops.expansion import QUANTITIES, FiniteWidth
from nnrg.theory.loops.recursion import DEEPEST, finite_width

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LoopReport", "LoopRow", "loop_report"]

Array = npt.NDArray[np.float64]

_WITHIN = 3.0
_FEWEST = 200
# Printed: the relative size of first-order corrections above which the first order will not do.
_FIRST_LIMIT = 0.1
# Printed as zero.
_ROUNDING = 1e-13


@dataclass(frozen=True, slots=True)
class LoopRow:
    """One quantity of one layer, predicted and measured.

    Attributes
    ----------
    layer : int
        From 1.
    quantity : str
        See `QUANTITIES`.
    leading, first, total, truncation : float
        At infinite width, summed to order 1/n, to the highest order, and the estimated rest.
    measured, error : float
        NaN without a simulation.
    """

    layer: int
    quantity: str
    leading: float
    first: float
    total: float
    truncation: float
    measured: float
    error: float

    def _sigmas(self, predicted: float) -> float:
        known = self.error > 0 and np.isfinite(self.measured)
        return (self.measured - predicted) / self.error if known else float("nan")

    @property
    def sigmas_leading(self) -> float:
        """How many errors the measured lies above infinite width."""
        return self._sigmas(self.leading)

    @property
    def sigmas_first(self) -> float:
        """How many errors the measured lies above the prediction to order 1/n."""
        return self._sigmas(self.first)

    @property
    def sigmas(self) -> float:
        """How many errors the measured lies above the prediction to the highest order."""
        return self._sigmas(self.total)

    @property
    def agrees(self) -> bool:
        """Whether they differ by no more than three errors and what is left out."""
        return bool(abs(self.measured - self.total) <= _WITHIN * self.error + self.truncation)


@dataclass(frozen=True, slots=True)
class LoopReport:
    """Predictions for all layers, next to a simulation if there is one.

    Attributes
    ----------
    expansion : FiniteWidth
    rows : tuple of LoopRow
        Layers 2 to T, for the first has no correction.
    n_networks : int
        Simulated; zero if none.
    n_dead : int
        Of them, those whose tangent is zero at the end; E[ln D] is that of the others.
    seed : tuple of str
    """

    expansion: FiniteWidth
    rows: tuple[LoopRow, ...]
    n_networks: int = 0
    n_dead: int = 0
    seed: tuple[str, ...] = ()

    @property
    def loop_parameter(self) -> float:
        """T / n: the sum of 1/n over all layers whose fluctuations the last one sees."""
        return float(sum(1 / n for n in self.expansion.widths[:-1]))

    @property
    def first_order_until(self) -> int:
        """Last layer where all second-order terms are below a tenth of the first order."""
        second, first = self.expansion.second["variance"], self.expansion.first["variance"]
        if self.expansion.order < 2:
            return int(np.count_nonzero(self.expansion.spread <= _FIRST_LIMIT))
        bad = np.abs(second) > _FIRST_LIMIT * np.abs(first)
        return int(np.argmax(bad)) if bad.any() else self.expansion.depth

    @property
    def flags(self) -> tuple[str, ...]:
        """Where the expansion is not to be trusted, and other reasons for caution."""
        out = [self.expansion.flag] if self.expansion.flag else []
        until = self.first_order_until
        if until < self.expansion.depth:
            out.append(f"order 1/n alone is off by more than a tenth of it after layer {until}")
        if self.n_dead:
            out.append(f"{self.n_dead} of {self.n_networks} tangents died: ln D is of the others")
        return tuple(out)

    def row(self, quantity: str, layer: int | None = None) -> LoopRow:
        """Return the row of a quantity, of the last layer by default."""
        at = self.expansion.depth if layer is None else layer
        return next(r for r in self.rows if r.quantity == quantity and r.layer == at)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each layer and quantity.

        Columns ``layer, quantity, leading, first, total, truncation, measured, error,
        sigmas_first, sigmas``.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "layer": r.layer,
                "quantity": r.quantity,
                "leading": r.leading,
                "first": r.first,
                "total": r.total,
                "truncation": r.truncation,
                "measured": r.measured,
                "error": r.error,
                "sigmas_first": r.sigmas_first,
                "sigmas": r.sigmas,
            }
            for r in self.rows
        )

    def __str__(self) -> str:
        e = self.expansion
        lines = [
            f"{e.activation}, sigma_w={e.sigma_w:g}, sigma_b={e.sigma_b:g}, T={e.depth}, "
            f"T/n={self.loop_parameter:.3g}, "
            + (f"{self.n_networks} networks simulated" if self.n_networks else "no simulation"),
            f"{'layer':>5} {'':<20}{'infinite':>11}{'to 1/n':>12}{'to 1/n^' + str(e.order):>12}"
            f"{'left out':>9}  {'measured':<15}{'sigmas':>7}",
        ]
        shown = sorted({max(2, (e.depth + 1) // 2), e.depth})
        for r in (r for r in self.rows if r.layer in shown):
            values = [x if abs(x) > _ROUNDING else 0.0 for x in (r.leading, r.first, r.total)]
            text = f"{r.layer:>5} {QUANTITIES[r.quantity]:<20}{values[0]:>11.5g}"
            text += f"{values[1]:>12.6g}{values[2]:>12.6g}{r.truncation:>9.1g}"
            if np.isfinite(r.measured):
                text += f"  {format_value_error(r.measured, r.error):<15}{r.sigmas:>+7.1f}"
            lines.append(text)
        return "\n".join([*lines, *self.flags])


def loop_report(
    activation: str | Activation | Callable[[Array], Array],
    sigma_w: float,
    sigma_b: float,
    width: int | list[int] | tuple[int, ...],
    depth: int,
    *,
    q0: float | None = None,
    input_square: float = 1.0,
    alignment: float = 0.0,
    order: int = 2,
    simulate: int = 0,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
) -> LoopReport:
    """Return what T/n does to a deep network, predicted, and measured if it is asked for.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_w, sigma_b : float, dimensionless
    width : int or sequence of int, length depth
    depth : int
        Layers T of preactivations, at least 2.
    q0, input_square, alignment, order
        As for `finite_width`.
    simulate : int
        Number of random networks to draw by the exact law from layer to layer; zero for none.
    rng : numpy.random.Generator, numpy.random.SeedSequence, int or None
        Source of randomness.

    Returns
    -------
    LoopReport
        Errors of measured numbers by delete-group jackknife.

    Raises
    ------
    ArgumentError
        If an argument is out of range.
    AnalysisError
        If the metric leaves double precision.

    Notes
    -----
    The expansion is in V / (n K^2), which at criticality is T/n times 2/3 (smooth activations with
    sigma_b = 0), 2 (linear) or 5 (ReLU). It is flagged from the layer on where this, or the second
    order over the first, exceeds 1/3; the rest left out is estimated from the ratio of the two.

    Examples
    --------
    >>> report = loop_report("tanh", 1.3, 0.2, 64, 6, simulate=4000, rng=1)
    >>> all(row.agrees for row in report.rows), report.flags
    (True, ())
    """
    depth = as_count("depth", depth, 2, DEEPEST, hint="the first layer has no correction")
    expansion = finite_width(
        activation,
        sigma_w,
        sigma_b,
        width,
        depth,
        q0=q0,
        input_square=input_square,
        alignment=alignment,
        order=order,
    )
    unknown = np.full(depth, np.nan)
    measured = {name: (unknown, unknown) for name in QUANTITIES}
    n_networks = dead = 0
    seed: tuple[str, ...] = ()
    if not isinstance(simulate, int) or simulate:
        n_networks = as_count("simulate", simulate, _FEWEST, hint="fewer give no errors")
        sample = tangent_networks(
            activation,
            sigma_w,
            sigma_b,
            expansion.widths,
            depth,
            n_networks,
            q0=float(expansion.leading["metric"][0]),
            alignment=alignment,
            rng=rng,
        )
        dead, seed = int((~sample.alive[:, -1]).sum()), sample.seed
        measured = measured_tangents(
            sample, expansion.leading["metric"], expansion.leading["log_tangent"]
        )
    rows = []
    for t in range(1, depth):
        for name in QUANTITIES:
            leading = float(expansion.leading[name][t])
            rows.append(
                LoopRow(
                    t + 1,
                    name,
                    leading,
                    leading + float(expansion.first[name][t]),
                    float(expansion.total(name)[t]),
                    float(expansion.truncation(name)[t]),
                    float(measured[name][0][t]),
                    float(measured[name][1][t]),
                )
            )
    return LoopReport(expansion, tuple(rows), n_networks, dead, seed)
