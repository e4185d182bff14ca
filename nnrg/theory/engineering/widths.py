"""Couplings of engineered networks of several widths, taken to infinite width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.estimate import Estimate
from nnrg.stats.fits import FitResult, correlated_fit
from nnrg.stats.replicates import Replicates
from nnrg.theory.engineering.measured import EngineeredAction

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WidthExtrapolation", "extrapolate_width"]

_COLUMNS = {"mass_shift": 0, "coupling": 1, "coupling_at_mass": 2}


@dataclass(frozen=True, slots=True, eq=False)
class WidthExtrapolation:
    """A coupling at infinite width.

    Attributes
    ----------
    quantity : str
    asked : float
        What the density was made for.
    widths : tuple of int
    values : Replicates
        The coupling at each width.
    fit : FitResult
        ``limit`` and ``slope`` of limit + slope / N.
    bare_slope : float
        N times what the width adds to a free network.
    """

    quantity: str
    asked: float
    widths: tuple[int, ...]
    values: Replicates
    fit: FitResult
    bare_slope: float

    @property
    def limit(self) -> Estimate:
        """The coupling at infinite width, next to the one asked for."""
        return replace(self.fit.estimate("limit"), null=self.asked)

    @property
    def slope(self) -> Estimate:
        """N times what the width adds, next to that of a free network."""
        return replace(self.fit.estimate("slope"), null=self.bare_slope)

    def to_dataframe(self) -> pd.DataFrame:
        """Return the coupling at each width, and last at infinite width, one row each."""
        import pandas as pd

        found = [*self.values.estimates(), self.limit]
        return pd.DataFrame(
            {
                "width": [*map(float, self.widths), np.inf],
                "value": [e.value for e in found],
                "error": [e.error for e in found],
                "asked": self.asked,
            }
        )

    def __str__(self) -> str:
        rows = [
            f"N = {width:<6d} {value}"
            for width, value in zip(self.widths, self.values.estimates(), strict=True)
        ]
        return "\n".join(
            [
                f"{self.quantity.replace('_', ' ')} of the fields, asked for {self.asked:g}",
                *rows,
                f"infinite width {self.limit} ({self.limit.z:+.1f} sigmas), "
                f"slope in 1/N {self.slope} (free network {self.bare_slope:.3g})",
                str(self.fit),
            ]
        )


def extrapolate_width(
    actions: Sequence[EngineeredAction], quantity: str = "coupling"
) -> WidthExtrapolation:
    r"""Fit a coupling of the fields at several widths by limit + slope / N.

    Parameters
    ----------
    actions : sequence of EngineeredAction
        Independent samples of one theory at two or more widths.
    quantity : {"coupling", "mass_shift", "coupling_at_mass"}

    Returns
    -------
    WidthExtrapolation
        The window of the fit, in 1/N, and its chi^2 are in ``fit``.

    Raises
    ------
    ArgumentError
        If the theories differ, a width comes twice, or the quantity is unknown.
    AnalysisError
        If there are fewer than two widths.

    Examples
    --------
    >>> from nnrg.simulate.engineered import sample_engineered
    >>> from nnrg.theory.engineering import engineer, measure_engineered
    >>> def action(n):
    ...     network = engineer(1.0, 6.0, 3.0, 4.0, width=n, normal_ordered=True)
    ...     return measure_engineered(sample_engineered(network, 40, burn_in=40, rng=n))
    >>> found = extrapolate_width([action(n) for n in (8, 16, 32)], "coupling_at_mass")
    >>> abs(found.limit.z) < 4
    True
    """
    if quantity not in _COLUMNS:
        raise ArgumentError(f"quantity must be one of {', '.join(_COLUMNS)}, got {quantity!r}")
    chosen = sorted(actions, key=lambda action: action.width)
    if len(chosen) < 2 or not all(np.isfinite(action.width) for action in chosen):
        raise AnalysisError(
            f"{len(chosen)} finite width(s) give no limit; measure two or more, such as 32, 64, 128"
        )
    theories = {replace(action.network, width=2) for action in chosen}
    widths = tuple(int(action.width) for action in chosen)
    if len(theories) > 1 or len(set(widths)) < len(widths):
        raise ArgumentError(
            f"actions must be of one theory and of different widths, got {len(theories)} theories "
            f"and widths {', '.join(map(str, widths))}"
        )
    column = _COLUMNS[quantity]
    values = Replicates.join([action.couplings.select(column) for action in chosen])
    inverse = 1 / np.array(widths)
    fit = correlated_fit(
        np.stack([np.ones(len(widths)), inverse], axis=1),
        inverse,
        values,
        names=("limit", "slope"),
        covariance="diagonal",
    )
    network = chosen[0].network
    asked = network.counterterm if quantity == "mass_shift" else network.coupling
    mass, coupling = chosen[0].bare[:2]
    bare = widths[0] * (mass if quantity == "mass_shift" else coupling)
    return WidthExtrapolation(quantity, asked, widths, values, fit, bare)
