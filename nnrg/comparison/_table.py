"""Numbers of one flow that need no unit, with what their errors and their null are made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.rg.couplings import Couplings
from nnrg.rg.cumulants import Cumulants
from nnrg.rg.observables import Observables
from nnrg.stats.jackknife import pseudo_deviations

__all__ = ["Table", "dimensionless_couplings", "dimensionless_cumulants", "ranges_table"]

Array = npt.NDArray[np.float64]

# Their laws are too broad for Student's t: a false alarm would be several times too likely.
_BROAD = re.compile(r"phi[5-8]|ratio_[5-8]")


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Dimensionless numbers of one kind at each scale of one flow.

    Attributes
    ----------
    kind : {"coupling", "cumulant", "range"}
    names : tuple of str
    values : array of shape (n_scales, n_names)
    deviations : array of shape (n_groups, n_scales, n_names)
        Their squares add up to the variance, products to covariances.
    dof : array of shape (n_scales, n_names)
        Of the errors: groups that a number rests on, less one, or fewer if a few dominate.
    nulls : mapping from name to array of shape (n_draws, n_scales, n_names)
    flags : tuple of tuples of str, by scale and name
    weights : array of shape (n_groups, n_scales)
        What of each group a scale rests on.
    """

    kind: str
    names: tuple[str, ...]
    values: Array
    deviations: Array
    dof: Array
    nulls: Mapping[str, Array]
    flags: tuple[tuple[str, ...], ...]
    weights: Array

    def errors(self) -> Array:
        """Return the standard errors, shape (n_scales, n_names)."""
        return np.asarray(np.sqrt((self.deviations**2).sum(axis=0)))

    def broad(self) -> npt.NDArray[np.bool_]:
        """Tell which numbers have a law too broad to read a p-value from, shape (n_names,)."""
        return np.array([_BROAD.fullmatch(name) is not None for name in self.names])


def _table(
    kind: str,
    result: Observables,
    keep: list[int],
    values: Array,
    replicates: Array,
    nulls: dict[str, Array],
) -> Table:
    """Return a table of some of the numbers of a result, made dimensionless."""
    levels, groups = result.scales.size, len(replicates)
    sizes = np.repeat(result.weights, values.shape[1], axis=1)
    parts = pseudo_deviations(replicates.reshape(groups, -1), values.ravel(), sizes)
    parts = parts.reshape(groups, levels, -1)[:, :, keep]
    filled = (result.weights > 0).sum(axis=0).astype(np.float64)
    return Table(
        kind=kind,
        names=tuple(result.names[i] for i in keep),
        values=values[:, keep],
        deviations=parts,
        dof=_degrees_of_freedom(parts, filled[:, None]),
        nulls={name: draws[:, :, keep] for name, draws in nulls.items()},
        flags=tuple(tuple(row[i] for i in keep) for row in result.flags),
        weights=result.weights,
    )


def _degrees_of_freedom(deviations: Array, groups: Array) -> Array:
    """Return 2 over the relative variance of each variance: fewer if a few groups make it.

    The relative variance of a sum of squares u^2 is sum u^4 / (sum u^2)^2 - 1/G, which is 2/G for
    normal u and approaches one where one group is all.
    """
    squares = deviations**2
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (squares**2).sum(axis=0) / squares.sum(axis=0) ** 2 - 1 / groups
        own = np.where(share > 0, 2 / share, np.inf)
    return np.asarray(np.maximum(1.0, np.minimum(groups - 1, own)))


def dimensionless_couplings(couplings: Couplings, cumulants: Cumulants | None) -> Table:
    """Return g_n sigma^n, with sigma refitted in every replicate and null draw if it is known.

    `cumulants` of the same flow say what sigma is there; without them it is that of all data.
    """
    sigma = couplings.series["sigma"]
    powers = couplings.fields
    values = couplings.values * sigma[:, None] ** powers
    left = np.broadcast_to(sigma, couplings.replicates.shape[:2])
    drawn = {n: np.broadcast_to(sigma, draws.shape[:2]) for n, draws in couplings.nulls.items()}
    if cumulants is not None and is_same_flow(couplings, cumulants):
        at = cumulants.names.index("kappa_2")
        left = _sigma(couplings, cumulants.replicates[:, :, at])
        drawn = {n: _sigma(couplings, cumulants.nulls[n][:, :, at]) for n in couplings.nulls}
    with np.errstate(invalid="ignore", over="ignore"):
        replicates = couplings.replicates * left[..., None] ** powers
        nulls = {n: d * drawn[n][..., None] ** powers for n, d in couplings.nulls.items()}
    keep = list(range(len(couplings.names)))
    return _table("coupling", couplings, keep, values, replicates, nulls)


def is_same_flow(couplings: Couplings, cumulants: Cumulants) -> bool:
    """Tell whether groups and null draws of both are the same ones."""
    shared = ("field", "seed", "lattice", "blocks", "rescale", "jackknife_over", "notes")
    return (
        all(couplings.attrs.get(key) == cumulants.attrs.get(key) for key in shared)
        and couplings.replicates.shape[:2] == cumulants.replicates.shape[:2]
        and {n: len(d) for n, d in couplings.nulls.items()}
        == {n: len(d) for n, d in cumulants.nulls.items()}
    )


def _sigma(couplings: Couplings, variances: Array) -> Array:
    """Return the standard deviation of the rescaled field where kappa_2 is as given."""
    with np.errstate(invalid="ignore"):
        if couplings.attrs["rescale"] == "variance":
            return np.broadcast_to(np.sqrt(variances[:, :1]), variances.shape)
        return np.asarray(couplings.series["factor"] * np.sqrt(variances))


def dimensionless_cumulants(cumulants: Cumulants) -> Table:
    """Return the ratios of cumulants and the neighbour correlations."""
    keep = [
        i for i, name in enumerate(cumulants.names) if name.startswith(("ratio_", "neighbour:"))
    ]
    return _table(
        "cumulant",
        cumulants,
        keep,
        cumulants.values,
        cumulants.replicates,
        dict(cumulants.nulls),
    )


def ranges_table(report: Observables) -> Table:
    """Return the ranges of a nonlocality report, in blocks of each scale."""
    keep = list(range(len(report.names)))
    return _table("range", report, keep, report.values, report.replicates, dict(report.nulls))
