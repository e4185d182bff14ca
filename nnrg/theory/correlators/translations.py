"""Whether connected correlators depend on differences of inputs alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.simulate._inputs import as_inputs
from nnrg.stats.estimate import format_value_error, shown_number
from nnrg.theory.correlators._input_moves import GONE, InputMoves, measured_moves
from nnrg.theory.correlators.architecture import Architecture, as_architecture
from nnrg.theory.correlators.measured import ensemble_outputs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TranslationTest", "translation_test"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TranslationTest(InputMoves):
    """How a connected correlator changes when all inputs are shifted together.

    Attributes
    ----------
    shifts : array of shape (m, d)
    value, value_error : float
        G_c^(r) at the points as given, in the unit of the output to the power r.
    changes, errors : arrays of shape (m,)
        G_c^(r)(x + a) - G_c^(r)(x) from the formula.
    measured, measured_errors : arrays of shape (m,)
        The same from an ensemble, both terms from the same networks; NaN if none was drawn.
    architecture, order, width, n_networks, assumptions, measured_flag
        What was tested, and what its numbers rest on, as for `ClusterTest`.
    """

    shifts: Floats
    value: float
    value_error: float
    changes: Floats

    @property
    def _formula(self) -> Floats:
        return self.changes

    @property
    def is_invariant(self) -> bool:
        """Whether the formula changes by no more than a thousandth, or its own error."""
        size = np.maximum(np.abs(self.value), np.abs(self.value + self.changes))
        return bool(np.all(np.abs(self.changes) <= GONE * size + 4 * self.errors))

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row a shift."""
        import pandas as pd

        columns = {f"shift{axis}": column for axis, column in enumerate(self.shifts.T)}
        return pd.DataFrame(
            {
                **columns,
                "change": self.changes,
                "error": self.errors,
                "measured": self.measured,
                "measured_error": self.measured_errors,
            }
        )

    def __str__(self) -> str:
        verdict = "invariant" if self.is_invariant else "not invariant"
        lines = [
            f"G_c^({self.order}) of {self.architecture}, N = {self.width}: "
            f"{verdict} under translations",
            f"  as given {shown_number(self.value, self.value_error)}",
        ]
        for at, shift in enumerate(self.shifts[:10]):
            line = f"  shift {shift.tolist()}: "
            line += f"change {shown_number(self.changes[at], self.errors[at])}"
            if self.n_networks:
                shown = format_value_error(self.measured[at], self.measured_errors[at])
                line += f", measured {shown} ({self.sigmas()[at]:+.1f} sigma)"
            lines.append(line)
        if self.measured_flag:
            lines.append(f"  flag: {self.measured_flag}")
        return "\n".join(lines)


def translation_test(
    architecture: Architecture,
    points: npt.ArrayLike,
    shifts: npt.ArrayLike,
    *,
    n_networks: int | None = None,
    samples: npt.ArrayLike | None = None,
    rng: np.random.Generator | int | None = None,
) -> TranslationTest:
    """Test whether a connected correlator depends on differences of inputs alone.

    Parameters
    ----------
    architecture : Architecture
    points : array_like of shape (r, d) or (r,)
        The inputs of the r-point function, r = 2, 4 or 6.
    shifts : array_like of shape (m, d) or (m,)
        Vectors a by which all inputs are shifted.
    n_networks : int, optional
        Networks to draw and measure; none by default.
    samples : array_like of shape (n_networks, r (m + 1)), optional
        Outputs of an ensemble of your own: at the points, then at the points of each shift.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    TranslationTest

    Raises
    ------
    ArgumentError
        If shapes do not fit.
    AnalysisError
        If there are too few networks for the order.

    Notes
    -----
    Invariance of the two-point function is not enough: a Gauss-net has that, but not that of its
    four-point function.

    Examples
    --------
    >>> from nnrg.theory.correlators import CosNet, GaussNet, translation_test
    >>> x = [0.0, 0.5, 1.0, 0.2]
    >>> translation_test(CosNet(width=8), x, [1.0, 3.0]).is_invariant
    True
    >>> translation_test(GaussNet(width=8), x, [1.0, 3.0]).is_invariant
    False
    >>> translation_test(GaussNet(width=8), x[:2], [1.0, 3.0]).is_invariant
    True
    """
    base = as_inputs(points, name="points")
    by = as_inputs(shifts, name="shifts")
    if by.shape[1] != base.shape[1]:
        raise ArgumentError(
            f"shifts must have the dimension of the points, got {by.shape} and {base.shape}"
        )
    order = len(base)
    every = np.concatenate([base, *(base + shift for shift in by)])
    sets = np.arange(len(every)).reshape(-1, order)
    found = as_architecture(architecture).cumulant(every[sets], order)
    changes = found.values[1:] - found.values[0]
    errors = found.errors[1:] + found.errors[0]
    outputs = ensemble_outputs(architecture, every, n_networks, samples, rng)
    pairs = [sets[[0, at]] for at in range(1, len(sets))]
    measured, spread, flag = measured_moves(outputs, every, pairs, lambda row: row[1:] - row[:1])
    return TranslationTest(
        architecture=architecture.name,
        order=order,
        width=architecture.width,
        shifts=by,
        value=float(found.values[0]),
        value_error=float(found.errors[0]),
        changes=changes,
        errors=errors,
        measured=measured,
        measured_errors=spread,
        n_networks=0 if outputs is None else len(outputs),
        assumptions=architecture.assumptions,
        measured_flag=flag,
    )
