"""The connected two-point function C(u) of the block field at every scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.fields import Lattice
from nnrg.rg.flow import Flow
from nnrg.rg.record import flag_groups
from nnrg.rg.two_point._connected import (
    as_replicates,
    centred,
    connected,
    level_sums,
    squared_factors,
)
from nnrg.rg.two_point._lags import lag_squares
from nnrg.stats.estimate import format_value_error
from nnrg.stats.replicates import Replicates

__all__ = ["Correlation", "TwoPoint", "checked", "measure_two_point"]

Array = npt.NDArray[np.float64]
Mean = Literal["field", "site", "sample"]


@dataclass(frozen=True, slots=True, eq=False)
class Correlation:
    """C(u) = <phi_x phi_{x+u}> - <phi>^2 of the rescaled block field at one scale.

    Attributes
    ----------
    scale : int
        b along one axis.
    sites : Lattice
        The block lattice.
    lags : tuple of int arrays
        Lags along each axis in blocks, ordered 0, 1, ..., m, -m, ..., -1.
    rows : array of shape (1 + n_groups, *lags)
        C(u) from all data, then with each jackknife group left out.
    pairs : array of shape lags
        Number of pairs behind each lag.
    weights : array of shape (n_groups,)
        Sites of each group.
    whole : bool
        Whether every lag of a periodic lattice is there, so that G(k) is exact.
    has_mean : bool
        Whether C(u) holds the fluctuation of the mean, so that G(0) means something.
    flag : str
    """

    scale: float
    sites: Lattice
    lags: tuple[npt.NDArray[np.int64], ...]
    rows: Array
    pairs: Array
    weights: Array
    whole: bool
    has_mean: bool
    flag: str = ""

    def __post_init__(self) -> None:
        for array in (self.rows, self.pairs, self.weights):
            array.flags.writeable = False

    @property
    def replicates(self) -> Replicates:
        """All lags, flat."""
        return as_replicates(self.rows, self.weights)

    @property
    def longest(self) -> tuple[int, ...]:
        """Longest lag along each axis, in blocks."""
        return tuple(int(lag.max()) for lag in self.lags)

    def axis(self, axis: int) -> tuple[npt.NDArray[np.int64], Replicates]:
        """Return lags 0, 1, ..., m along one axis and C there, of shape (1 + n_groups, m + 1).

        Raises
        ------
        ArgumentError
            If there is no such axis.
        """
        axis = as_count("axis", axis, 0, len(self.lags) - 1)
        count = self.longest[axis] + 1
        index = tuple(slice(count) if a == axis else 0 for a in range(len(self.lags)))
        return self.lags[axis][:count], as_replicates(
            self.rows[(slice(None), *index)], self.weights
        )

    def shells(self) -> tuple[Array, Array, Replicates]:
        """Return C on distance shells.

        Returns
        -------
        radius : array of shape (n_shells,)
            |u| in blocks, 0 first; only shells that lie within the longest lag of every axis
            with more than one site.
        pairs : array of shape (n_shells,)
        values : Replicates
            Means over the lags of a shell, weighted by pairs.
        """
        squares = lag_squares(self.lags).ravel()
        reach = min((m for m in self.longest if m > 0), default=0)
        pairs = self.pairs.ravel()
        kept = np.flatnonzero((squares <= reach**2) & (pairs > 0))
        radii, shell = np.unique(squares[kept], return_inverse=True)
        order = np.argsort(shell, kind="stable")
        start = np.searchsorted(shell[order], np.arange(radii.size))
        counts = np.add.reduceat(pairs[kept][order], start)
        flat = self.rows.reshape(self.rows.shape[0], -1)[:, kept[order]] * pairs[kept][order]
        means = np.add.reduceat(flat, start, axis=1) / counts
        return np.sqrt(radii), counts, as_replicates(means, self.weights)

    def __str__(self) -> str:
        lags, line = self.axis(0)
        errors = line.errors()
        shown_lags = range(min(lags.size, 12))
        cells = [f"{lags[i]}: {format_value_error(line.values[i], errors[i])}" for i in shown_lags]
        tail = f"\n  {self.flag}" if self.flag else ""
        return f"b = {self.scale}, C along axis 0 at lag  " + "  ".join(cells) + tail


@dataclass(frozen=True, slots=True, eq=False)
class TwoPoint:
    """C(u) at every scale of a flow; iterate for one `Correlation` a scale."""

    levels: tuple[Correlation, ...]
    name: str
    mean: str

    def __iter__(self) -> Iterator[Correlation]:
        return iter(self.levels)

    def __len__(self) -> int:
        return len(self.levels)

    def __getitem__(self, level: int) -> Correlation:
        return self.levels[level]

    @property
    def scales(self) -> tuple[float, ...]:
        """The scales b."""
        return tuple(level.scale for level in self.levels)

    def at(self, scale: float) -> Correlation:
        """Return the correlation at scale b.

        Raises
        ------
        ArgumentError
            If there is no such scale.
        """
        if scale not in self.scales:
            raise ArgumentError(f"no scale b = {shown(scale)}; there are {list(self.scales)}")
        return self.levels[self.scales.index(scale)]

    def __str__(self) -> str:
        head = f"Connected two-point function of {self.name!r}, mean of each {self.mean} taken off"
        return "\n".join([head, *(f"  {level}" for level in self.levels)])


def measure_two_point(flow: Flow, *, max_lag: int | None = None, mean: Mean = "field") -> TwoPoint:
    r"""Measure the connected two-point function of the block field at every scale of a flow.

    Parameters
    ----------
    flow : Flow
    max_lag : int, optional
        Longest lag along every axis, in blocks of each scale. By default all lags of a periodic
        lattice of up to 65536 sites whose samples are left out; else half the lattice, or half a
        region where regions are left out, and at most 512, 64, 16, 6 in one to four dimensions.
    mean : {"field", "site", "sample"}
        What is taken off: one number for the field; the mean of each site over the samples, for an
        ensemble; or the mean of each sample over its sites, which lowers C(u) by about G(0)/V at
        every lag and makes G(0) zero.

    Returns
    -------
    TwoPoint
        In the unit of the field squared, of the field as given at b = 1 and of the rescaled block
        field at b > 1.

    Raises
    ------
    ArgumentError
        If an option is unknown, or ``mean="site"`` is asked where regions are left out.
    AnalysisError
        If there are fewer than three groups.

    Notes
    -----
    .. math:: C(u) = \frac{1}{N(u)} \sum_{(x, x+u)} \phi_x \phi_{x+u} - \langle\phi\rangle^2

    over the N(u) pairs that lie on the lattice: open axes are padded with zeros, so no pair wraps.
    The square of the mean is estimated by products of *different* groups, and so has no bias where
    groups are independent. Where samples are left out, a pair belongs to its sample; where regions
    are, to the region of one end, always that from which the other lies ahead along the first axis
    on which they differ.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.rg.two_point.correlation import measure_two_point
    >>> from nnrg.simulate.gaussian import ar1
    >>> field = nnrg.SynapticField(ar1(256, 200, rho=0.5, rng=1), nnrg.Lattice(256))
    >>> two_point = measure_two_point(nnrg.renormalize(field, levels=3))
    >>> lags, c = two_point.at(1).axis(0)
    >>> bool(abs(c.values[2] - 0.25) < 3 * c.errors()[2])
    True
    """
    longest = checked(flow, mean, max_lag)
    groups = flow.groups
    flag = flag_groups(flow)
    squares = squared_factors(flow)
    dimension = flow.field.sites.dimension
    levels = []
    for level, b in enumerate(flow.scales):
        measured = level_sums(flow, level, *centred(flow.means[level], mean), longest)
        units = (measured.unit**2 * squares[:, level]).reshape((-1,) + (1,) * dimension)
        with np.errstate(invalid="ignore"):  # block means that vanish have no unit, and are NaN
            rows = connected(measured, groups, mean) * units
        levels.append(
            Correlation(
                scale=b,
                sites=flow.lattices[level],
                lags=measured.sums.lags,
                rows=rows,
                pairs=measured.sums.pairs.sum(axis=0),
                weights=measured.sums.sites,
                whole=measured.whole,
                has_mean=mean != "sample",
                flag=flag,
            )
        )
    return TwoPoint(tuple(levels), flow.field.name, mean)


def checked(flow: Flow, mean: str, max_lag: int | None) -> int | None:
    """Return the longest lag asked for, or refuse what cannot be measured.

    Raises
    ------
    ArgumentError
        If an option is unknown or does not fit the flow.
    AnalysisError
        If there are fewer than three groups.
    """
    if not isinstance(flow, Flow):
        raise ArgumentError(f"expected a Flow, got {type(flow).__name__}; try nnrg.renormalize")
    if mean not in ("field", "site", "sample"):
        raise ArgumentError(f"mean must be 'field', 'site' or 'sample', got {shown(mean)}")
    if mean == "site" and flow.groups.kind != "samples":
        raise ArgumentError(
            "mean='site' needs samples to average over, but regions are left out; try 'field'"
        )
    if flow.groups.n_groups < 3:
        raise AnalysisError(
            f"the two-point function needs 3 jackknife groups or more, got {flow.groups.n_groups}; "
            "give more samples, or more regions with Jackknife(blocks=)"
        )
    return None if max_lag is None else as_count("max_lag", max_lag, 1)
