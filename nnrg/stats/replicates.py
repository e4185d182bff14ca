"""Numbers together with their replicates: whatever is computed from them is refitted in each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Literal

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats._arrays import paired_arrays, real_array
from nnrg.stats._covariance import covariance_steps
from nnrg.stats.estimate import Estimate
from nnrg.stats.jackknife import jackknife_bias, leave_one_out, pseudo_deviations
from nnrg.stats.partition import sample_groups

__all__ = ["Replicates"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Replicates:
    """Numbers with one covariance, and the replicates that it comes from.

    A function of the numbers (`map`) is evaluated in each replicate, never linearised.

    Attributes
    ----------
    values : array of shape (p,)
        The numbers, each in the unit of its quantity.
    replicates : array of shape (G, p)
        The same numbers from altered data.
    kind : {"jackknife", "bootstrap", "gaussian"}
        What the alterations are. The rows of ``"gaussian"`` come in pairs, one step along a column
        of the square root of a given covariance up and down.
    sizes : array of shape (G,) or (G, p)
        Size of each jackknife group, in any unit.
    part : int array of shape (G,)
        Which of several independent measurements a row alters.
    dof : float
        Degrees of freedom of the covariance, G - 1 for the jackknife; infinity if it is given.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(1).normal(2.0, 1.0, size=(400, 1))
    >>> print(*Replicates.of_mean(x).map(lambda mean: mean**2).estimates())
    3.68(15)
    """

    values: Floats
    replicates: Floats
    kind: Literal["jackknife", "bootstrap", "gaussian"]
    sizes: Floats
    part: npt.NDArray[np.intp]
    dof: float

    def __post_init__(self) -> None:
        for array in (self.values, self.replicates, self.sizes, self.part):
            array.flags.writeable = False

    # -- where they come from ----------------------------------------------------------------------

    @classmethod
    def from_jackknife(
        cls, values: npt.ArrayLike, replicates: npt.ArrayLike, sizes: npt.ArrayLike | None = None
    ) -> Replicates:
        """Return numbers (p,) and what they are with each of G groups left out (G, p).

        Parameters
        ----------
        values, replicates : array_like
        sizes : array_like of shape (G,) or (G, p), optional
            Size of each group; equal if left out.

        Raises
        ------
        ArgumentError
            If the shapes do not fit.
        """
        full, rows = paired_arrays(values, replicates)
        pseudo_deviations(rows, full, sizes)  # checks shapes and sizes
        shares = np.ones(len(rows)) if sizes is None else np.array(sizes, dtype=np.float64)
        filled = shares > 0 if shares.ndim == 1 else (shares > 0).any(axis=1)
        return cls(full, rows, "jackknife", shares, _one(rows), float(filled.sum() - 1))

    @classmethod
    def from_bootstrap(
        cls, values: npt.ArrayLike, replicates: npt.ArrayLike, *, units: int
    ) -> Replicates:
        """Return numbers (p,) and what they are in R resamples of independent units (R, p).

        Raises
        ------
        ArgumentError
            If the shapes do not fit or there are fewer than two units.
        """
        full, rows = paired_arrays(values, replicates)
        if units < 2:
            raise ArgumentError(
                f"a bootstrap needs at least 2 independent units, got {units}; "
                "resample blocks inside the members"
            )
        return cls(full, rows, "bootstrap", np.ones(len(rows)), _one(rows), float(units - 1))

    @classmethod
    def from_covariance(
        cls, values: npt.ArrayLike, covariance: npt.ArrayLike, *, dof: float = inf
    ) -> Replicates:
        """Return numbers (p,) with a covariance known from elsewhere.

        Parameters
        ----------
        values : array_like
        covariance : array_like of shape (p, p), or of shape (p,) for variances alone
        dof : float
            Degrees of freedom of the covariance if it was estimated.

        Raises
        ------
        ArgumentError
            If the shapes do not fit, or the matrix is no covariance.
        """
        full = real_array("values", values)
        step = covariance_steps(covariance, full.size if full.ndim == 1 else 0)
        if not dof > 0:
            raise ArgumentError(f"the dof of a covariance must be positive, got {dof}; try inf")
        rows = np.empty((2 * full.size, full.size))
        rows[0::2], rows[1::2] = full + step, full - step
        return cls(full, rows, "gaussian", np.ones(len(rows)), _one(rows), float(dof))

    @classmethod
    def of_mean(cls, samples: npt.ArrayLike, *, max_groups: int = 128) -> Replicates:
        """Return the mean over independent samples, with contiguous groups left out.

        Parameters
        ----------
        samples : array_like of shape (n, p)
        max_groups : int

        Raises
        ------
        ArgumentError
            If there are fewer than two samples.
        """
        x = real_array("samples", samples)
        if x.ndim != 2 or len(x) < 2 or max_groups < 2:
            raise ArgumentError(
                f"samples must have shape (n, p) with n >= 2 and two groups, got {x.shape} and "
                f"{max_groups} groups; put the samples first"
            )
        group = sample_groups(len(x), max_groups)
        sizes = np.bincount(group).astype(np.float64)
        sums = np.add.reduceat(x, np.flatnonzero(np.diff(group, prepend=-1)), axis=0)
        return cls.from_jackknife(
            x.mean(axis=0), leave_one_out(sums) / (len(x) - sizes)[:, None], sizes
        )

    @staticmethod
    def join(parts: Sequence[Replicates]) -> Replicates:
        """Return the numbers of independent measurements one after another.

        Parameters
        ----------
        parts : sequence of Replicates
            All of one kind; bootstraps of equally many resamples, drawn independently.
            The smallest of their dof is that of the whole.

        Raises
        ------
        ArgumentError
            If the parts differ in kind, or bootstraps in their number of resamples.
        """
        kinds = {one.kind for one in parts}
        if len(kinds) != 1 or (
            kinds == {"bootstrap"} and len({len(one.replicates) for one in parts}) > 1
        ):
            raise ArgumentError(
                "independent measurements must have replicates of one kind, and bootstraps equally "
                f"many, got {', '.join(sorted(kinds)) or 'none'}; use one policy for all"
            )
        values = np.concatenate([one.values for one in parts])
        dof = min(one.dof for one in parts)
        first = parts[0]
        if first.kind == "bootstrap":
            rows = np.hstack([one.replicates for one in parts])
            return Replicates(values, rows, "bootstrap", np.ones(len(rows)), first.part.copy(), dof)
        blocks, labels, start, label = [], [], 0, 0
        for one in parts:
            row = np.tile(values, (len(one.replicates), 1))
            row[:, start : start + one.values.size] = one.replicates
            blocks.append(row)
            labels.append(one.part + label)
            start += one.values.size
            label += int(one.part.max()) + 1
        sizes, part = np.concatenate([_shares(one) for one in parts]), np.concatenate(labels)
        return Replicates(values, np.concatenate(blocks), first.kind, sizes, part, dof)

    # -- what they say -----------------------------------------------------------------------------

    @property
    def deviations(self) -> Floats:
        """What the covariance is the sum of squares of, shape (<= G, p); NaN where not finite."""
        rows, full = self.replicates, self.values
        if self.kind == "gaussian":
            return np.asarray((rows[0::2] - rows[1::2]) / 2)
        if self.kind == "bootstrap":
            return np.asarray((rows - rows.mean(axis=0)) / np.sqrt(max(len(rows) - 1, 1)))
        return np.concatenate(
            [pseudo_deviations(rows[at], full, self.sizes[at]) for at in self._parts()]
        )

    def _parts(self) -> list[npt.NDArray[np.bool_]]:
        return [self.part == label for label in range(int(self.part.max()) + 1)]

    def errors(self) -> Floats:
        """Return the standard errors, shape (p,); NaN where a number has none."""
        return self._directions()[1]

    def correlation(self) -> Floats:
        """Return the covariance of the numbers in units of their errors; NaN where one is zero."""
        unit, errors = self._directions()
        return np.asarray(np.where(errors > 0, unit.T @ unit, np.nan))

    def covariance(self) -> Floats:
        """Return the covariance, shape (p, p); NaN where a number has no error."""
        unit, errors = self._directions()
        return np.asarray((unit.T @ unit) * errors[:, None] * errors)

    def _directions(self) -> tuple[Floats, Floats]:
        """Return deviations in units of the errors, and the errors.

        Squares of numbers as small as 1e-200 must not vanish before they are summed.
        """
        parts = self.deviations
        top = np.abs(parts).max(axis=0, initial=0.0)
        unit = parts / np.where(top > 0, top, 1.0)
        norm = np.sqrt((unit * unit).sum(axis=0))
        return unit / np.where(norm > 0, norm, 1.0), np.asarray(top * norm)

    def estimates(self, *, n_samples: float | None = None) -> tuple[Estimate, ...]:
        """Return each number with its error; `n_samples` is dof + 1 unless it is given."""
        count = self.dof + 1 if n_samples is None else n_samples
        return tuple(
            Estimate(float(v), float(e), n_samples=count if np.isfinite(count) else np.nan)
            for v, e in zip(self.values, self.errors(), strict=True)
        )

    def estimate(self, index: int = 0, *, flag: str = "") -> Estimate:
        """Return one number with its error."""
        return replace(self.estimates()[index], flag=flag)

    # -- what is made of them ----------------------------------------------------------------------

    def map(self, function: Callable[[Floats], npt.ArrayLike]) -> Replicates:
        """Return a function of the numbers, evaluated in each replicate.

        Parameters
        ----------
        function : callable
            From an array of shape (p,) to a number or an array of shape (m,).

        Raises
        ------
        AnalysisError
            If the shape of its result differs from replicate to replicate.
        """
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            full = np.atleast_1d(np.array(function(self.values), dtype=np.float64))
            rows = [np.atleast_1d(np.asarray(function(row), np.float64)) for row in self.replicates]
        if full.ndim != 1 or any(row.shape != full.shape for row in rows):
            raise AnalysisError(
                "a function of the numbers must give one number or one row of them, of the same "
                f"length in each replicate, got shape {full.shape}; flatten what it returns"
            )
        return self.derived(full, np.stack(rows))

    def derived(self, values: Floats, replicates: Floats) -> Replicates:
        """Return other numbers with replicates made from the same data, row by row."""
        sizes = _shares(self)
        return Replicates(values, replicates, self.kind, sizes.copy(), self.part.copy(), self.dof)

    def select(self, index: npt.ArrayLike) -> Replicates:
        """Return some of the numbers."""
        at = np.atleast_1d(np.asarray(index, dtype=np.intp))
        sizes = self.sizes if self.sizes.ndim == 1 else self.sizes[:, at]
        values, rows = self.values[at], self.replicates[:, at]
        return Replicates(values, rows, self.kind, sizes.copy(), self.part.copy(), self.dof)

    def unbiased(self) -> Replicates:
        """Return the numbers less their bias from the curvature of what was made of the data."""
        rows, full = self.replicates, self.values
        if self.kind == "jackknife":
            # Of several independent measurements each adds its own.
            bias = sum(jackknife_bias(rows[at], full, self.sizes[at]) for at in self._parts())
        elif self.kind == "bootstrap":
            bias = rows.mean(axis=0) - full
        else:
            bias = (rows - full).sum(axis=0) / 2
        return self.derived(full - bias, rows)

    def inflated(self, factor: float) -> Replicates:
        """Return the numbers with all errors multiplied by `factor`."""
        return self.derived(self.values, self.values + factor * (self.replicates - self.values))


def _one(rows: Floats) -> npt.NDArray[np.intp]:
    """Return the part of each row where there is one measurement."""
    return np.zeros(len(rows), dtype=np.intp)


def _shares(one: Replicates) -> Floats:
    """Return the size of each group, averaged over the numbers as a share of each one's total."""
    if one.sizes.ndim == 1:
        return one.sizes.copy()
    with np.errstate(invalid="ignore"):
        shares = one.sizes / one.sizes.sum(axis=0)
    return np.asarray(np.nan_to_num(shares).mean(axis=1))
