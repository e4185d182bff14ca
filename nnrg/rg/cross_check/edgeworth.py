"""Couplings out of cumulants: the Edgeworth series of a one-site law, and of a few sites.

The series inverts the law of one variable. For sites that interact it is that of the marginal law
of a site, or of the blocks of a scale, which is not the local part of the action of all sites.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.rg.cumulants import Cumulants, align
from nnrg.rg.observables import Observables
from nnrg.stats.estimate import format_value_error

__all__ = [
    "LARGEST_RATIO",
    "EdgeworthCouplings",
    "edgeworth_couplings",
    "edgeworth_series",
    "truncated_density",
]

Array = npt.NDArray[np.float64]

NAMES = ("g2", "g4", "g6", "g8")
# Beyond, the asymptotic series does not get better with its order.
LARGEST_RATIO = 0.3


def edgeworth_series(
    ratio4: npt.ArrayLike,
    ratio6: npt.ArrayLike,
    ratio8: npt.ArrayLike,
    *,
    kind: str = "action",
    order: int = 3,
) -> Array:
    """Return g_n kappa_2^(n/2), n = 2, 4, 6, 8, from the standardised cumulants of an even law.

    Parameters
    ----------
    ratio4, ratio6, ratio8 : array_like, dimensionless
        lambda_n = kappa_n / kappa_2^(n/2).
    kind : {"action", "1PI"}
        ``"action"``: S = -ln P, as a series with kappa_n of order eps^(n/2 - 1). ``"1PI"``: the
        effective action, whose tree formula is exact.
    order : {1, 2, 3}
        Power of eps up to which the action is expanded; the effective action is exact.

    Returns
    -------
    ndarray of shape (*ratio4.shape, 4)

    Raises
    ------
    ArgumentError
        If the kind or the order is unknown.

    Notes
    -----
    g_2 = 1 + l4/2 + (2 l4^2/3 - l6/8) + (11 l4^3/8 - 25 l4 l6/48 + l8/48),
    g_4 = -l4 + (l6/2 - 7 l4^2/2) + (47 l4 l6/12 - 149 l4^3/12 - l8/8),
    g_6 = (10 l4^2 - l6) + (80 l4^3 - 41 l4 l6/2 + l8/2), g_8 = 56 l4 l6 - 280 l4^3 - l8, one
    bracket for each power of eps: the logarithm of the Edgeworth density, expanded in the field.
    M. Demirtas et al., arXiv:2307.03223, have the rules for fields.

    Examples
    --------
    A Gaussian variable has no interaction:

    >>> from nnrg.rg.cross_check.edgeworth import edgeworth_series
    >>> edgeworth_series(0.0, 0.0, 0.0).tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    if kind not in ("action", "1PI"):
        raise ArgumentError(f"kind must be 'action' or '1PI', got {shown(kind)}")
    order = as_count("order", order, 1, 3, hint="3 uses all cumulants to the eighth")
    l4, l6, l8 = (np.asarray(x, dtype=np.float64) for x in (ratio4, ratio6, ratio8))
    zero, one = np.zeros_like(l4), np.ones_like(l4)
    if kind == "1PI":
        tree = [one, -l4, 10 * l4**2 - l6, 56 * l4 * l6 - 280 * l4**3 - l8]
        return np.stack(tree, axis=-1)
    powers = [
        [one, zero, zero, zero],
        [l4 / 2, -l4, zero, zero],
        [2 * l4**2 / 3 - l6 / 8, l6 / 2 - 7 * l4**2 / 2, 10 * l4**2 - l6, zero],
        [
            11 * l4**3 / 8 - 25 * l4 * l6 / 48 + l8 / 48,
            47 * l4 * l6 / 12 - 149 * l4**3 / 12 - l8 / 8,
            80 * l4**3 - 41 * l4 * l6 / 2 + l8 / 2,
            56 * l4 * l6 - 280 * l4**3 - l8,
        ],
    ]
    return np.stack([sum(terms) for terms in zip(*powers[: order + 1], strict=True)], axis=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeworthCouplings(Observables):
    """g_n kappa_2^(n/2) of the law of one block, n = 2, 4, 6, 8, dimensionless, at every scale."""

    kind: ClassVar[str] = "edgeworth"

    def __str__(self) -> str:
        errors = self.errors()
        lines = [[" b", *self.names, "flags"]]
        for level, b in enumerate(self.scales):
            cells = [
                format_value_error(v, e)
                for v, e in zip(self.values[level], errors[level], strict=True)
            ]
            lines.append([f"{b:>2d}", *cells, self.flags[level][0]])
        return align(lines, left=(len(self.names) + 1,))


def edgeworth_couplings(
    cumulants: Cumulants, *, kind: str = "action", order: int = 3
) -> EdgeworthCouplings:
    """Return the couplings of the law of one block at every scale, out of its cumulants.

    Parameters
    ----------
    cumulants : Cumulants
        To order 8.
    kind, order
        As in `edgeworth_series`.

    Returns
    -------
    EdgeworthCouplings
        With the jackknife replicates and the null draws of the cumulants. Flagged where the series
        is no use: |lambda_4| above 0.3, a truncated density that is not positive within five
        standard deviations, or odd cumulants, which the series leaves out.

    Raises
    ------
    ArgumentError
        If these are no cumulants to order 8, or an option is unknown.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.rg.cross_check.edgeworth import edgeworth_couplings
    >>> values = np.random.default_rng(1).normal(size=(400, 256))
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(256)), levels=2)
    >>> g = edgeworth_couplings(flow.cumulants(nulls=()))
    >>> abs(g.estimate("g4", 1).value) < 4 * g.estimate("g4", 1).error
    True
    """
    if not isinstance(cumulants, Cumulants) or cumulants.order < 8:
        raise ArgumentError("expected Cumulants to order 8; try flow.cumulants(order=8)")
    at = [cumulants.names.index(f"ratio_{n}") for n in (4, 6, 8)]

    def series(numbers: Array) -> Array:
        return edgeworth_series(*(numbers[..., i] for i in at), kind=kind, order=order)

    values = series(cumulants.values)
    errors = cumulants.errors()
    odd = [cumulants.names.index(f"ratio_{n}") for n in (3, 5)]
    flags = []
    for level, ratios in enumerate(cumulants.values):
        reasons = []
        if not abs(ratios[at[0]]) < LARGEST_RATIO:
            reasons.append(f"series does not converge: |lambda_4| = {abs(ratios[at[0]]):.2f}")
        if kind == "action" and not _is_positive(ratios[at], order):
            reasons.append("truncated density is not positive")
        if np.any(np.abs(ratios[odd]) > 4 * errors[level, odd]):
            reasons.append("odd cumulants are left out")
        flags.append(("; ".join(reasons),) * len(NAMES))
    return EdgeworthCouplings(
        scales=cumulants.scales.copy(),
        names=NAMES,
        values=values,
        replicates=series(cumulants.replicates),
        weights=cumulants.weights.copy(),
        nulls={name: series(draws) for name, draws in cumulants.nulls.items()},
        flags=tuple(flags),
        n_samples=cumulants.n_samples.copy(),
        attrs={**cumulants.attrs, "series": kind, "series_order": order},
    )


def _is_positive(ratios: Array, order: int) -> bool:
    """Tell whether the density to a power of eps is positive within five standard deviations."""
    return bool(np.all(truncated_density(ratios, order, np.linspace(-5, 5, 201)) > 0))


def truncated_density(ratios: Array, order: int, x: Array) -> Array:
    """Return the Edgeworth density to a power of eps, over that of the normal law.

    Parameters
    ----------
    ratios : array of shape (3, ...)
        lambda_4, lambda_6, lambda_8.
    order : {1, 2, 3}
    x : array of shape (n_x,)
        In standard deviations.

    Returns
    -------
    ndarray of shape (..., n_x)
    """
    l4, l6, l8 = ratios
    coefficients = np.zeros((13, *l4.shape))
    coefficients[0], coefficients[4] = 1.0, l4 / 24
    if order > 1:
        coefficients[6] += l6 / 720
        coefficients[8] += l4**2 / 1152
    if order > 2:
        coefficients[8] += l8 / 40320
        coefficients[10] += l4 * l6 / 17280
        coefficients[12] += l4**3 / 82944
    return np.asarray(np.polynomial.hermite_e.hermeval(x, coefficients))
