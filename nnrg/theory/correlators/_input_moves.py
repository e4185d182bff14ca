"""What tests of connected correlators under moves of their inputs have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.stats._heavy_tails import heavy_tail
from nnrg.stats.replicates import Replicates
from nnrg.theory.correlators.measured import cumulants_at

__all__ = ["GONE", "InputMoves", "measured_moves"]

Floats = npt.NDArray[np.float64]

# Of the largest number: what is less has gone.
GONE = 1e-3


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class InputMoves(ABC):
    """Numbers from a formula, one for each move of the inputs, next to measured ones.

    Attributes
    ----------
    architecture : str
    order, width : int
    errors : array of shape (m,)
        Of the numbers from the formula.
    measured, measured_errors : array of shape (m,)
        The same from an ensemble; NaN if none was drawn.
    n_networks : int
    assumptions : tuple of str
    measured_flag : str
        Why the measured numbers should not be trusted; empty if there is no reason.
    """

    architecture: str
    order: int
    width: int
    errors: Floats
    measured: Floats
    measured_errors: Floats
    n_networks: int
    assumptions: tuple[str, ...]
    measured_flag: str = ""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @property
    @abstractmethod
    def _formula(self) -> Floats:
        """The numbers from the formula."""

    def sigmas(self) -> Floats:
        """Return how far each measured number is from zero, in its errors."""
        return _in_errors(self.measured, self.measured_errors)

    def formula_sigmas(self) -> Floats:
        """Return how far each measured number is from the formula, in their errors."""
        return _in_errors(
            self.measured - self._formula, np.hypot(self.measured_errors, self.errors)
        )


def _in_errors(numbers: Floats, errors: Floats) -> Floats:
    """Return numbers over their errors; what is zero exactly, as after no move, is no error off."""
    with np.errstate(divide="ignore"):
        return np.divide(numbers, errors, out=np.zeros_like(numbers), where=(numbers != 0))


def measured_moves(
    outputs: Floats | None,
    points: Floats,
    rows: list[npt.NDArray[np.intp]],
    number: Callable[[Floats], Floats],
) -> tuple[Floats, Floats, str]:
    """Measure one number for each move.

    Parameters
    ----------
    outputs : array of shape (n_networks, k), or None
    points : array of shape (k, d)
    rows : list of int arrays of shape (n, r)
        Columns of the cumulants of each move.
    number : callable
        Of these n cumulants, shape (1,).

    Returns
    -------
    values, errors : arrays of shape (m,)
    flag : str
    """
    found, flag = np.full((2, len(rows)), np.nan), ""
    for at, row in enumerate(rows if outputs is not None else []):
        assert outputs is not None
        one: Replicates = cumulants_at(outputs, points, row).map(number)
        found[:, at] = one.values[0], one.errors()[0]
        flag = flag or heavy_tail(one)
    return found[0], found[1], flag
