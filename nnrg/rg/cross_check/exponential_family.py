"""The one-site potential by maximum entropy: the exponential family of given moments."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import factorial

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.cross_check._couplings import LevelCouplings
from nnrg.rg.cross_check._labels import group_of_values
from nnrg.rg.diagnostics import has_hard_edge, thinned
from nnrg.rg.flow import Flow
from nnrg.stats.jackknife import jackknife_bias, jackknife_covariance, leave_one_out

__all__ = ["OneSitePotential", "maximum_entropy", "quadrature"]

Array = npt.NDArray[np.float64]

_NODES = 400
_STEPS = 100
_TIGHT = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OneSitePotential(LevelCouplings):
    """V(phi) = sum_n g_n phi^n / n! of the law of one site, P ~ exp(-V), at one scale.

    In the unit of the unrescaled block mean to the minus n; names are ``phi``, ``phi2``, ...

    Attributes
    ----------
    support : tuple of float
        The interval on which the law is normalised.
    """

    support: tuple[float, float]


@cache
def _legendre() -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(_NODES)


def quadrature(values: npt.NDArray[np.floating], unit: float) -> tuple[Array, Array, bool]:
    """Return nodes and weights on the support of a law, in `unit`, and if it has a hard edge.

    At a hard edge the support is the range of the values; else it goes on for two of `unit`.
    """
    low, high = float(values.min()) / unit, float(values.max()) / unit
    hard = has_hard_edge(thinned(values))
    if not hard:
        low, high = low - 2.0, high + 2.0
    nodes, weights = _legendre()
    half = (high - low) / 2
    return (high + low) / 2 + half * nodes, half * weights, hard


def maximum_entropy(flow: Flow, level: int = 0, *, order: int = 6) -> OneSitePotential:
    """Fit the law of one site of a scale by exp(-sum_n g_n phi^n / n!), n = 1 .. order.

    Parameters
    ----------
    flow : Flow
    level : int
        0 for the field as given.
    order : {2, 4, 6, 8}
        Moments up to it are those of the field.

    Returns
    -------
    OneSitePotential
        Of the unrescaled block mean; errors by the jackknife of the flow, refitted in each
        replicate. It is the marginal law of a site: of sites that interact its couplings are not
        the local ones of the action, those of independent sites are.

    Raises
    ------
    ArgumentError
        If the flow, the level or the order is none.
    AnalysisError
        If there is no such law, as for a field of a few values, or the field has a single group.

    Notes
    -----
    The maximum of entropy under moment constraints is convex; Newton's method on 400 Gauss-Legendre
    nodes. It needs no derivative and no vanishing density, so that it serves where the field has a
    hard edge: the potential is then that inside.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.rg.cross_check.exponential_family import maximum_entropy
    >>> values = np.random.default_rng(1).uniform(-1, 1, size=(400, 64))
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(64)), levels=2)
    >>> r = maximum_entropy(flow, order=4).estimate("phi2")
    >>> abs(r.value) < 4 * r.error
    True
    """
    if not isinstance(flow, Flow):
        raise ArgumentError(f"expected a Flow, got {type(flow).__name__}; try nnrg.renormalize")
    level = as_count("level", level, 0, len(flow) - 1)
    order = as_count("order", order, 2, 8, hint="2, 4, 6 and 8 bind the field")
    if order % 2:
        raise ArgumentError(f"order must be 2, 4, 6 or 8, got {order}; try {order + 1}")
    means = flow.means[level]
    unit = float(np.sqrt(np.mean(means.astype(np.float64) ** 2)))
    y = (means.astype(np.float64) / unit).ravel()
    group = group_of_values(flow, level).ravel()
    n_groups = int(flow.groups.n_groups)
    sites = np.bincount(group, minlength=n_groups).astype(np.float64)
    scaled = [y**n / factorial(n) for n in range(1, order + 1)]
    sums = np.stack([np.bincount(group, s, minlength=n_groups) for s in scaled], axis=1)
    if np.count_nonzero(sites) < 2:
        raise AnalysisError("a single group has no error; take fewer levels")
    nodes, weights, hard = quadrature(means, unit)
    features = np.stack([nodes**n / factorial(n) for n in range(1, order + 1)])
    start = np.zeros(order)
    start[1] = 1.0
    whole = _solve(sums.sum(axis=0) / sites.sum(), features, weights, start)
    left_out = leave_one_out(sums) / leave_one_out(sites)[:, None]
    replicates = np.array([_solve(m, features, weights, whole) for m in left_out])
    powers = unit ** -np.arange(1.0, order + 1)
    values = whole - jackknife_bias(replicates, whole, sites)
    covariance = jackknife_covariance(replicates, whole, sites)
    errors = np.sqrt(np.diag(covariance)) * powers
    with np.errstate(over="ignore"):  # of a field of order 1e-30 it is larger than any number
        covariance = covariance * powers[:, None] * powers
    flag = "hard edge: normalised inside it" if hard else ""
    if whole[-1] <= 0 and not hard:
        flag = f"phi{order} is not positive: the law is cut off at the ends of its support"
    return OneSitePotential(
        scale=flow.scales[level],
        names=tuple("phi" if n == 1 else f"phi{n}" for n in range(1, order + 1)),
        values=values * powers,
        errors=errors,
        covariance=covariance,
        replicates=replicates * powers,
        support=(float(nodes[0] * unit), float(nodes[-1] * unit)),
        n_samples=int(np.count_nonzero(sites)),
        flag=flag,
    )


def _solve(moments: Array, features: Array, weights: Array, start: Array) -> Array:
    """Return g with <f_a> = moments_a under exp(-g f): Newton's method with halved steps."""
    g = start.copy()

    def law(g: Array) -> tuple[float, Array]:
        exponent = -g @ features
        top = float(exponent.max())
        density = np.exp(exponent - top) * weights
        norm = float(density.sum())
        return top + np.log(norm), density / norm

    log_norm, density = law(g)
    for _ in range(_STEPS):
        mean = features @ density
        gradient = moments - mean
        hessian = (features * density) @ features.T - np.outer(mean, mean)
        with np.errstate(invalid="ignore"):
            scale = np.sqrt(np.diag(hessian))
        if not np.all(scale > 0):
            break
        step = np.linalg.lstsq(hessian / np.outer(scale, scale), gradient / scale, rcond=None)[0]
        if np.all(np.abs(gradient) <= _TIGHT * scale):
            return np.asarray(g)
        step /= scale
        size, value = 1.0, log_norm + g @ moments
        for _ in range(40):
            trial = g - size * step
            log_norm, density = law(trial)
            if log_norm + trial @ moments <= value + 1e-14 * abs(value):
                break
            size /= 2
        g = trial
    raise AnalysisError(
        "no law exp(-V) has the moments of these values; they may be discrete, or too few"
    )
