"""Joint cumulants with their covariance: what is read from them."""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.stats._heavy_tails import HEAVY_TAIL, lonely_groups
from nnrg.stats._multisets import multisets, offset, ranks
from nnrg.stats.estimate import Estimate, format_value_error
from nnrg.stats.replicates import Replicates

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["JointCumulants"]

Floats = npt.NDArray[np.float64]

# Of exponential numbers the error of kappa_4 is too small by 8, 2 and 1.5 at 60, 1000 and 5000.
_ENOUGH = 20


@dataclass(frozen=True, slots=True, eq=False)
class JointCumulants:
    """Joint cumulants (connected correlators) of some variables, with one covariance.

    Attributes
    ----------
    names : tuple of str
        The variables.
    order : int
        Highest order.
    n_samples : int
        Independent samples they come from.
    replicates : Replicates
        All cumulants of order one, then of order two and so on, in the order of `indices`, with
        delete-group jackknife replicates. In units of the product of the variables.
    assumptions : tuple of str
        What the numbers rest on besides independent samples.
    """

    names: tuple[str, ...]
    order: int
    n_samples: int
    replicates: Replicates
    assumptions: tuple[str, ...] = ()

    def indices(self, order: int) -> npt.NDArray[np.intp]:
        """Return the variables of the cumulants of one order, shape (count, order), ascending."""
        return multisets(len(self.names), self._known(order))

    def _known(self, order: int) -> int:
        return as_count("order", order, 1, self.order, hint="higher ones were not summed")

    def _span(self, order: int) -> slice:
        k = len(self.names)
        return slice(offset(k, order), offset(k, order + 1))

    def place(self, *variables: int) -> int:
        """Return where the cumulant of these variables stands in `replicates`."""
        order, k = self._known(len(variables)), len(self.names)
        row = np.array([sorted(as_count("variable", v, 0, k - 1) for v in variables)], np.intp)
        return offset(k, order) + int(ranks(row)[0])

    def estimate(self, *variables: int) -> Estimate:
        """Return the cumulant of these variables, in any order, one given as often as it counts.

        The null is zero from the second order on.

        Raises
        ------
        ArgumentError
            If there is no such variable, or there are more of them than the order.
        """
        at, order = self.place(*variables), len(variables)
        value = float(self.replicates.values[at])
        error = float(self.errors(order)[at - self._span(order).start])
        null = 0.0 if order > 1 else None
        flag = self._flags(order, np.array([at]))[0]
        return Estimate(value, error, self.n_samples, null=null, flag=flag)

    def _flags(self, order: int, places: npt.NDArray[np.intp]) -> list[str]:
        """Return why each of some numbers of an order should not be trusted."""
        few = self.flag(order)
        lonely = lonely_groups(self.replicates.select(places))
        return ["; ".join(filter(None, (few, HEAVY_TAIL if one else ""))) for one in lonely]

    def flag(self, order: int) -> str:
        """Return why cumulants of an order should not be trusted; empty if there is no reason."""
        least = _ENOUGH * factorial(order)
        if order > 2 and self.n_samples < least:
            return (
                f"{self.n_samples} samples: below {least} the error of a cumulant of order {order} "
                "depends on its value, and is too small where that is too small"
            )
        return ""

    def values(self, order: int) -> Floats:
        """Return the cumulants of one order, in the order of `indices`."""
        return self.replicates.values[self._span(self._known(order))]

    def errors(self, order: int) -> Floats:
        """Return the standard errors of the cumulants of one order."""
        span = self._span(self._known(order))
        return self.replicates.select(np.arange(span.start, span.stop)).errors()

    def tensor(self, order: int) -> Floats:
        """Return the cumulants of one order as a symmetric array of shape (k, ..., k)."""
        k = len(self.names)
        grid = np.indices((k,) * self._known(order)).reshape(order, -1).T
        at = ranks(np.sort(grid, axis=1))
        return np.asarray(self.values(order)[at].reshape((k,) * order))

    def error_tensor(self, order: int) -> Floats:
        """Return the standard errors of one order as a symmetric array of shape (k, ..., k)."""
        k = len(self.names)
        grid = np.indices((k,) * self._known(order)).reshape(order, -1).T
        return np.asarray(self.errors(order)[ranks(np.sort(grid, axis=1))].reshape((k,) * order))

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row a cumulant: ``order, variables, value, error, n_samples, flag``."""
        import pandas as pd

        rows = []
        for order in range(1, self.order + 1):
            span = self._span(order)
            flags = self._flags(order, np.arange(span.start, span.stop))
            columns = self.indices(order), self.values(order), self.errors(order), flags
            for row, value, error, flag in zip(*columns, strict=True):
                variables = " ".join(self.names[v] for v in row)
                rows.append((order, variables, value, error, self.n_samples, flag))
        columns_names = ["order", "variables", "value", "error", "n_samples", "flag"]
        return pd.DataFrame(rows, columns=columns_names)

    def __str__(self) -> str:
        lines = [f"joint cumulants of {len(self.names)} variables, {self.n_samples} samples"]
        for order in range(1, self.order + 1):
            rows, values, errors = self.indices(order), self.values(order), self.errors(order)
            if not values.any() and not errors.any():
                lines.append(f"  {order}  all zero exactly")
                continue
            most = max(1, 24 // self.order)
            with np.errstate(invalid="ignore", divide="ignore"):
                clear = np.abs(values / errors)
            for at in sorted(np.argsort(-np.nan_to_num(clear), kind="stable")[:most]):
                label = " ".join(self.names[v] for v in rows[at])
                lines.append(f"  {order}  {label}  {format_value_error(values[at], errors[at])}")
            if len(rows) > most:
                lines.append(f"  {order}  and {len(rows) - most} others, less clear of zero")
            if self.flag(order):
                lines.append(f"     ! {self.flag(order)}")
        return "\n".join(lines)
