"""The action of a non-Gaussian ensemble, out of its samples or its connected correlators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.fields import SynapticField
from nnrg.lattice import Lattice
from nnrg.rg.action import fit_couplings
from nnrg.rg.basis import Basis
from nnrg.rg.couplings import Couplings
from nnrg.rg.cross_check._cumulant_tensors import expand, multiplicities
from nnrg.rg.renormalize import renormalize
from nnrg.stats._arrays import real_array
from nnrg.stats._multisets import multisets
from nnrg.stats.estimate import Estimate
from nnrg.stats.jackknife import Jackknife
from nnrg.stats.replicates import Replicates
from nnrg.theory.edgeworth._contractions import coupling_terms, lifted
from nnrg.theory.edgeworth._polynomial_action import polynomial_action
from nnrg.theory.edgeworth._validity import validity
from nnrg.theory.edgeworth.cumulant_tensors import CumulantTensors
from nnrg.theory.edgeworth.locality import LocalityResidual, contact_fit
from nnrg.theory.edgeworth.result import ReconstructedAction

__all__ = ["reconstruct_action"]

Array = npt.NDArray[np.float64]

# Of a polynomial with all quartic terms: 540 of them, solved anew in each replicate.
_MOST_VARIABLES = 9


@runtime_checkable
class _Correlator(Protocol):
    @property
    def values(self) -> Array: ...

    @property
    def errors(self) -> Array: ...


@runtime_checkable
class _Architecture(Protocol):
    def cumulant_tensor(self, points: npt.ArrayLike, order: int) -> _Correlator: ...


Source: TypeAlias = (
    SynapticField
    | CumulantTensors
    | Mapping[int, npt.ArrayLike | _Correlator]
    | _Architecture
    | npt.ArrayLike
)


def reconstruct_action(
    source: Source,
    *,
    order: int = 2,
    points: npt.ArrayLike | None = None,
    nugget: float = 0.0,
    modes: int | None = None,
    threshold: float | None = None,
    errors: Jackknife | None = None,
) -> ReconstructedAction:
    r"""Reconstruct the action of a field on a few points from its connected correlators.

    Parameters
    ----------
    source : array_like, SynapticField, mapping, CumulantTensors, or network of `correlators`
        Samples of shape (n_samples, n_points), or (n_samples,) at one point; a field on a lattice,
        whose action is then also fitted with operators of that lattice; G_c^(2), G_c^(4), .. as a
        mapping from n to arrays of shape (n_points,) * n, or to connected correlators with values
        and errors of that shape; or an object with a `cumulant_tensor`.
    order : {1, 2, 3}
        Highest power of eps: correlators up to the 4th, 6th, 8th order. A mapping has its own.
    points : array_like of shape (n_points, d), optional
        Inputs of the network; needed for an architecture.
    nugget, modes, threshold
        What is done to invert G, as in `regularised_inverse`; nothing by default.
    errors : Jackknife, optional
        Groups of samples; 64 by default.

    Returns
    -------
    ReconstructedAction
        Couplings g_2 .. g_(2 order + 2) with loops and at tree level, with errors; next to them
        the Schwinger-Dyson solution where there are samples of at most nine modes; locality; flags
        where the series is not to be trusted. What noise alone could make is not flagged: of
        2000 samples of a free field on two points one set in a hundred is.

    Raises
    ------
    ArgumentError
        If the source or an option is none, or tensors do not fit into memory.
    NonFiniteError
        If a number is NaN or infinite.
    AnalysisError
        If there are too few samples or the two-point function is singular.

    Notes
    -----
    .. math:: S[\phi] = -\ln P[\phi] = \sum_r \frac{1}{r!} \int g_r(x_1 .. x_r)
              \phi(x_1) .. \phi(x_r), \qquad
              g_r = -\sum \text{(connected diagrams with r legs)},

    with vertices :math:`G_c^{(n)}` and lines :math:`-G^{-1}`, G the full two-point function: see
    `feynman`. At leading order :math:`g_4 = -G_c^{(4)}` with :math:`G^{-1}` on every leg. The tree
    part of each :math:`g_r` is the effective action :math:`\Gamma`, exactly; the action itself has
    loops (M. Demirtas et al., arXiv:2307.03223). The law is taken as even. Errors are those of the
    jackknife, G inverted anew in each replicate; of given correlators, those given with them.

    Examples
    --------
    A variable with S = phi^2/2 + 0.1 phi^4/24, from its exact cumulants:

    >>> import numpy as np
    >>> from nnrg.theory.edgeworth.reconstruction import reconstruct_action
    >>> x, w = np.polynomial.hermite_e.hermegauss(100)
    >>> w *= np.exp(-0.1 * x**4 / 24)
    >>> m2, m4, m6 = (np.sum(w * x**n) / w.sum() for n in (2, 4, 6))
    >>> kappa = {2: m2, 4: m4 - 3 * m2**2, 6: m6 - 15 * m4 * m2 + 30 * m2**3}
    >>> found = reconstruct_action(kappa)
    >>> round(found.local(4, kind="1PI").value, 4), round(found.local(4).value, 4)
    (0.0887, 0.0959)
    """
    cumulants, samples, lattice = _cumulants(
        source, order, points, errors, nugget=nugget, modes=modes, threshold=threshold
    )
    m, order = cumulants.n_modes, cumulants.order
    terms = coupling_terms(cumulants.entries, m, order)
    if not all(np.isfinite(entries[0]).all() for entries in terms.values()):
        raise AnalysisError(
            "the couplings are not finite: the two-point function of the kept modes is not "
            "positive; keep fewer modes"
        )
    rows = cumulants.inverse.coordinates.T
    local = {r: lifted(rows, m, r).mean(axis=0) for r in range(2, 2 * order + 3, 2)}
    polynomial = None
    if cumulants.moments is not None and m <= _MOST_VARIABLES:
        polynomial = polynomial_action(cumulants.moments, m, 6 if m == 1 else 4)
    couplings = None
    if samples is not None and lattice is not None:
        odd = any(flag.startswith("odd") for flag in cumulants.flags)
        couplings = _lattice_couplings(samples, lattice, order, errors, odd)
    return ReconstructedAction(
        order=order,
        cumulants=cumulants,
        terms=terms,
        polynomial=polynomial,
        couplings=couplings,
        locality=_locality(cumulants),
        validity=validity(cumulants, terms, local),
    )


def _cumulants(
    source: Source,
    order: int,
    points: npt.ArrayLike | None,
    errors: Jackknife | None,
    *,
    nugget: float,
    modes: int | None,
    threshold: float | None,
) -> tuple[CumulantTensors, Array | None, Lattice | None]:
    """Return the correlators of whatever was given, and its samples and lattice if it has any."""
    if isinstance(source, CumulantTensors):
        return source, None, None
    if isinstance(source, Mapping):
        given = dict(source)
        spread = {n: c.errors for n, c in given.items() if isinstance(c, _Correlator)}
        found = CumulantTensors.from_tensors(
            {n: c.values if isinstance(c, _Correlator) else c for n, c in given.items()},
            errors=spread or None,
            nugget=nugget,
            modes=modes,
            threshold=threshold,
        )
        return found, None, None
    if isinstance(source, SynapticField):
        values = source.values.astype(np.float64)
        flat = values.reshape(source.n_samples, -1)
        lattice = source.sites if isinstance(source.sites, Lattice) else None
        found = CumulantTensors.from_samples(
            flat, order=order, nugget=nugget, modes=modes, threshold=threshold, errors=errors
        )
        return found, values, lattice
    if isinstance(source, _Architecture):
        order = as_count("order", order, 1, 3, hint="3 takes cumulants to the eighth")
        if points is None:
            raise ArgumentError("a network needs the inputs at which it is looked at: give points=")
        known = {n: source.cumulant_tensor(points, n) for n in range(2, 2 * order + 3, 2)}
        found = CumulantTensors.from_tensors(
            {n: c.values for n, c in known.items()},
            errors={n: c.errors for n, c in known.items()},
            nugget=nugget,
            modes=modes,
            threshold=threshold,
        )
        return found, None, None
    try:
        samples = real_array("samples", source)
    except ArgumentError:
        raise ArgumentError(
            "expected samples, a SynapticField, a mapping of correlators or a network with a "
            f"cumulant_tensor, got {shown(source)}"
        ) from None
    found = CumulantTensors.from_samples(
        samples, order=order, nugget=nugget, modes=modes, threshold=threshold, errors=errors
    )
    return found, samples, None


def _lattice_couplings(
    samples: Array, lattice: Lattice, order: int, errors: Jackknife | None, odd: bool
) -> Couplings:
    """Fit the action of the field as given with local terms and a stiffness."""
    field = SynapticField(samples, lattice)
    basis = Basis.scalar(order=4 if order == 1 else 6, odd=odd)
    policy = errors or Jackknife(blocks=64, over="samples")
    return fit_couplings(renormalize(field, levels=1, errors=policy), basis=basis, nulls=())


def _locality(cumulants: CumulantTensors) -> LocalityResidual | None:
    """Project G_c^(4) of the kept modes, in the unit of the field, on contacts at the points."""
    inverse, m = cumulants.inverse, cumulants.n_modes
    if m == 1 or not np.any(cumulants.entries[4][0]):
        return None
    scale = np.sqrt(inverse.spectrum[:m] + inverse.nugget)
    # c = (unit eigenvectors . phi) / scale, and (unit eigenvectors . G e_z) = modes times legs.
    vectors = inverse.coordinates * scale[:, None]
    noise = inverse.nugget * np.eye(m)
    rows = []
    for two, four in zip(cumulants.entries[2], cumulants.entries[4], strict=True):
        kernel = expand(two, m, 2) * scale[:, None] * scale - noise
        quartic = expand(four, m, 4)
        for axis in range(4):
            quartic = quartic * np.moveaxis(scale[:, None, None, None], 0, axis)
        rows.append(contact_fit(kernel @ vectors, quartic))
    found = np.array(rows)
    sizes, others = cumulants.sizes, found[1:]
    if cumulants.kind == "jackknife":
        with_errors = Replicates.from_jackknife(found[0], others, sizes)
    else:
        with_errors = cumulants.replicates(found)
    numbers = with_errors.estimates(n_samples=cumulants.n_samples)
    unit = np.sqrt(np.prod(scale[multisets(m, 4)], axis=1) ** 2 * multiplicities(m, 4))
    spread = cumulants.replicates(cumulants.entries[4]).errors()
    noise_share = float(
        np.linalg.norm(spread * unit) / np.linalg.norm(cumulants.entries[4][0] * unit)
    )
    one, by_point, strength = (
        Estimate(e.value, e.error, n_samples=cumulants.n_samples) for e in numbers[:3]
    )
    return LocalityResidual(
        residual=one,
        residual_by_point=by_point,
        coupling=strength,
        couplings=np.array(found[0, 3:]),
        noise=noise_share,
    )
