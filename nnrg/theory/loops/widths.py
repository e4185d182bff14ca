"""The same network at several widths: corrections that are functions of T/n alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, shown
from nnrg.activation_functions import Activation
from nnrg.errors import ArgumentError
from nnrg.stats.estimate import format_value_error
from nnrg.theory.loops.report import LoopReport, loop_report

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WidthScan", "width_scan"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WidthScan:
    """Reports of one architecture at several widths.

    Attributes
    ----------
    reports : tuple of LoopReport
        One for each width, narrowest first.
    """

    reports: tuple[LoopReport, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of the layers."""
        return tuple(r.expansion.widths[0] for r in self.reports)

    def to_dataframe(self) -> pd.DataFrame:
        """Return the rows of all reports, with the relative variance of the metric.

        Columns ``width, loop_parameter`` and those of `LoopReport`; ``loop_parameter`` is (t - 1) /
        n of layer t, and quantity ``"relative_variance"`` is Var K / K^2, K that of infinite width:
        against the loop parameter the points of all widths fall on one curve, up to second order.
        """
        import pandas as pd

        frames = []
        for n, report in zip(self.widths, self.reports, strict=True):
            frame = report.to_dataframe()
            variance = frame[frame.quantity == "variance"].copy()
            metric = report.expansion.leading["metric"][variance.layer.to_numpy() - 1]
            columns = ["first", "total", "truncation", "measured", "error"]
            variance[columns] = variance[columns].to_numpy() / metric[:, None] ** 2
            variance["quantity"] = "relative_variance"
            frame = pd.concat([frame, variance], ignore_index=True)
            frame.insert(0, "loop_parameter", (frame.layer - 1) / n)
            frame.insert(0, "width", n)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def __str__(self) -> str:
        e = self.reports[0].expansion
        lines = [
            f"{e.activation}, sigma_w={e.sigma_w:g}, sigma_b={e.sigma_b:g}, layer T={e.depth}",
            f"{'width':>6}{'T/n':>9}  {'Var K / K^2':>12}{'measured':>14}{'sigmas':>7}  "
            f"{'E[ln D]':>10}{'measured':>14}{'sigmas':>7}",
        ]
        for n, report in zip(self.widths, self.reports, strict=True):
            text = f"{n:>6}{report.loop_parameter:>9.4f}"
            scale = report.expansion.leading["metric"][-1] ** 2
            for name, unit in (("variance", scale), ("log_tangent", 1.0)):
                row = report.row(name)
                measured = sigmas = "-"
                if np.isfinite(row.measured):
                    measured = format_value_error(row.measured / unit, row.error / unit)
                    sigmas = f"{row.sigmas:+.1f}"
                text += f"  {row.total / unit:>11.5g}{measured:>15}{sigmas:>7}"
            lines.append(text + ("  !" if report.expansion.flag else ""))
        if any(r.expansion.flag for r in self.reports):
            lines.append("! the expansion is not to be trusted at this depth")
        return "\n".join(lines)


def width_scan(
    activation: str | Activation | Callable[[Array], Array],
    sigma_w: float,
    sigma_b: float,
    widths: Sequence[int],
    depth: int,
    *,
    q0: float | None = None,
    input_square: float = 1.0,
    order: int = 2,
    simulate: int = 0,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
) -> WidthScan:
    """Return the loop reports of one architecture at several widths.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_w, sigma_b : float, dimensionless
    widths : sequence of int
        Neurons of all layers, each at least 2.
    depth : int
        Layers T of preactivations, at least 2.
    q0, input_square, order, simulate
        As for `loop_report`; `simulate` networks of each width.
    rng : numpy.random.Generator, numpy.random.SeedSequence, int or None
        Source of randomness, independent for each width.

    Returns
    -------
    WidthScan

    Raises
    ------
    ArgumentError
        If there are no widths, or an argument is out of range.
    AnalysisError
        If the metric leaves double precision.

    Examples
    --------
    >>> print(width_scan("linear", 1, 0, [100, 200], 5))
    linear, sigma_w=1, sigma_b=0, layer T=5
     width      T/n   Var K / K^2      measured sigmas     E[ln D]      measured sigmas
       100   0.0400       0.0824              -      -    -0.040133              -      -
       200   0.0200       0.0406              -      -    -0.020033              -      -
    """
    if not isinstance(widths, Sequence | np.ndarray) or not len(widths):
        raise ArgumentError(f"widths must be a sequence of integers, got {shown(widths)}")
    chosen = sorted(as_count("width", n, 2, 1 << 31) for n in widths)
    seeds = as_seed(rng).spawn(len(chosen))
    return WidthScan(
        tuple(
            loop_report(
                activation,
                sigma_w,
                sigma_b,
                n,
                depth,
                q0=q0,
                input_square=input_square,
                order=order,
                simulate=simulate,
                rng=seed,
            )
            for n, seed in zip(chosen, seeds, strict=True)
        )
    )
