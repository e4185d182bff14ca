"""Operators measured on every configuration at every scale, the data of Monte Carlo RG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.fields import Lattice, SynapticField
from nnrg.rg.flow import Flow
from nnrg.rg.scaling.lattice_operators import LatticeOperator, as_operators, operator_sums

__all__ = ["OperatorRecord", "block_operators", "join_records", "majority_operators"]

Array = npt.NDArray[np.float64]
Names = str | LatticeOperator | Sequence[str | LatticeOperator]

_CONFIGURATIONS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class OperatorRecord:
    """The value of every operator on every configuration at every scale.

    Attributes
    ----------
    operators : tuple of LatticeOperator
    lengths : array of shape (n_levels,)
        Block length b at each scale, 1 first.
    dimension : int
        Number of axes d.
    values : array of shape (n_levels, n_configurations, n_operators)
    stretched : array of shape (n_levels, n_configurations, n_operators)
        sum_x phi_x dS/dphi_x of each operator.
    moments : array of shape (n_levels, n_configurations, 2), or None
        Sums of phi and phi^2 over sites, where the variance sets the rescaling and must be set
        again without each jackknife group; else None.
    n_sites : tuple of int
        Sites of the lattice at each scale.
    groups : int array of shape (n_configurations,)
        Configurations with one label are not independent of one another.
    rule : str
        How blocks are made and rescaled.
    """

    operators: tuple[LatticeOperator, ...]
    lengths: Array
    dimension: int
    values: Array
    stretched: Array
    moments: Array | None
    n_sites: tuple[int, ...]
    groups: npt.NDArray[np.int64]
    rule: str

    def __post_init__(self) -> None:
        arrays = [self.lengths, self.values, self.stretched, self.groups]
        for array in arrays if self.moments is None else [*arrays, self.moments]:
            array.flags.writeable = False

    def __repr__(self) -> str:
        return (
            f"OperatorRecord({len(self.operators)} operators at {self.lengths.size} scales of "
            f"{self.values.shape[1]} configurations, {self.rule})"
        )


def block_operators(flow: Flow, operators: Names) -> OperatorRecord:
    """Measure operators on the rescaled block fields of a flow; each sample is a configuration.

    Parameters
    ----------
    flow : Flow
    operators : names or LatticeOperator objects
        See `nnrg.rg.scaling.lattice_operators.as_operators`.

    Returns
    -------
    OperatorRecord

    Raises
    ------
    ArgumentError
        If there is no such operator.
    AnalysisError
        If an operator does not fit on the coarsest lattice: make the flow with fewer levels.

    Examples
    --------
    >>> import nnrg
    >>> values = np.random.default_rng(1).normal(size=(50, 16, 16))
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice((16, 16))), levels=3)
    >>> block_operators(flow, ("phi2", "phi4"))
    OperatorRecord(2 operators at 3 scales of 50 configurations, block average, rescale='variance')
    """
    if not isinstance(flow, Flow):
        raise ArgumentError(f"expected a Flow, got {type(flow).__name__}; try nnrg.renormalize")
    chosen = as_operators(operators, flow.field.sites.dimension)
    levels = [(block.values.astype(np.float64), block.lattice) for _, block in flow]
    n = flow.field.n_samples
    by_sample = flow.groups.kind == "samples"
    moments = None
    if flow.rescale == "variance":
        moments = np.stack(
            [
                np.stack([v.reshape(n, -1).sum(axis=1), (v * v).reshape(n, -1).sum(axis=1)], axis=1)
                for v, _ in levels
            ]
        )
    return OperatorRecord(
        operators=chosen,
        lengths=np.array(flow.lengths, dtype=np.float64),
        dimension=flow.field.sites.dimension,
        **_measured([[v] for v, _ in levels], [s for _, s in levels], chosen),
        moments=moments,
        n_sites=tuple(s.n_sites for s in flow.sites),
        groups=flow.groups.sample_group.copy() if by_sample else np.arange(n, dtype=np.int64),
        rule=f"block average, rescale={flow.rescale!r}",
    )


def majority_operators(
    spins: SynapticField,
    operators: Names,
    *,
    levels: int,
    b: int = 2,
    rng: np.random.Generator | int | None = None,
) -> OperatorRecord:
    """Measure operators on spins and on their blocks by the majority rule.

    Parameters
    ----------
    spins : SynapticField
        Of +1 and -1; each sample is a configuration.
    operators : names or LatticeOperator objects
        See `nnrg.rg.scaling.lattice_operators.as_operators`.
    levels : int
        Number of scales, b = 1 included.
    b : int
        Block length along each axis.
    rng : numpy.random.Generator, int or None
        Breaks ties: each sign with probability one half.

    Returns
    -------
    OperatorRecord

    Raises
    ------
    ArgumentError
        If a value is no spin, or an option is out of range.
    AnalysisError
        If an operator does not fit on the coarsest lattice.

    Examples
    --------
    >>> from nnrg.fields import Lattice
    >>> up = SynapticField(np.ones((3, 8, 8)), Lattice((8, 8), periodic=True))
    >>> majority_operators(up, "nn", levels=2, rng=1).values[:, 0, 0].tolist()
    [128.0, 32.0]
    """
    if not isinstance(spins, SynapticField):
        raise ArgumentError(f"spins must be a SynapticField, got {type(spins).__name__}")
    b = as_count("b", b, 2)
    levels = as_count("levels", levels, 2)
    chosen = as_operators(operators, spins.lattice.dimension)
    sites = [spins.lattice]
    for _ in range(levels - 1):
        sites.append(sites[-1].coarsened([b] * spins.lattice.dimension))
    random = np.random.default_rng(as_seed(rng))
    runs: list[list[npt.NDArray[np.floating]]] = [[] for _ in range(levels)]
    for start in range(0, spins.n_samples, _CONFIGURATIONS_AT_ONCE):
        # Sums of so few signs are exact in single precision.
        block = spins.values[start : start + _CONFIGURATIONS_AT_ONCE].astype(np.float32)
        if not np.all(np.abs(block) == 1):
            raise ArgumentError(
                f"field {spins.name!r} holds values that are not +1 or -1; the majority rule is "
                "for spins, try block_operators for a continuous field"
            )
        runs[0].append(block)
        for level in range(1, levels):
            block = _majority(block, b, sites[level].shape, random)
            runs[level].append(block)
    return OperatorRecord(
        operators=chosen,
        lengths=np.array([float(b**level) for level in range(levels)]),
        dimension=spins.lattice.dimension,
        **_measured(runs, sites, chosen),
        moments=None,
        n_sites=tuple(s.n_sites for s in sites),
        groups=np.arange(spins.n_samples, dtype=np.int64),
        rule="majority, random ties",
    )


def join_records(records: Iterable[OperatorRecord]) -> OperatorRecord:
    """Return the configurations of several records, measured alike, as one.

    Raises
    ------
    ArgumentError
        If there is no record, or they differ in operators, scales or blocks.
    """
    items = tuple(records)
    if not items or not all(isinstance(r, OperatorRecord) for r in items):
        raise ArgumentError("join_records takes one or more OperatorRecord objects")
    first = items[0]
    for other in items[1:]:
        if (
            other.operators != first.operators
            or other.n_sites != first.n_sites
            or other.rule != first.rule
            or not np.array_equal(other.lengths, first.lengths)
        ):
            raise ArgumentError(f"records of different data cannot be joined: {first}, {other}")
        if other.moments is not None:
            raise ArgumentError(
                "records whose fields were rescaled by their own variance cannot be joined; make "
                "one flow of all samples, or give rescale a number"
            )
    groups, seen = [], 0
    for r in items:
        groups.append(r.groups + seen)
        seen += int(r.groups.max()) + 1
    return replace(
        first,
        values=np.concatenate([r.values for r in items], axis=1),
        stretched=np.concatenate([r.stretched for r in items], axis=1),
        groups=np.concatenate(groups),
    )


def _measured(
    runs: Sequence[Sequence[npt.NDArray[np.floating]]],
    sites: Sequence[Lattice],
    operators: tuple[LatticeOperator, ...],
) -> dict[str, Array]:
    """Return the operators and what stretching the field makes of them, level by level."""
    mixed = [o for o in operators if len(set(o.degrees)) > 1]
    values, stretched = [], []
    for level, lattice in zip(runs, sites, strict=True):
        needed = (*operators, *(o.stretched for o in mixed))
        try:
            sums = np.concatenate([operator_sums(v, needed, lattice.periodic) for v in level])
        except AnalysisError as error:
            raise AnalysisError(f"{error} (block lattice of {lattice.n_sites} sites)") from None
        values.append(sums[:, : len(operators)])
        change = values[-1] * [o.degrees[0] for o in operators]
        for k, operator in enumerate(mixed):
            change[:, operators.index(operator)] = sums[:, len(operators) + k]
        stretched.append(change)
    return {"values": np.stack(values), "stretched": np.stack(stretched)}


def _majority(
    spins: npt.NDArray[np.floating], b: int, shape: tuple[int, ...], rng: np.random.Generator
) -> npt.NDArray[np.floating]:
    total = spins
    for axis, n in enumerate(shape, start=1):
        total = np.moveaxis(total, axis, -1)[..., : n * b]
        total = sum(total[..., k::b] for k in range(b))  # type: ignore[assignment]
        total = np.moveaxis(total, -1, axis)
    out = np.ascontiguousarray(np.sign(total))
    ties = np.flatnonzero(out == 0)
    out.ravel()[ties] = 1 - 2 * rng.integers(0, 2, size=ties.size, dtype=np.int8)
    return out
