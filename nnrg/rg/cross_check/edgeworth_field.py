"""The quartic vertex of a few sites out of their connected four-point function, at tree level."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.fields import SynapticField
from nnrg.rg.cross_check._couplings import NamedCouplings
from nnrg.rg.cross_check._cumulant_tensors import (
    cumulants_from_moments,
    expand,
    moment_sums,
    transformed,
)
from nnrg.stats.jackknife import Jackknife, jackknife_covariance, leave_one_out
from nnrg.stats.partition import sample_groups

__all__ = ["EdgeworthQuartic", "edgeworth_quartic"]

Array = npt.NDArray[np.float64]

MOST_SITES = 16
_SAMPLES_A_SITE = 10
_SINGULAR = 1e10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EdgeworthQuartic(NamedCouplings):
    """Quartic couplings at tree level, averaged over the sites of a small lattice.

    In the unit of the field to the minus four; names are ``phi4``, then ``U:r`` and ``phi3phi:r``
    for every distance on the lattice.

    Attributes
    ----------
    vertex : array of shape (n_sites, n_sites, n_sites, n_sites)
        g_4(x_1, .., x_4).
    condition : float
        Of the two-point function that is inverted; no nugget is added.
    """

    vertex: Array
    condition: float

    def __str__(self) -> str:
        return f"{NamedCouplings.__str__(self)}  (condition {self.condition:.1e})"


def edgeworth_quartic(field: SynapticField) -> EdgeworthQuartic:
    """Amputate the connected four-point function of a few sites.

    Parameters
    ----------
    field : SynapticField
        At most 16 sites, at least ten samples a site.

    Returns
    -------
    EdgeworthQuartic

    Raises
    ------
    ArgumentError
        If there are more sites.
    AnalysisError
        If there are fewer samples, or the two-point function is singular to ten digits.

    Notes
    -----
    g_4(x_1..x_4) = -sum_y G_c(y_1..y_4) prod_a G^{-1}(y_a, x_a), the leading term of the Edgeworth
    expansion: corrections are of the order of a further connected function (M. Demirtas et al.,
    arXiv:2307.03223). At distance r, U:r is half of g_4(x, x, y, y), phi3phi:r is g_4(x, x, x, y),
    as their definitions in the action have it.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.rg.cross_check.edgeworth_field import edgeworth_quartic
    >>> values = np.random.default_rng(1).normal(size=(2000, 4))
    >>> u = edgeworth_quartic(nnrg.SynapticField(values, nnrg.Lattice(4))).estimate("phi4")
    >>> abs(u.value) < 4 * u.error
    True
    """
    if not isinstance(field, SynapticField) or field.sites.n_sites > MOST_SITES:
        raise ArgumentError(
            f"expected a SynapticField of at most {MOST_SITES} sites, got {field!r}; coarse-grain "
            "it first"
        )
    n, sites = field.n_samples, field.sites.n_sites
    if n < _SAMPLES_A_SITE * sites:
        raise AnalysisError(
            f"{n} samples of {sites} sites: the four-point function needs at least "
            f"{_SAMPLES_A_SITE} samples a site"
        )
    y = field.values.reshape(n, sites).astype(np.float64)
    y -= y.mean(axis=0)
    group = sample_groups(n, Jackknife().max_groups)
    sums = moment_sums(y, 4, group)
    whole, condition = _vertex([s.sum(axis=0) for s in sums], sites)
    if not condition < _SINGULAR:
        raise AnalysisError(
            f"the two-point function of {field.name!r} is singular (condition {condition:.1e}): "
            "it cannot be inverted; leave out sites that repeat others"
        )
    names, average = _averages(field)
    values = average @ whole.ravel()
    left_out = [leave_one_out(s) for s in sums]
    replicates = np.array(
        [
            average @ _vertex([s[g] for s in left_out], sites)[0].ravel()
            for g in range(len(left_out[0]))
        ]
    )
    covariance = jackknife_covariance(replicates, values, np.bincount(group))
    return EdgeworthQuartic(
        names=names,
        values=values,
        errors=np.sqrt(np.diag(covariance)),
        n_samples=n,
        vertex=whole,
        condition=condition,
    )


def _vertex(sums: list[Array], sites: int) -> tuple[Array, float]:
    """Return g_4 and the condition of G from the sums of monomials of each degree."""
    moments = {d: sums[d] / sums[0][0] for d in range(1, 5)}
    # The mean of the whole is zero, that of a replicate is not: odd moments count.
    cumulants = cumulants_from_moments(moments, sites)
    g, connected = expand(cumulants[2], sites, 2), expand(cumulants[4], sites, 4)
    spectrum = np.linalg.eigvalsh(g)
    if not spectrum[0] > 0:
        return np.full(connected.shape, np.nan), np.inf
    inverse = np.asarray(np.linalg.inv(g), dtype=np.float64)
    return -transformed(connected, inverse), float(spectrum[-1] / spectrum[0])


def _averages(field: SynapticField) -> tuple[tuple[str, ...], Array]:
    """Return names, and the weights of the vertex whose sum is each coupling."""
    shape = field.sites.shape
    sites = field.sites.n_sites
    at = np.array(np.unravel_index(np.arange(sites), shape)).T
    index = np.arange(sites**4).reshape((sites,) * 4)
    rows = {"phi4": np.concatenate([index[x, x, x, x][None] for x in range(sites)])}
    found: dict[str, list[int]] = {}
    for x, y in combinations(range(sites), 2):
        step = np.abs(at[x] - at[y])
        wrapped = np.minimum(step, np.where(field.lattice.periodic, np.array(shape) - step, step))
        r = f"{np.sqrt(np.sum(wrapped**2)):.4g}"
        found.setdefault(f"U:{r}", []).append(int(index[x, x, y, y]))
        found.setdefault(f"phi3phi:{r}", []).extend(
            [int(index[x, x, x, y]), int(index[y, y, y, x])]
        )
    for name in sorted(found, key=lambda name: float(name.partition(":")[2])):
        rows[name] = np.array(found[name])
    weights = np.zeros((len(rows), sites**4))
    for row, (name, where) in zip(weights, rows.items(), strict=True):
        row[where] = (0.5 if name.startswith("U") else 1.0) / len(where)
    return tuple(rows), weights
