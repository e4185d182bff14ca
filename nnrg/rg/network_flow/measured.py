"""What is measured of one tensor of a network flow, at every scale: cumulants and spectrum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.fields import Lattice, SynapticField
from nnrg.rg.cumulants import Cumulants, assemble
from nnrg.rg.flow import Flow
from nnrg.rg.moments import observe
from nnrg.rg.neighbourhoods.hierarchy import Choice, Hierarchy
from nnrg.rg.network_flow.partitions import Partition
from nnrg.rg.network_flow.spectrum import NAMES, SQUARE_NAMES, spectral_numbers
from nnrg.rg.nulls import NullModel, measure_null
from nnrg.rg.observables import Observables
from nnrg.rg.renormalize import renormalize, repeat_flow

__all__ = ["ORDER", "Axis", "MeasuredTensor", "measure_tensor"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ORDER = 4
"""Highest order of the cumulants."""

# Groups of rows, and of columns, that errors of singular values leave out.
_BANDS = 8
_FEW = 6


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a field: which population lies along it, and how it is blocked."""

    side: str
    population: str
    partition: Partition


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredTensor:
    """The numbers of one tensor at every scale, each with error, null models and flags.

    Attributes
    ----------
    name : str
        The tensor; where it joins several pairs of populations, with the pair in brackets.
    axes : tuple of Axis
        Populations and blocks along rows and columns; one axis for biases and normalisations.
    half : int
        Which half of the flow it was measured in; blocks were chosen by other tensors.
    flow : Flow
        The block fields, unrescaled means in `flow.means`.
    cumulants : Cumulants
        kappa_1 .. kappa_4, lambda_3, lambda_4, and the correlation of neighbours on each axis.
    spectrum : Observables or None
        Singular values against Marchenko-Pastur, `nnrg.rg.network_flow.spectrum`; of matrices.
    """

    name: str
    axes: tuple[Axis, ...]
    half: int
    flow: Flow
    cumulants: Cumulants
    spectrum: Observables | None

    @property
    def square(self) -> bool:
        """Whether both axes are one population."""
        return len(self.axes) == 2 and self.axes[0].population == self.axes[1].population

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of everything measured."""
        return self.cumulants.names + (() if self.spectrum is None else self.spectrum.names)

    def holder(self, quantity: str) -> Observables:
        """Return the observables that a quantity is among."""
        if self.spectrum is not None and quantity in self.spectrum.names:
            return self.spectrum
        return self.cumulants


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The partitions of a network's populations, as a rule for one tensor."""

    axes: tuple[Axis, ...]

    @property
    def provenance(self) -> str:
        return "; ".join(f"{axis.side}: {axis.partition.provenance}" for axis in self.axes)

    @property
    def sources(self) -> frozenset[str]:
        return frozenset().union(*(axis.partition.sources for axis in self.axes))

    def __repr__(self) -> str:
        named = ", ".join(f"{axis.side}={axis.population!r}" for axis in self.axes)
        return f"blocks of populations ({named})"

    @property
    def levels(self) -> int:
        """Scales of the axes that are blocked; an axis that is not is the same at all."""
        return min(len(a.partition.hierarchy) for a in self.axes if a.partition.is_blocked)

    def choose(self, field: SynapticField, levels: int | None, fewest: int) -> Choice:
        count = self.levels if levels is None else levels
        return Choice(
            field,
            tuple(_to_level(a.partition.hierarchy, count) for a in self.axes),
            tuple(a.partition.graph for a in self.axes),
        )


def _to_level(hierarchy: Hierarchy, count: int) -> Hierarchy:
    if len(hierarchy) > 1:
        return hierarchy.cut(count)
    return Hierarchy([np.arange(hierarchy.n_sites)] * count, ("one axis is left as it is",))


def measure_tensor(
    name: str,
    values: npt.NDArray[Any],
    axes: Sequence[Axis],
    *,
    sources: frozenset[str],
    sample: str,
    half: int,
    models: Sequence[NullModel],
    seed: np.random.SeedSequence,
) -> MeasuredTensor:
    """Measure one tensor at every scale of the partitions of its populations.

    Parameters
    ----------
    name : str
    values : array of shape (n_samples, n_rows, n_columns) or (n_samples, n_units)
        Taps, gates and pixels are the samples.
    axes : sequence of Axis
    sources : frozenset of str
        What the numbers are called; they must not be among those that chose the blocks.
    sample : str
        What a sample is.
    half : int
    models : sequence of NullModel
    seed : numpy SeedSequence

    Raises
    ------
    AnalysisError
        If no axis is blocked, blocks were chosen by the same numbers, or nothing can be measured.
    """
    kept = tuple(axis for axis, n in zip(axes, values.shape[1:], strict=True) if n > 1)
    if not any(axis.partition.is_blocked for axis in kept):
        raise AnalysisError("; ".join(f"{a.population} {a.partition.provenance}" for a in axes))
    rule = _Blocks(kept)
    if rule.sources & sources:
        raise AnalysisError("its own numbers chose the blocks")
    shape = [n for n in values.shape[1:] if n > 1]
    field = SynapticField(
        values.reshape(values.shape[0], *shape),
        Lattice(shape, axes=[a.side for a in kept], populations=[(i,) for i in range(len(shape))]),
        name=name,
        sample=sample,
        natural=False,
        independent=False,
        sources=sources,
    )
    flow = renormalize(field, rule, rule.levels)
    tied = len(kept) == 2 and kept[0].population == kept[1].population
    draws = [_draws(flow, model, seed, tied) for model in models]
    split = observe(flow.statistics, ORDER, replicates=False).shape[-1]
    names = [model.name for model in models]
    cumulants = {n: d[..., :split] for n, d in zip(names, draws, strict=True)}
    spectra = {n: d[..., split:] for n, d in zip(names, draws, strict=True)}
    return MeasuredTensor(
        name,
        tuple(kept),
        half,
        flow,
        assemble(flow, ORDER, {n: d.copy() for n, d in cumulants.items()}, seed),
        _spectrum(flow, tied, spectra, seed) if len(kept) == 2 else None,
    )


