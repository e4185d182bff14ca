"""Local and quadratic couplings by pseudo-likelihood: the law of a site given its neighbours."""

from __future__ import annotations

from math import factorial

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.basis import Basis
from nnrg.rg.cross_check._couplings import LevelCouplings
from nnrg.rg.cross_check._labels import group_of_values
from nnrg.rg.cross_check.exponential_family import quadrature
from nnrg.rg.flow import Flow
from nnrg.rg.operators import Operator
from nnrg.stats.jackknife import jackknife_bias, jackknife_covariance, leave_one_out

__all__ = ["PseudoLikelihood", "pseudo_likelihood"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Nodes in the pull of the neighbours, at which the moments of a site are tabulated.
_PULLS = 256
_STEPS = 60
_TIGHT = 1e-8
_MOST_SITES = 2_000_000


class PseudoLikelihood(LevelCouplings):
    """Couplings of one scale by pseudo-likelihood, in the unit of the unrescaled block mean."""

    __slots__ = ()


def pseudo_likelihood(
    flow: Flow, level: int = 0, *, basis: Basis | None = None
) -> PseudoLikelihood:
    """Fit the law of every site given its neighbours.

    Parameters
    ----------
    flow : Flow
    level : int
        0 for the field as given.
    basis : Basis, optional
        Powers of phi and quadratic couplings grad2 and J(r); phi to phi^4 and grad2 if left out.

    Returns
    -------
    PseudoLikelihood
        Errors by the jackknife of the flow. A replicate is one step of Newton's method from the
        solution of the whole, with the sums of its own groups: what is left is of order 1/G^2.

    Raises
    ------
    ArgumentError
        If the basis has other operators, or none of even power.
    AnalysisError
        If the likelihood has no maximum on these values, or there are fewer than two groups.

    Notes
    -----
    P(phi_x | rest) ~ exp[-sum_n g_n phi_x^n / n! - sum_c g_c (z_c phi_x^2 / 2 - phi_x s_xc)] with
    s_xc the sum over the z_c neighbours of channel c, normalised by quadrature: J. Besag,
    Journal of the Royal Statistical Society B 36 (1974) 192. It is consistent as the
    Schwinger-Dyson equations are, uses no derivative of the density, and takes the support of the
    values as it is, a hard edge too.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.rg.cross_check.pseudo_likelihood import pseudo_likelihood
    >>> values = np.random.default_rng(1).normal(size=(200, 64))
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(64)), levels=2)
    >>> z = pseudo_likelihood(flow).estimate("grad2:0")
    >>> abs(z.value) < 4 * z.error
    True
    """
    if not isinstance(flow, Flow):
        raise ArgumentError(f"expected a Flow, got {type(flow).__name__}; try nnrg.renormalize")
    level = as_count("level", level, 0, len(flow) - 1)
    lattice = flow.lattices[level]
    chosen = Basis.scalar(order=4) if basis is None else basis
    operators = _usable(chosen.on(lattice.dimension))
    powers = np.array([o.fields for o in operators if o.local])
    channels = [o for o in operators if not o.local]

    means = flow.means[level].astype(np.float64)
    unit = float(np.sqrt(np.mean(means**2)))
    y, neighbours, inside, counts = _neighbours(means / unit, lattice.periodic, channels)
    group = group_of_values(flow, level)[inside].astype(np.int64)
    if y.size > _MOST_SITES:
        raise AnalysisError(
            f"{y.size} sites: pseudo-likelihood is a cross-check for up to {_MOST_SITES}; "
            "give fewer samples"
        )
    n_groups = flow.groups.n_groups
    filled = int(np.count_nonzero(np.bincount(group, minlength=n_groups)))
    if filled < 2:
        raise AnalysisError("a single group has no error; take fewer levels or more samples")
    site = _Site(powers, counts, *quadrature(means, unit)[:2])
    start = np.zeros(len(operators))
    start[int(np.flatnonzero(powers == 2)[0])] = 1.0
    whole = _maximise(site, y, neighbours, start)
    gradient, hessian = _group_sums(site, y, neighbours, whole, group, n_groups)
    try:
        steps = np.linalg.solve(leave_one_out(hessian), leave_one_out(gradient)[..., None])[..., 0]
    except np.linalg.LinAlgError:
        raise AnalysisError(
            f"the likelihood has no maximum without some of the {filled} groups; "
            "give more samples, or fewer operators"
        ) from None
    replicates = whole + steps
    sizes = np.bincount(group, minlength=n_groups).astype(np.float64)
    fields = np.array([o.fields for o in operators], dtype=float)
    scale = unit**-fields
    values = whole - jackknife_bias(replicates, whole, sizes)
    covariance = jackknife_covariance(replicates, whole, sizes)
    errors = np.sqrt(np.diag(covariance)) * scale
    with np.errstate(over="ignore"):  # of a field of order 1e-30 it is larger than any number
        covariance = covariance * scale[:, None] * scale
    return PseudoLikelihood(
        scale=flow.scales[level],
        names=tuple(o.name for o in operators),
        values=values * scale,
        errors=errors,
        covariance=covariance,
        replicates=replicates * scale,
        n_samples=filled,
    )


def _usable(basis: Basis) -> list[Operator]:
    """Return the operators, powers of phi first."""
    good = [
        o
        for o in basis
        if isinstance(o, Operator) and (o.local or o.name.startswith(("grad2", "J")))
    ]
    if len(good) < len(basis) or not any(o.name == "phi2" for o in good):
        raise ArgumentError(
            "pseudo-likelihood takes powers of phi, phi2 among them, grad2 and J(r), got "
            f"{', '.join(basis.names)}"
        )
    return sorted(good, key=lambda o: not o.local)


def _neighbours(
    y: Array, periodic: tuple[bool, ...], channels: list[Operator]
) -> tuple[Array, Array, npt.NDArray[np.bool_], Array]:
    """Return inner sites, the sums over their neighbours for each channel, and where they are."""
    d = y.ndim - 1
    reach = max((o.reach(d) for o in channels), default=0)
    inside = np.ones(y.shape, dtype=bool)
    for axis, wraps in enumerate(periodic):
        if not wraps:
            at = np.arange(y.shape[1 + axis])
            good = (at >= reach) & (at < at.size - reach)
            inside &= good.reshape([-1 if a == 1 + axis else 1 for a in range(y.ndim)])
    if not inside.any():
        raise AnalysisError(f"no site has all its neighbours up to {reach} sites away")
    axes = tuple(range(1, 1 + d))
    sums, counts = [], []
    for o in channels:
        (term,) = o.derivative_row(d)[1]
        steps = [s for offset in term.offsets for s in (offset, tuple(-a for a in offset))]
        total = np.zeros(y.shape)
        for step in steps:
            total += np.roll(y, step, axes)
        sums.append(total[inside])
        counts.append(len(steps))
    return y[inside], np.array(sums).reshape(len(sums), -1), inside, np.array(counts, dtype=float)


class _Site:
    """The law of one site in the pull t of its neighbours: P ~ exp(-V(phi) + t phi)."""

    def __init__(self, powers: Ints, counts: Array, nodes: Array, weights: Array) -> None:
        self.powers, self.counts = powers, counts
        self.nodes, self.log_weights = nodes, np.log(weights)
        self.weight = np.array([1 / factorial(n) for n in powers])

    def moments(self, g: Array, t: Array) -> tuple[Array, Array]:
        """Return ln Z and <phi^k>, k = 0, 1, .., at every pull, by splines through a table."""
        from scipy.interpolate import CubicSpline

        a = self.powers.size
        potential = (g[:a] * self.weight) @ self.nodes ** self.powers[:, None]
        potential = potential + (g[a:] @ self.counts) / 2 * self.nodes**2
        pad = 1e-9 + 0.01 * float(np.ptp(t))
        grid = np.linspace(t.min() - pad, t.max() + pad, _PULLS)
        exponent = grid[:, None] * self.nodes - potential + self.log_weights
        top = exponent.max(axis=1, keepdims=True)
        density = np.exp(exponent - top)
        norm = density.sum(axis=1, keepdims=True)
        k = np.arange(2 * max(2, int(self.powers.max())) + 1)
        table = (density / norm) @ self.nodes[:, None] ** k
        log_norm = top[:, 0] + np.log(norm[:, 0])
        spline = CubicSpline(grid, np.column_stack([log_norm, table]))(t)
        return spline[:, 0], spline[:, 1:].T

    def expected(self, moments: Array, s: Array) -> tuple[Array, Array]:
        """Return <f_a> and <f_a f_b> at every site, f_a the derivatives of the energy by g_a."""
        rows = [{int(n): w} for n, w in zip(self.powers, self.weight, strict=True)]
        shape = (len(rows) + len(s), moments.shape[1])
        mean = np.empty(shape)
        product = np.empty((shape[0], *shape))
        parts: list[list[tuple[int, Array | float]]] = [list(r.items()) for r in rows]
        parts += [[(2, z / 2), (1, -row)] for z, row in zip(self.counts, s, strict=True)]
        for i, left in enumerate(parts):
            mean[i] = sum(c * moments[n] for n, c in left)
            for j, right in enumerate(parts[: i + 1]):
                product[i, j] = product[j, i] = sum(
                    c * d * moments[n + m] for n, c in left for m, d in right
                )
        return mean, product

    def features(self, y: Array, s: Array) -> Array:
        """Return f_a at every site, shape (n_operators, n_sites)."""
        local = self.weight[:, None] * y ** self.powers[:, None]
        return np.concatenate([local, self.counts[:, None] * y * y / 2 - y * s])


def _maximise(site: _Site, y: Array, s: Array, start: Array) -> Array:
    """Return the couplings of the largest likelihood: Newton's method with halved steps."""
    g, a = start.copy(), site.powers.size
    f = site.features(y, s)
    average = f.mean(axis=1)

    def loss(g: Array) -> tuple[float, Array]:
        log_norm, moments = site.moments(g, g[a:] @ s)
        return float(log_norm.mean() + g @ average), moments

    value, moments = loss(g)
    for _ in range(_STEPS):
        mean, product = site.expected(moments, s)
        gradient = average - mean.mean(axis=1)
        hessian = (product - mean[:, None] * mean[None]).mean(axis=2)
        with np.errstate(invalid="ignore"):
            scale = np.sqrt(np.diag(hessian))
        if not np.all(scale > 0):
            break
        step = np.linalg.lstsq(hessian / np.outer(scale, scale), gradient / scale, rcond=None)[0]
        if np.all(np.abs(gradient) <= _TIGHT * scale):
            return np.asarray(g)
        size = 1.0
        for _ in range(40):
            # The loss is - <ln P>: its gradient is the mean of f less its expectation.
            trial = g + size * -(step / scale)
            new, new_moments = loss(trial)
            if new <= value + 1e-13 * abs(value):
                break
            size /= 2
        g, value, moments = trial, new, new_moments
    raise AnalysisError(
        "the likelihood has no maximum on these values; they may be discrete, or too few for "
        f"{start.size} operators"
    )


def _group_sums(
    site: _Site, y: Array, s: Array, g: Array, group: Ints, n_groups: int
) -> tuple[Array, Array]:
    """Return the negative gradient and the curvature of the loss, summed over each group."""
    a = site.powers.size
    _, moments = site.moments(g, g[a:] @ s)
    mean, product = site.expected(moments, s)
    gradient = mean - site.features(y, s)
    curvature = product - mean[:, None] * mean[None]
    order = np.argsort(group, kind="stable")
    present, first = np.unique(group[order], return_index=True)
    slopes = np.zeros((n_groups, g.size))
    curves = np.zeros((n_groups, g.size, g.size))
    slopes[present] = np.add.reduceat(gradient[:, order], first, axis=1).T
    curves[present] = np.moveaxis(np.add.reduceat(curvature[..., order], first, axis=2), 2, 0)
    return slopes, curves
