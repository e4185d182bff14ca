"""Named numbers at every scale, with jackknife replicates and null draws: what a flow measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from nnrg._netcdf import Group, Variable, write
from nnrg.errors import ArgumentError
from nnrg.stats.estimate import Estimate
from nnrg.stats.jackknife import jackknife_covariance, pseudo_deviations

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Observables"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observables:
    """Named observables at each scale.

    Attributes
    ----------
    scales : int array of shape (n_scales,)
        b along one axis; on a graph units in a block, float where they are no integers.
    names : tuple of str
        The observables.
    values : array of shape (n_scales, n_names)
        NaN where a number could not be told; its flag says why.
    replicates : array of shape (n_groups, n_scales, n_names)
        The values with one jackknife group left out.
    weights : array of shape (n_groups, n_scales)
        Sites of each group that a scale's numbers rest on.
    nulls : mapping from name to array of shape (n_draws, n_scales, n_names)
        The values of each draw of each null model.
    flags : mapping from scale index to tuple of str, one for each name
    n_samples : int array of shape (n_scales,)
        Independent parts (samples, or regions of the lattice) behind the numbers of a scale.
    attrs : mapping
        Provenance and settings, numbers and strings.
    """

    kind: ClassVar[str] = "observables"

    scales: npt.NDArray[np.int64] | npt.NDArray[np.float64]
    names: tuple[str, ...]
    values: Array
    replicates: Array
    weights: Array
    nulls: Mapping[str, Array]
    flags: tuple[tuple[str, ...], ...]
    n_samples: npt.NDArray[np.int64]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    series: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        arrays = [self.scales, self.values, self.replicates, self.weights, self.n_samples]
        for array in (*arrays, *self.nulls.values(), *self.series.values()):
            array.flags.writeable = False

    # -- numbers ---------------------------------------------------------------------------------

    def covariance(self) -> xr.DataArray:
        """Return the covariance over (scale, operator), jackknifed with all scales together.

        Returns
        -------
        xarray.DataArray of shape (n_scales, n_names, n_scales, n_names)
            Dimensions scale, operator, scale_2, operator_2.
        """
        import xarray as xr

        k, a = self.values.shape
        flat = self.replicates.reshape(-1, k * a)
        sizes = np.repeat(self.weights, a, axis=1)
        matrix = jackknife_covariance(flat, self.values.ravel(), sizes)
        names = list(self.names)
        return xr.DataArray(
            matrix.reshape(k, a, k, a),
            dims=("scale", "operator", "scale_2", "operator_2"),
            coords={
                "scale": self.scales,
                "operator": names,
                "scale_2": self.scales,
                "operator_2": names,
            },
            name="covariance",
        )

    def errors(self) -> Array:
        """Return the standard errors, shape (n_scales, n_names)."""
        out = np.empty(self.values.shape)
        for level, values in enumerate(self.values):
            parts = pseudo_deviations(self.replicates[:, level], values, self.weights[:, level])
            # Of numbers as small as 1e-200 the squares must not vanish before they are summed.
            top = np.abs(parts).max(axis=0)
            unit = parts / np.where(top > 0, top, 1.0)
            out[level] = top * np.sqrt((unit * unit).sum(axis=0))
        return out

    def null_mean(self, null: str | None = None) -> Array:
        """Return the mean over the draws of a null model, shape (n_scales, n_names)."""
        draws = self._draws(null)
        if draws is None:
            return np.full(self.values.shape, np.nan)
        return np.asarray(draws.mean(axis=0))

    def null_spread(self, null: str | None = None) -> Array:
        """Return the standard deviation over the draws of a null model."""
        draws = self._draws(null)
        if draws is None:
            return np.full(self.values.shape, np.nan)
        # Squares of numbers as large as 1e200 are not summed as they are.
        top = np.abs(draws).max(axis=0)
        top = np.where(np.isfinite(top) & (top > 0), top, 1.0)
        spread = top * (draws / top).std(axis=0, ddof=1)
        # What is left by rounding alone is not a spread.
        size = np.maximum(np.abs(draws.mean(axis=0)), np.abs(self.values))
        return np.asarray(np.where(spread <= 1e-9 * size, 0.0, spread))

    def z(self, null: str | None = None) -> Array:
        """Return z-scores against a null model, shape (n_scales, n_names).

        z = (value - mean) / (s sqrt(1 + 1/R)) with the mean and standard deviation s of R draws:
        under the null it follows Student's t with R - 1 degrees of freedom. NaN where the null
        leaves the number unchanged, as a permutation does with one-point statistics at b = 1.
        """
        draws = self._draws(null)
        if draws is None:
            return np.full(self.values.shape, np.nan)
        mean, spread = self.null_mean(null), self.null_spread(null)
        with np.errstate(invalid="ignore", divide="ignore"):
            score = (self.values - mean) / (spread * np.sqrt(1 + 1 / draws.shape[0]))
            return np.where(spread > 0, score, np.nan)

    def _draws(self, null: str | None) -> Array | None:
        if null is None:
            return next(iter(self.nulls.values()), None)
        if null not in self.nulls:
            raise ArgumentError(
                f"no null model {null!r} was run, only {', '.join(self.nulls) or 'none'}"
            )
        return self.nulls[null]

    def estimate(self, name: str, scale: float) -> Estimate:
        """Return one number with its error, null value and flag."""
        if name not in self.names:
            raise ArgumentError(f"no observable {name!r}; there are {', '.join(self.names)}")
        where = np.flatnonzero(self.scales == scale)
        if where.size == 0:
            raise ArgumentError(f"no scale b = {scale}; there are {self.scales.tolist()}")
        level, a = int(where[0]), self.names.index(name)
        null = Estimate(
            value=float(self.null_mean()[level, a]), error=float(self.null_spread()[level, a])
        )
        return Estimate(
            value=float(self.values[level, a]),
            error=float(self.errors()[level, a]),
            n_samples=int(self.n_samples[level]),
            null=None if np.isnan(null.value) else null,
            flag=self.flags[level][a],
        )

    # -- tables ----------------------------------------------------------------------------------

    def to_group(self) -> Group:
        """Return the arrays of the result with the names of their dimensions, as `save` writes."""
        dims = ("scale", "operator")
        flags = np.array(self.flags, dtype=object).reshape(self.values.shape)
        variables = {
            "scale": Variable(("scale",), self.scales),
            "operator": Variable(("operator",), np.array(self.names, dtype=object)),
            "value": Variable(dims, self.values),
            "error": Variable(dims, self.errors()),
            "replicate": Variable(("group", *dims), self.replicates),
            "group_weight": Variable(("group", "scale"), self.weights),
            "n_samples": Variable(("scale",), self.n_samples),
            "flag": Variable(dims, flags),
        }
        for name, draws in self.nulls.items():
            variables[f"null_{name}"] = Variable((f"draw_{name}", *dims), draws)
        for name, row in self.series.items():
            variables[f"series_{name}"] = Variable(("scale",), row)
        # Files list arrays by name; which null model comes first is part of the result.
        order = "\n".join(self.nulls)
        return Group(variables, {**self.attrs, "nnrg_kind": self.kind, "nnrg_nulls": order})

    def to_xarray(self) -> xr.Dataset:
        """Return everything as a Dataset, under the names that the results file has."""
        import xarray as xr

        group = self.to_group()
        return xr.Dataset(
            {name: (v.dims, v.values) for name, v in group.variables.items()},
            attrs=dict(group.attrs),
        ).set_coords(["scale", "operator"])

    def save(self, path: str | Path) -> None:
        """Write the result as netCDF4; `nnrg.open_results` reads it back identically.

        Raises
        ------
        SourceError
            If the file cannot be written.
        """
        write(path, {"": self.to_group()})
