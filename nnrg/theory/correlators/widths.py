"""How a connected correlator falls with the width of the hidden layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.simulate._inputs import as_inputs
from nnrg.stats._heavy_tails import heavy_tail
from nnrg.stats.estimate import format_value_error, shown_number
from nnrg.stats.fits import FitResult, correlated_fit
from nnrg.stats.replicates import Replicates
from nnrg.theory.correlators.architecture import Architecture, as_architecture
from nnrg.theory.correlators.measured import cumulants_at, ensemble_outputs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WidthScaling", "width_scaling"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class WidthScaling:
    """A connected r-point function at several widths, predicted and measured.

    Attributes
    ----------
    architecture : str
    order : int
    points : array of shape (r, d)
    widths : int array of shape (n,)
    predicted, predicted_errors : arrays of shape (n,)
        In the unit of the output to the power r.
    measured, measured_errors : arrays of shape (n,)
        From an ensemble at each width; NaN if none was drawn.
    fit : FitResult or None
        Of measured = amplitude (N / N_0)^(-exponent) with N_0 the geometric mean of the widths;
        independent neurons have the exponent r/2 - 1. None where nothing was measured, at fewer
        than three widths, or where no number is clear of zero.
    n_networks : int
        At each width.
    assumptions : tuple of str
    flag : str
        Why the measured numbers should not be trusted; empty if there is no reason.
    """

    architecture: str
    order: int
    points: Floats
    widths: npt.NDArray[np.int64]
    predicted: Floats
    predicted_errors: Floats
    measured: Floats
    measured_errors: Floats
    fit: FitResult | None
    n_networks: int
    assumptions: tuple[str, ...]
    flag: str = ""

    def __post_init__(self) -> None:
        for array in (self.widths, self.predicted, self.measured, self.measured_errors):
            array.flags.writeable = False

    def sigmas(self) -> Floats:
        """Return (measured - predicted) / error at every width."""
        spread = np.hypot(self.measured_errors, self.predicted_errors)
        return np.asarray((self.measured - self.predicted) / spread)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row a width."""
        import pandas as pd

        return pd.DataFrame(
            {
                "width": self.widths,
                "predicted": self.predicted,
                "predicted_error": self.predicted_errors,
                "measured": self.measured,
                "measured_error": self.measured_errors,
                "sigmas": self.sigmas(),
            }
        )

    def __str__(self) -> str:
        lines = [f"G_c^({self.order}) of {self.architecture} against width"]
        for at, width in enumerate(self.widths[:20]):
            shown = shown_number(self.predicted[at], self.predicted_errors[at])
            line = f"  N = {width:<6} {shown}"
            if self.n_networks:
                found = format_value_error(self.measured[at], self.measured_errors[at])
                line += f", measured {found} ({self.sigmas()[at]:+.1f} sigma)"
            lines.append(line)
        if self.fit is not None:
            lines.append(
                f"  exponent {self.fit.estimate('exponent')}, chi2/dof = "
                f"{self.fit.chi2:.2f}/{self.fit.dof}, N from {self.fit.window[0]:g} to "
                f"{self.fit.window[1]:g}; {self.order // 2 - 1} for independent neurons"
            )
        elif self.n_networks:
            lines.append("  exponent: cannot be told from these data")
        return "\n".join([*lines, f"  flag: {self.flag}"] if self.flag else lines)


def width_scaling(
    architecture: Architecture,
    points: npt.ArrayLike,
    widths: Sequence[int],
    *,
    n_networks: int | None = None,
    rng: np.random.Generator | int | None = None,
) -> WidthScaling:
    r"""Predict, and measure, a connected correlator at several widths.

    Parameters
    ----------
    architecture : Architecture
        Of any width.
    points : array_like of shape (r, d) or (r,)
        The inputs of the r-point function, r = 4 or 6.
    widths : sequence of int
        At least two each.
    n_networks : int, optional
        Networks to draw and measure at every width; none by default.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    WidthScaling

    Raises
    ------
    ArgumentError
        If a width is below two or shapes do not fit.
    AnalysisError
        If there are too few networks for the order.

    Notes
    -----
    :math:`G_c^{(r)} = N^{1 - r/2} C_r` for independent neurons. Where neurons have something in
    common (`ScaleMixture`) a part does not fall at all.

    Examples
    --------
    >>> from nnrg.theory.correlators import CosNet, width_scaling
    >>> found = width_scaling(CosNet(width=2), [0.0] * 4, [2, 4, 8], n_networks=50_000, rng=1)
    >>> bool(abs(found.fit.estimate("exponent").value - 1) < 0.3)
    True
    """
    base = as_inputs(points, name="points")
    order = len(base)
    if order < 4:
        raise ArgumentError(f"points must be four or six inputs, got {order}; repeat them")
    as_architecture(architecture)
    if not isinstance(widths, Sequence | np.ndarray):
        raise ArgumentError(f"widths must be a sequence of integers, got {shown(widths)}")
    each = [as_count("width", width, 2) for width in widths]
    if not each:
        raise ArgumentError("widths must be one or more integers, got none; try [4, 16, 64]")
    found = [architecture.with_width(width).cumulant(base, order) for width in each]
    parts: list[Replicates] = []
    if n_networks is not None:
        seeds = as_seed(rng).spawn(len(each))
        for width, seed in zip(each, seeds, strict=True):
            network = architecture.with_width(width)
            generator = np.random.default_rng(seed)
            outputs = ensemble_outputs(network, base, n_networks, None, generator)
            assert outputs is not None
            parts.append(cumulants_at(outputs, base, np.arange(order)[None]))
    data = Replicates.join(parts) if parts else None
    unknown = np.full(len(each), np.nan)
    return WidthScaling(
        architecture=found[0].architecture,
        order=order,
        points=base,
        widths=np.array(each),
        predicted=np.array([float(one) for one in found]),
        predicted_errors=np.array([float(one.errors) for one in found]),
        measured=unknown if data is None else data.values.copy(),
        measured_errors=unknown.copy() if data is None else data.errors(),
        fit=None if data is None else _power_law(np.array(each, dtype=np.float64), data),
        n_networks=0 if data is None else as_count("n_networks", n_networks),
        assumptions=architecture.assumptions,
        flag="" if data is None else next(filter(None, map(heavy_tail, parts)), ""),
    )


def _power_law(widths: Floats, data: Replicates) -> FitResult | None:
    """Fit amplitude x (N / N_0)^(-exponent), if the numbers can tell one."""
    if np.unique(widths).size < 3 or not np.all(np.abs(data.values) > 3 * data.errors()):
        return None
    if np.ptp(np.sign(data.values)) > 0:
        return None
    centre = np.exp(np.log(widths).mean())

    def model(n: Floats, amplitude: float, exponent: float) -> Floats:
        return np.asarray(amplitude * (n / centre) ** -exponent)

    slope, height = np.polyfit(np.log(widths / centre), np.log(np.abs(data.values)), 1)
    start = (float(np.sign(data.values[0]) * np.exp(height)), float(-slope))
    return correlated_fit(model, widths, data, start=start, names=("amplitude", "exponent"))