def _draws(flow: Flow, model: NullModel, seed: np.random.SeedSequence, tied: bool) -> Floats:
    """Return all numbers of each draw of a null model, shape (n_draws, n_scales, n_names).

    Units of a population are permuted as one: rows and columns of a recurrent matrix alike.
    """
    matrix = flow.field.sites.dimension == 2
    invariant = model.name == "permutation"
    first = _spectra(flow, tied, slice(0, 1)) if matrix and invariant else None

    def numbers(null: Flow) -> Floats:
        one_point: Floats = observe(null.statistics, ORDER, replicates=False)[0]
        if not matrix:
            return one_point
        # Singular values are those of any order of rows and columns.
        own = _spectra(null, tied, slice(0 if first is None else 1, None))
        spectra = own if first is None else np.concatenate([first, own])
        return np.asarray(np.concatenate([one_point, spectra], axis=1))

    if tied and invariant:
        return np.stack([numbers(repeat_flow(flow, f)) for f in _permuted(flow, model, seed)])
    return np.stack(list(measure_null(flow, model, seed, numbers)))


def _permuted(
    flow: Flow, model: NullModel, seed: np.random.SeedSequence
) -> Iterator[SynapticField]:
    for child in seed.spawn(model.draws):
        order = np.random.default_rng(child).permutation(flow.field.sites.shape[0])
        values = flow.field.values[:, order][:, :, order]
        yield flow.field.replaced(values, "units permuted")


def _spectra(flow: Flow, square: bool, levels: slice) -> Floats:
    rows = [spectral_numbers(means, square=square) for means in flow.means[levels]]
    count = len(NAMES) + (len(SQUARE_NAMES) if square else 0)
    return np.array(rows).reshape(-1, count)


def _spectrum(
    flow: Flow, square: bool, draws: dict[str, Floats], seed: np.random.SeedSequence
) -> Observables:
    """Return singular values and symmetry with errors from leaving out rows, and columns.

    Rows are left out and columns are left out, a band of coarsest blocks at a time; the squares of
    both errors are added, which counts independent entries twice: an upper bound, by at most
    sqrt(2). Of a matrix from a population to itself the same units are left out on both axes.
    """
    assert flow.arrangement is not None
    names = NAMES + (SQUARE_NAMES if square else ())
    bands = []
    for axis, starts in enumerate(flow.arrangement.starts[-1][: 1 if square else 2]):
        wanted = np.linspace(0, starts[-1], min(_BANDS, starts.size - 1) + 1)
        edges = np.unique(starts[np.abs(starts - wanted[:, None]).argmin(axis=1)])
        bands += [(axis, a, b) for a, b in pairwise(edges.tolist())]
    values = _spectra(flow, square, slice(None))
    replicates = np.empty((len(bands), *values.shape))
    weights = np.empty((len(bands), len(flow)))
    for level, means in enumerate(flow.means):
        for g, (axis, start, stop) in enumerate(bands):
            starts = flow.arrangement.starts[level][axis]
            a, b = np.searchsorted(starts, [start, stop])
            left = np.delete(means, slice(a, b), axis=1 + axis)
            if square:
                left = np.delete(left, slice(a, b), axis=2)
            replicates[g, level] = spectral_numbers(left, square=square)
            weights[g, level] = (b - a) / (starts.size - 1)
    few = f"few groups: errors from {len(bands)} are rough" if len(bands) < _FEW else ""
    lost = np.isfinite(values) & ~np.isfinite(replicates).all(axis=0)
    values = np.where(lost, np.nan, values)
    flags = tuple(
        tuple("too few singular values" if not np.isfinite(v) else few for v in row)
        for row in values
    )
    shapes = np.array([means.shape[1:] for means in flow.means], dtype=np.float64)
    series = {
        "rows": shapes[:, 0].copy(),
        "columns": shapes[:, 1].copy(),
        "aspect": shapes.min(axis=1) / shapes.max(axis=1),
    }
    if square:
        series["f_S_iid"] = (shapes[:, 0] + 1) / (2 * shapes[:, 0])
    return Observables(
        scales=np.array(flow.scales, dtype=np.float64),
        names=names,
        values=values,
        replicates=replicates,
        weights=weights,
        nulls=draws,
        flags=flags,
        n_samples=np.full(len(flow), len(bands), dtype=np.int64),
        attrs={
            "field": flow.field.name,
            "blocks_chosen_by": flow.blocks.provenance,
            "jackknife_over": "units" if square else "rows, then columns: squares added",
            "jackknife_groups": len(bands),
            "seed": str(seed.entropy),
        },
        series=series,
    )
