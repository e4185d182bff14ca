"""Largest Lyapunov exponent of a layer: of the mean growth, and of the typical one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.stats.estimate import format_value_error

__all__ = ["Lyapunov", "lyapunov"]


@dataclass(frozen=True, slots=True)
class Lyapunov:
    """Growth of the logarithm of a small distance per layer.

    Attributes
    ----------
    value, error : float, per layer
        Annealed: of the mean square, ln(chi_1) / 2. Quenched: of the mean logarithm, what a typical
        network does, to leading order in 1/n with the metric held at its fixed point. At infinite
        width the two agree.
    kind : {"annealed", "quenched"}
    width : int or None
        None is infinite.
    correction : float, per layer
        What the width adds.
    note : str
        What is left out.

    Notes
    -----
    At width n the squared length of a tangent vector is multiplied per layer by chi_1 times a mean
    of n independent numbers of relative variance (3 r - 1) / n, r = <phi'^4> / <phi'^2>^2, so that
    E ln |v|^2 per layer = ln chi_1 - (3 r - 1) / (2 n) + O(1/n^2). That is all of order 1/n for
    scale-invariant functions. For others the metric fluctuates as well, which adds terms of the
    same order: `nnrg.theory.loops.quenched_exponent` has them, and the order 1/n^2.
    """

    value: float
    error: float
    kind: str
    width: int | None
    correction: float
    note: str

    def __str__(self) -> str:
        value = format_value_error(self.value, self.error)
        wide = "infinite width" if self.width is None else f"width {self.width}"
        return f"Lambda = {value} per layer, {self.kind}, {wide}" + (
            f"; {self.note}" if self.note else ""
        )


def lyapunov(
    chi_1: float,
    chi_1_error: float,
    slope_ratio: Callable[[], float],
    kind: str,
    width: int | None,
    *,
    exact: bool,
) -> Lyapunov:
    """Return the exponent from chi_1 and <phi'^4> / <phi'^2>^2, taken only where it is needed."""
    if not isinstance(kind, str) or kind not in ("annealed", "quenched"):
        raise ArgumentError(f"kind must be 'annealed' or 'quenched', got {shown(kind)}")
    if width is not None:
        width = as_count("width", width, 2, hint="None is infinite width")
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(np.log(chi_1)) / 2
        error = chi_1_error / (2 * chi_1) if chi_1 > 0 else 0.0
    correction, note = 0.0, ""
    if width is not None and not exact:
        note = (
            "without fluctuations of the metric, also of order 1/n: take "
            "nnrg.theory.loops.quenched_exponent"
        )
    if width is not None and kind == "quenched":
        correction = -(3 * slope_ratio() - 1) / (4 * width)
        # The next order, which is not computed: that of the square of the first.
        error += 4 * correction**2 + (0.0 if exact else abs(correction))
    return Lyapunov(value + correction, error, kind, width, correction, note)
