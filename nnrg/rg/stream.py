"""Cumulants of a matrix that is too large to hold, in one pass over its file for each draw."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.fields import Lattice
from nnrg.networks.network import Network
from nnrg.rg._regions import CORRELATED
from nnrg.rg._row_reader import permuted, row_reader
from nnrg.rg.blocks import GridBlocks
from nnrg.rg.cumulants import Cumulants, from_statistics
from nnrg.rg.fluctuations import has_fluctuations
from nnrg.rg.levels import as_levels, count_levels
from nnrg.rg.moments import observe
from nnrg_kernels.pyramid import Pyramid, PyramidStream

__all__ = ["stream_cumulants"]

_BUFFER_BYTES = 1 << 22
_GROUPS = 32
_SAMPLED_ROWS = 16
_FEWEST_BLOCKS = 32
_MOST_DRAWS = 1_000_000


def stream_cumulants(
    net: Network,
    name: str,
    blocks: GridBlocks | None = None,
    levels: int | None = None,
    *,
    order: int = 4,
    draws: int = 10,
    rng: object = None,
    progress: Callable[[int, int], None] | None = None,
) -> Cumulants:
    """Measure the cumulants of the block means of a matrix while it is read.

    Memory stays at a buffer of about 4 MiB for each thread, whatever the size of the tensor.

    Parameters
    ----------
    net : Network
        Loaded from a file whose format is read in pieces, such as safetensors.
    name : str
        A matrix; its two axes are taken in the order of the file.
    blocks : GridBlocks, optional
        ``GridBlocks(2)`` by default.
    levels : int, optional
        Number of scales, b = 1 included; by default down to 32 blocks along each axis.
    order : int
        Highest order, 2 to 8.
    draws : int
        Draws of the null model, one pass over the file each. Columns are permuted as a whole, rows
        within each buffer: a restriction of the permutation null N1 that needs no random access.
    rng : int, numpy Generator or None
        Seed of the null draws.
    progress : callable, optional
        Called with passes done and their number.

    Returns
    -------
    Cumulants
        Errors from leaving out runs of rows.

    Raises
    ------
    ArgumentError
        If the tensor is no matrix, or an option is out of range.
    AnalysisError
        If it is too small for two scales and two runs of rows, constant, or of a standard
        deviation outside 1e-30 .. 1e30.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> matrix = np.random.default_rng(1).normal(size=(512, 256)).astype(np.float32)
    >>> c = nnrg.stream_cumulants(nnrg.load({"w": matrix}), "w", rng=1)
    >>> c.scales.tolist()
    [1, 2, 4, 8]
    """
    if not isinstance(net, Network):
        raise ArgumentError(f"expected a Network, got {type(net).__name__}; try nnrg.load")
    if not isinstance(name, str) or name not in net.specs:
        net.tensors[name]  # raises, with a near match
    spec = net.specs[name]
    if len(spec.shape) != 2:
        raise ArgumentError(f"tensor {name!r} has shape {spec.shape}; expected a matrix")
    order = as_count("order", order, 2, 8, hint="try 4")
    draws = as_count("draws", draws, 0, _MOST_DRAWS, hint="try 10, or 0 for no null model")
    if draws in (1, 2):
        raise ArgumentError(f"draws must be at least 3, or 0 for no null model, got {draws}")
    rule = GridBlocks(2) if blocks is None else blocks
    if not isinstance(rule, GridBlocks):
        raise ArgumentError(f"blocks must be GridBlocks, got {shown(rule)}; try GridBlocks(2)")
    lattice = Lattice(spec.shape, axes=("row", "column"), populations=((0,), (1,)))
    factors = rule.factors(lattice)
    count = _levels(spec.shape, factors, levels)
    seed = as_seed(rng)
    total = 1 + draws
    tick = progress or (lambda done, of: None)

    cuts = _runs_of_rows(spec.shape[0], factors[0] ** (count - 1))

    def sweep(rng: np.random.Generator | None = None) -> Pyramid:
        return _sweep(net, name, factors, count, order, cuts, rng)

    with np.errstate(over="ignore", invalid="ignore"):
        statistics = sweep()
    if not np.isfinite(statistics.sums[0]).all():
        _refuse_nonfinite(net, name)
    tick(1, total)
    if not has_fluctuations(statistics):
        raise AnalysisError(
            f"tensor {name!r} must have a standard deviation within 1e-30 .. 1e30, for its powers "
            "to the eighth: it is constant, or must be multiplied by a constant"
        )
    variance = observe(statistics, 2, replicates=False)[0, :, 1]
    null = []
    for i, child in enumerate(seed.spawn(draws)):
        null.append(observe(sweep(np.random.default_rng(child)), order, replicates=False)[0])
        tick(2 + i, total)
    scales = [max(factors) ** level for level in range(count)]
    sites = [
        prod(n // f**level for n, f in zip(spec.shape, factors, strict=True))
        for level in range(count)
    ]
    return from_statistics(
        statistics,
        order,
        scales=scales,
        sites=sites,
        draws={"permutation": np.stack(null)} if null else {},
        attrs={
            "field": name,
            "samples": 1,
            "sample_is": "matrix",
            "lattice": repr(lattice),
            "axes": "row, column",
            "natural_order": 0,
            "blocks": repr(rule),
            "blocks_chosen_by": rule.provenance,
            "rescale": "variance",
            "exponent_Delta": "measured (kappa_2 kept)",
            "jackknife_over": "runs of rows",
            "jackknife_groups": statistics.counts.shape[1],
            "notes": "read in one pass; null: columns permuted, rows permuted within each buffer",
            "seed": str(seed.entropy),
        },
        flag=_dependent_runs(statistics, factors[0], cuts),
        factor=np.sqrt(variance[0] / variance),
    )


def _levels(shape: tuple[int, ...], factors: tuple[int, ...], levels: object) -> int:
    count = count_levels(shape, factors, _FEWEST_BLOCKS) if levels is None else as_levels(levels)
    blocks = [n // f ** (count - 1) for n, f in zip(shape, factors, strict=True)]
    if count < 2 or min(blocks) < 1 or blocks[0] < 2:
        raise AnalysisError(
            f"a matrix of {shape} has no {max(count, 2)} scales of blocks {factors} with two runs "
            "of rows to leave out; hold it in memory and use nnrg.renormalize, or ask for other "
            "levels"
        )
    return count


def _runs_of_rows(length: int, block: int) -> npt.NDArray[np.int64]:
    whole = length // block
    cuts = block * np.unique(np.linspace(0, whole, min(_GROUPS, whole) + 1).astype(np.int64))
    cuts[-1] = length
    return cuts


def _dependent_runs(statistics: Pyramid, factor: int, cuts: npt.NDArray[np.int64]) -> str:
    """Return a flag if blocks of half a run of rows are correlated with the next ones."""
    half = int(np.diff(cuts).min()) // 2
    level = max(k for k in range(len(statistics.counts)) if factor**k <= max(half, 1))
    correlation = float(observe(statistics, 2, replicates=False)[0, level, 2])
    chance = 2 / np.sqrt(max(1, statistics.bonds[level, :, 0].sum()))
    if not correlation > CORRELATED + chance:
        return ""
    return (
        f"correlated regions: blocks of {factor**level} rows have correlation {correlation:.2f}, "
        "errors are lower bounds"
    )


def _sweep(
    net: Network,
    name: str,
    factors: tuple[int, ...],
    count: int,
    order: int,
    cuts: npt.NDArray[np.int64],
    rng: np.random.Generator | None,
) -> Pyramid:
    """Read the matrix once; with `rng`, rows within each buffer and all columns permuted."""
    shape = net.specs[name].shape
    one = next(iter(net.chunks(name, 1)))
    fitting = max(1, _BUFFER_BYTES // one.nbytes)
    first = next(iter(net.chunks(name, fitting)))
    columns = None if rng is None else rng.permutation(shape[1])
    # Not of one row: the first one may be that of a token that is never used.
    sample = first[:: -(-len(first) // _SAMPLED_ROWS)].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused afterwards
        shift, scale = float(sample.mean()), float(sample.std())
    stream = PyramidStream(
        shape,
        first.dtype,
        factors,
        count - 1,
        shift=shift,
        scale=scale if 0.0 < scale < np.inf else 1.0,
        order=order,
        edges=cuts,
    )
    rows = stream.row_multiple * max(1, fitting // stream.row_multiple)
    with row_reader(net, name, rows) as (read, at_once, place):
        if rng is not None and columns is not None:
            starts = range(0, shape[0], rows)
            orders = [rng.permutation(min(rows, shape[0] - start)) for start in starts]
            read, place = permuted(read, rows, orders, columns), None
        stream.pull(read, rows, at_once=at_once, place=place)
    return stream.finish()


def _refuse_nonfinite(net: Network, name: str) -> None:
    """Raise the network's error for NaN and infinity, unless it was loaded to allow them."""
    for _ in net.chunks(name, max(1, _BUFFER_BYTES // (8 * net.specs[name].shape[1]))):
        pass
