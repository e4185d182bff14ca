"""The linear system of the Schwinger-Dyson equations, and its goodness of fit.

With S = sum_a g_a O_a and P ~ exp(-S), every function F_x of the field obeys
<F_x dS/dphi_x> = <dF_x/dphi_x> at every site x, if exp(-S) vanishes at the edge of the support.
F = dO_b/dphi_x gives as many equations as couplings, A g = h: score matching (Hyvarinen 2005).
Functions that are not derivatives of operators in the basis test the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import numpy as np
import numpy.typing as npt

from nnrg.rg.basis import Basis
from nnrg.rg.flow import Flow
from nnrg.stats.jackknife import leave_one_out
from nnrg_kernels.schwinger_dyson import Sums, accumulate

__all__ = ["LinearSystem", "linear_system", "solve"]

Array = npt.NDArray[np.float64]


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


def linear_system(flow: Flow, level: int, basis: Basis, *, test: bool) -> LinearSystem:
    """Accumulate A and h of one scale in one pass over the unrescaled block field.

    `basis` is the basis on the flow's own lattice. With `test` the sums of functions outside the
    basis are taken too.
    """
    values, lattice = flow.means[level], flow.sites[level]
    d = lattice.dimension
    stats = flow.statistics
    n = stats.counts[level].sum()
    s1, s2 = (stats.sums[level, :, p].sum() / n for p in (0, 1))
    shift, scale = stats.shift[level], stats.scale[level]
    unit = float(np.sqrt(max(shift**2 + 2 * shift * scale * s1 + scale**2 * s2, 1e-300)))
    powers = [o.fields - 1 for o in basis if o.local]
    extra = test_powers(powers) if test else []
    # Two sites further along a line: needs a second layer of neighbours, so only where there is
    # room for it; in more dimensions the diagonal neighbours test the range instead. Null draws
    # use the same sites.
    far = d == 1 and min(lattice.shape) >= 8
    sums = accumulate(
        np.ascontiguousarray(values),
        1 / unit,
        power=max([1, *powers, *extra]),
        margin=2 if far else 1,
        periodic=lattice.periodic,
        sample_group=flow.groups.sample_group,
        edges=flow.groups.edges_at(flow.blocks.factors(flow.field.sites), level, lattice.shape),
        second_neighbours=test and far,
        diagonal=test and d > 1,
        quartic=test,
        bounded=test,
    )
    matrix, rhs, test_matrix, test_rhs, tests = _assemble(sums, basis, extra)
    return LinearSystem(
        matrix,
        rhs,
        test_matrix,
        test_rhs,
        tests,
        unit,
        sums.sites.astype(np.float64),
    )


def test_powers(powers: list[int]) -> list[int]:
    """Return the lowest even power of phi outside the basis, which tests the symmetry.

    The potential itself is tested by a bounded odd function. No higher power is used: its
    covariance is not known from a few hundred groups, and p-values come out too small.
    """
    return [next(k for k in range(2, 10, 2) if k not in powers)]


def _assemble(
    sums: Sums, basis: Basis, extra: list[int]
) -> tuple[Array, Array, Array, Array, tuple[str, ...]]:
    """Turn group sums into means over sites, for the whole and with each group left out."""

    def stacked(total: Array) -> Array:
        rest = leave_one_out(total) if total.shape[0] > 1 else total[:0]
        return np.concatenate([total.sum(axis=0, keepdims=True), rest])

    sites = np.maximum(stacked(sums.sites.astype(float)), 1.0)
    moments = stacked(sums.moments) / sites[:, None]
    cross = stacked(sums.cross) / sites[:, None, None]
    gram = stacked(sums.gram) / sites[:, None, None]
    second = stacked(sums.second) / sites[:, None]

    # A row is a derivative dO/dphi_x: ("power", k, 1/k!) or ("channel", c, 1).
    rows = []
    for o in basis:
        if o.local:
            rows.append(("power", o.fields - 1, 1 / factorial(o.fields - 1)))
        else:
            rows.append(("channel", sums.names.index(o.name), 1.0))
    tests = [("power", k, 1 / factorial(k)) for k in extra]
    used = {index for kind, index, _ in rows if kind == "channel"}
    outside = [c for c, name in enumerate(sums.names) if c not in used and extra]
    tests += [("channel", c, 1.0) for c in outside]
    names = tuple(f"phi^{k}" for k in extra) + tuple(sums.names[c] for c in outside)

    def product(p: tuple[str, int, float], q: tuple[str, int, float]) -> Array:
        kind = (p[0], q[0])
        if kind == ("power", "power"):
            value = moments[:, p[1] + q[1]]
        elif kind == ("power", "channel"):
            value = cross[:, p[1], q[1]]
        elif kind == ("channel", "power"):
            value = cross[:, q[1], p[1]]
        else:
            value = gram[:, p[1], q[1]]
        return np.asarray(p[2] * q[2] * value)

    def derivative(p: tuple[str, int, float]) -> Array:
        if p[0] == "channel":
            return second[:, p[1]]
        return moments[:, p[1] - 1] * (p[1] * p[2]) if p[1] else np.zeros(moments.shape[0])

    def table(left: list[tuple[str, int, float]]) -> Array:
        out = np.empty((moments.shape[0], len(left), len(rows)))
        for i, p in enumerate(left):
            for j, q in enumerate(rows):
                out[:, i, j] = product(p, q)
        return out

    def column(left: list[tuple[str, int, float]]) -> Array:
        out = np.empty((moments.shape[0], len(left)))
        for i, p in enumerate(left):
            out[:, i] = derivative(p)
        return out

    return table(rows), column(rows), table(tests), column(tests), names


def solve(system: LinearSystem) -> tuple[Array, float]:
    """Return the couplings of y, whole and replicates, and the condition number of the whole.

    Each operator is scaled by its own norm first, so that the condition number is that of the
    directions and not of the units; no ridge is added. Replicates that cannot be solved are NaN.

    Returns
    -------
    couplings : array of shape (1 + n_groups, n_operators)
    condition : float
    """
    norm = np.sqrt(np.diagonal(system.matrix[0]))
    m = norm.size
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = system.matrix / (norm[:, None] * norm)
        rhs = system.rhs / norm
    out = np.full(rhs.shape, np.nan)
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
