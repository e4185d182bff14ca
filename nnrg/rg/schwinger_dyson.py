"""The linear system of the Schwinger-Dyson equations, and its goodness of fit.

With S = sum_a g_a O_a and P ~ exp(-S), every function F_x of the field obeys
<F_x dS/dphi_x> = <dF_x/dphi_x> at every site x, if exp(-S) vanishes at the edge of the support.
F = dO_b/dphi_x gives as many equations as couplings, A g = h: score matching (Hyvarinen 2005).
Functions that are not derivatives of operators in the basis test the fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import factorial, sqrt
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from nnrg.lattice import Lattice
from nnrg.rg.basis import Basis
from nnrg.rg.distances import distances
from nnrg.rg.flow import Flow
from nnrg.rg.operators import DerivativeRow, Operator
from nnrg.stats.jackknife import leave_one_out
from nnrg_kernels.schwinger_dyson import Sums, Term, accumulate

__all__ = ["LinearSystem", "assemble", "linear_system", "root_mean_square", "solve", "support"]

Array = npt.NDArray[np.float64]
T = TypeVar("T")  # a term: of a lattice or of a graph
Row: TypeAlias = tuple[dict[int, float], dict[T, float]]


@dataclass(frozen=True, slots=True)
class LinearSystem:
    """A g = h of one scale, for the whole and for each group left out; in the unit y = phi / unit.

    Index 0 of the first axis is the whole, the others leave out one group each.

    Attributes
    ----------
    matrix : array of shape (1 + n_groups, n_operators, n_operators)
    rhs : array of shape (1 + n_groups, n_operators)
    test_matrix : array of shape (1 + n_groups, n_tests, n_operators)
    test_rhs : array of shape (1 + n_groups, n_tests)
    tests : tuple of str
        The functions outside the basis.
    unit : float
        Root mean square of the block mean at this scale.
    weights : array of shape (n_groups,)
        Sites of each group that have all their neighbours.
    """

    matrix: Array
    rhs: Array
    test_matrix: Array
    test_rhs: Array
    tests: tuple[str, ...]
    unit: float
    weights: Array

    @property
    def sites(self) -> int:
        """Sites that have all their neighbours, summed over samples."""
        return int(self.weights.sum())

    @property
    def filled(self) -> int:
        """Groups that hold any such site."""
        return int(np.count_nonzero(self.weights))


def linear_system(
    flow: Flow, level: int, basis: Basis, *, test: bool, hard_edge: bool = False
) -> LinearSystem:
    """Accumulate A and h of one scale in one pass over the unrescaled block field.

    `basis` is the basis on the lattice of that scale. With `test` the sums of functions outside the
    basis are taken too. With `hard_edge` every test function is weighted with a parabola that
    vanishes at the least and the greatest value, so that a density that does not vanish there does
    no harm: <w F dS> = <w dF + w' F>.
    """
    values, lattice = np.ascontiguousarray(flow.means[level]), flow.lattices[level]
    unit = root_mean_square(flow, level)
    tests, margin = tests_outside(basis, lattice)
    rows = derivative_rows(basis, lattice.dimension)
    outside = list(tests.values()) if test else []
    terms = tuple(dict.fromkeys(t for _, parts in (*rows, *outside) for t in parts))
    sums = accumulate(
        values,
        1 / unit,
        power=max([1, *(k for powers, _ in (*rows, *outside) for k in powers)]),
        margin=margin,
        periodic=lattice.periodic,
        sample_group=flow.groups.sample_group,
        edges=flow.edges_at(level),
        terms=terms,
        window=support(values, unit) if hard_edge else None,
    )
    return assemble(sums, terms, rows, outside, tuple(tests) if test else (), unit)


def assemble(
    sums: Sums,
    terms: Sequence[T],
    rows: Sequence[Row[T]],
    outside: Sequence[Row[T]],
    tests: tuple[str, ...],
    unit: float,
) -> LinearSystem:
    """Return A g = h from sums over sites, of operators with `rows`, and of tests `outside`."""
    products, derivatives, sites = _group_means(sums)
    fitted, other = _weights(rows, terms, sums), _weights(outside, terms, sums)
    return LinearSystem(
        matrix=fitted @ products @ fitted.T,
        rhs=derivatives @ fitted.T,
        test_matrix=other @ products @ fitted.T,
        test_rhs=derivatives @ other.T,
        tests=tests,
        unit=unit,
        weights=sites,
    )


def support(values: npt.NDArray[np.floating], unit: float) -> tuple[float, float]:
    """Return the least and the greatest value, in units of `unit`."""
    return float(values.min()) / unit, float(values.max()) / unit


def root_mean_square(flow: Flow, level: int) -> float:
    """Return the root mean square of the unrescaled block mean at one scale."""
    stats = flow.statistics
    n = stats.counts[level].sum()
    s1, s2 = (stats.sums[level, :, p].sum() / n for p in (0, 1))
    shift, scale = stats.shift[level], stats.scale[level]
    return float(np.sqrt(max(shift**2 + 2 * shift * scale * s1 + scale**2 * s2, 1e-300)))


@lru_cache(maxsize=64)
def derivative_rows(basis: Basis, dimension: int) -> tuple[DerivativeRow, ...]:
    """Return dO/dphi_x of every operator; null draws ask for the same ones again and again."""
    return tuple(o.derivative_row(dimension) for o in basis)


@lru_cache(maxsize=64)
def tests_outside(basis: Basis, lattice: Lattice) -> tuple[dict[str, DerivativeRow], int]:
    """Return functions that are in no operator's derivative, and the sites left out at open ends.

    The lowest even power of phi outside the basis tests the symmetry, a bounded odd function the
    potential: no higher power is used, because its covariance is not known from a few hundred
    groups and p-values come out too small. The shortest J(r) and U(r) outside the basis test the
    range, where the neighbours that are used anyway hold them; on a line of 8 sites or more those
    at distance 2 are used anyway. Null draws leave out the same sites.
    """
    d = lattice.dimension
    far = d == 1 and min(lattice.shape) >= 8
    margin = max(1 + far, *(o.reach(d) for o in basis))
    even = {o.fields for o in basis if isinstance(o, Operator) and o.local}
    power = next(k for k in range(2, 10, 2) if k + 1 not in even)
    tests: dict[str, DerivativeRow] = {f"phi^{power}": ({power: 1 / factorial(power)}, {})}
    for kind, first in (("J", 1), ("U", 0)):
        for squared in distances(d)[first:]:
            operator = Operator(f"{kind}:{sqrt(squared):.4g}")
            alone = Basis((operator,))
            if operator.reach(d) > margin or alone.out_of_room(lattice):
                continue
            if operator.name not in basis.names:
                tests[operator.name] = operator.derivative_row(d)
                break
    tests["bounded"] = ({}, {Term("bounded", ()): 1.0})
    return tests, margin


def _weights(rows: Sequence[Row[T]], terms: Sequence[T], sums: Sums) -> Array:
    """Return the coefficients of y^0, .., y^K, T_0, T_1, .. in each row."""
    n_powers = sums.cross.shape[1]
    out = np.zeros((len(rows), n_powers + len(terms)))
    for row, (powers, parts) in zip(out, rows, strict=True):
        for k, weight in powers.items():
            row[k] += weight
        for term, weight in parts.items():
            row[n_powers + terms.index(term)] += weight
    return out


def _group_means(sums: Sums) -> tuple[Array, Array, Array]:
    """Return <R_i R_j>, <dR_i/dy> and the sites, for the whole and with each group left out.

    R is y^0, .., y^K, T_0, T_1, ..; with a window all are weighted, and <dR_i/dy> has the
    derivative of the weight in it.
    """
    n_powers = sums.cross.shape[1]
    power = np.arange(n_powers)
    local = sums.moments[:, power[:, None] + power]
    products = np.concatenate(
        [
            np.concatenate([local, sums.cross], axis=2),
            np.concatenate([sums.cross.transpose(0, 2, 1), sums.gram], axis=2),
        ],
        axis=1,
    )
    steps = sums.edge + power * np.roll(sums.moments[:, :n_powers], 1, axis=1)
    derivatives = np.concatenate([steps, sums.second], axis=1)

    def stacked(total: Array) -> Array:
        rest = leave_one_out(total) if total.shape[0] > 1 else total[:0]
        return np.concatenate([total.sum(axis=0, keepdims=True), rest])

    sites = sums.sites.astype(np.float64)
    share = 1 / np.maximum(stacked(sites), 1.0)
    return (
        stacked(products) * share[:, None, None],
        stacked(derivatives) * share[:, None],
        sites,
    )


def solve(system: LinearSystem) -> tuple[Array, float]:
    """Return the couplings of y, whole and replicates, and the condition number of the whole.

    Each operator is scaled by its own norm first, so that the condition number is that of the
    directions and not of the units; no ridge is added. Replicates that cannot be solved are NaN.

    Returns
    -------
    couplings : array of shape (1 + n_groups, n_operators)
    condition : float
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # a diagonal below its rounding
        norm = np.sqrt(np.diagonal(system.matrix[0]))
        scaled = system.matrix / (norm[:, None] * norm)
        rhs = system.rhs / norm
    m, out = norm.size, np.full(rhs.shape, np.nan)
    if not (np.all(np.isfinite(scaled[0])) and system.sites > m):
        return out, np.inf
    # The matrix is symmetric and positive: its condition number is the ratio of two eigenvalues.
    spectrum = np.linalg.eigvalsh(scaled[0])
    condition = float(spectrum[-1] / spectrum[0]) if spectrum[0] > 0 else np.inf
    if condition > 1e14:
        return out, condition
    good = np.flatnonzero(np.isfinite(scaled).all(axis=(1, 2)))
    try:
        out[good] = np.linalg.solve(scaled[good], rhs[good][..., None])[..., 0] / norm
    except np.linalg.LinAlgError:  # one replicate is singular: solve them one by one
        for i in good:
            if np.linalg.matrix_rank(scaled[i]) == m:
                out[i] = np.linalg.solve(scaled[i], rhs[i]) / norm
    return out, condition
