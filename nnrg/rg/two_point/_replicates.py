"""Numbers together with their values when one jackknife group is left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.stats.estimate import Estimate
from nnrg.stats.jackknife import jackknife_bias, jackknife_covariance, pseudo_deviations

__all__ = ["Replicates"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Replicates:
    """P numbers, whole and with each group left out.

    Attributes
    ----------
    rows : array of shape (1 + n_groups, P)
        The numbers of all data, then with each group left out.
    weights : array of shape (n_groups,)
        Size of each group.
    """

    rows: Array
    weights: Array

    def __post_init__(self) -> None:
        self.rows.flags.writeable = False

    @property
    def value(self) -> Array:
        """The numbers of all data, shape (P,)."""
        return np.asarray(self.rows[0])

    @property
    def n_groups(self) -> int:
        """Number of groups that hold data."""
        return int(np.count_nonzero(self.weights))

    def errors(self) -> Array:
        """Return standard errors, shape (P,); NaN from fewer than two groups."""
        if self.rows.shape[0] < 3:
            return np.full(self.rows.shape[1], np.nan)
        deviations = pseudo_deviations(self.rows[1:], self.rows[0], self.weights)
        # Of numbers as large as 1e200 or as small the squares must stay in double precision.
        top = np.abs(deviations).max(axis=0)
        relative = deviations / np.where(top > 0, top, 1.0)
        return np.asarray(top * np.sqrt((relative**2).sum(axis=0)))

    def covariance(self) -> Array:
        """Return the covariance, shape (P, P)."""
        return jackknife_covariance(self.rows[1:], self.rows[0], self.weights)

    def unbiased(self) -> Replicates:
        """Return the same with the jackknife's bias taken off the values of all data."""
        if self.rows.shape[0] < 3:
            return self
        bias = jackknife_bias(self.rows[1:], self.rows[0], self.weights)
        return Replicates(np.concatenate([[self.rows[0] - bias], self.rows[1:]]), self.weights)

    def map(self, function: Callable[[Array], Array]) -> Replicates:
        """Return a function of the numbers, ``(1 + n_groups, P) -> (1 + n_groups, Q)``."""
        with np.errstate(all="ignore"):
            rows = np.asarray(function(self.rows), dtype=np.float64)
        return Replicates(rows.reshape(self.rows.shape[0], -1), self.weights)

    def at(self, index: int, flag: str = "") -> Estimate:
        """Return one number with its error."""
        return Estimate(
            value=float(self.rows[0, index]),
            error=float(self.errors()[index]),
            n_samples=self.n_groups,
            flag=flag,
        )
