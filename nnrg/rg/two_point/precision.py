"""The quadratic kernel of every pair of sites, where samples are many more than sites."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.flow import Flow
from nnrg.rg.record import flag_groups
from nnrg.rg.two_point._connected import as_replicates, centred, leave_out, squared_factors
from nnrg.rg.two_point._range import Profile
from nnrg.rg.two_point.kernel import QuadraticKernel

__all__ = ["precision_kernel"]

Array = npt.NDArray[np.float64]

# Sites up to which the matrix of all pairs is inverted, and samples a site that it needs.
_MOST_SITES = 400
_SAMPLES_A_SITE = 4


def precision_kernel(flow: Flow, level: int = 0) -> QuadraticKernel:
    r"""Invert the covariance matrix of all pairs of sites, over samples.

    Parameters
    ----------
    flow : Flow
        Whose samples are left out.
    level : int
        0 is the field as given.

    Returns
    -------
    QuadraticKernel
        With a profile over pairs of sites: couplings that differ from pair to pair do not cancel.

    Raises
    ------
    ArgumentError
        If there is no such level.
    AnalysisError
        If there are fewer than four samples a site or more than 400 sites, if regions are left out,
        or if some sites are linear functions of others.

    Notes
    -----
    The mean of each site is taken off. With n samples the inverse of the sample covariance is on
    average (n - 1) / (n - V - 2) times too large for V sites and normal samples; this is divided
    out. No translation invariance is assumed.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.simulate.gaussian import ar1
    >>> field = nnrg.SynapticField(ar1(12, 2000, rho=0.5, rng=1), nnrg.Lattice(12))
    >>> kernel = precision_kernel(nnrg.renormalize(field, levels=1))
    >>> bool(kernel.noise_free_second_moment().value < 1.2)
    True
    """
    if not isinstance(flow, Flow):
        raise ArgumentError(f"expected a Flow, got {type(flow).__name__}; try nnrg.renormalize")
    level = as_count("level", level, 0, len(flow) - 1, hint="0 is the field as given")
    sites, labels = flow.lattices[level], flow.groups.sample_group
    n, v = flow.field.n_samples, sites.n_sites
    if flow.groups.kind != "samples" or v > _MOST_SITES or n < _SAMPLES_A_SITE * v or v < 2:
        raise AnalysisError(
            f"b = {flow.scales[level]}: the matrix of all pairs needs 2 to {_MOST_SITES} sites and "
            f"{_SAMPLES_A_SITE} independent samples a site, got {v} sites and {n} samples; "
            "try quadratic_kernel"
        )
    values, unit = centred(flow.means[level])
    y = values.reshape(n, v).astype(np.float64)
    members = [y[labels == g] for g in np.unique(labels)]
    counts = leave_out(np.array([float(len(m)) for m in members]))
    first = leave_out(np.stack([m.sum(axis=0) for m in members]))
    second = leave_out(np.stack([m.T @ m for m in members]))
    upper = np.triu_indices(v, 1)
    distance = _distances(flow, level)[upper]
    order = np.argsort(distance, kind="stable")
    pairs = np.empty((counts.size, order.size))
    onsite = np.empty((counts.size, 1))
    condition = np.inf
    for i, (m, s1, s2) in enumerate(zip(counts, first, second, strict=True)):
        covariance = (s2 - np.outer(s1, s1) / m) / (m - 1)
        if i == 0:
            spectrum = np.linalg.eigvalsh(covariance)
            condition = float(spectrum[-1] / spectrum[0]) if spectrum[0] > 0 else np.inf
            if not condition < 1e12:
                raise AnalysisError(
                    f"b = {flow.scales[level]}: some sites are linear functions of others, so the "
                    "covariance has no inverse; leave them out"
                )
        inverse = np.linalg.inv(covariance) * ((m - v - 2) / (m - 1))
        pairs[i] = inverse[upper][order]
        onsite[i] = np.trace(inverse) / v
    units = unit**2 * squared_factors(flow)[:, level][:, None]
    weights = np.bincount(labels).astype(np.float64)
    return QuadraticKernel(
        scale=flow.scales[level],
        method="matrix",
        onsite=as_replicates(onsite / units, weights),
        profile=Profile(
            distance[order],
            np.ones(order.size),
            as_replicates(pairs / units, weights),
            sites.dimension,
        ),
        condition=condition,
        reach=min(n for n in sites.shape if n > 1) / (4 if all(sites.periodic) else 2),
        flag=flag_groups(flow),
    )


def _distances(flow: Flow, level: int) -> Array:
    """Return the distance of every pair of sites, around periodic axes the short way."""
    sites = flow.lattices[level]
    where = np.indices(sites.shape).reshape(sites.dimension, -1)
    total = np.zeros((sites.n_sites, sites.n_sites))
    for x, length, wraps in zip(where, sites.shape, sites.periodic, strict=True):
        apart = np.abs(x[:, None] - x)
        total += (np.minimum(apart, length - apart) if wraps else apart) ** 2
    return np.sqrt(total)
