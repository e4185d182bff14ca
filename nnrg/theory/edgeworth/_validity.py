"""Where a reconstructed action is not to be trusted, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import factorial

import numpy as np
import numpy.typing as npt

from nnrg.rg.cross_check._cumulant_tensors import expand
from nnrg.rg.cross_check.edgeworth import LARGEST_RATIO, truncated_density
from nnrg.stats.estimate import Estimate
from nnrg.theory.edgeworth._contractions import lifted
from nnrg.theory.edgeworth.cumulant_tensors import CumulantTensors

__all__ = ["Validity", "validity"]

Array = npt.NDArray[np.float64]

# Beyond lie 6e-5 of a normal law: what the series says there few samples could contradict.
_REACH = 4.0
_STEPS = 41
# A number this many errors from zero is there.
_RESOLVED = 3.0


@dataclass(frozen=True, slots=True)
class Validity:
    """How fast the series falls, and what is wrong.

    Attributes
    ----------
    excess : Estimate
        lambda_4 of the direction in which it is largest, among modes and points; dimensionless.
    loop_ratio : Estimate
        Largest eigenvalue of the one-loop correction to g_2, in units of G^{-1}.
    ratios : mapping from r to Estimate
        Last power of eps in the local g_r over the first one.
    flags : tuple of str
    """

    excess: Estimate
    loop_ratio: Estimate
    ratios: Mapping[int, Estimate]
    flags: tuple[str, ...]


def validity(
    cumulants: CumulantTensors, terms: Mapping[tuple[int, int], Array], local: Mapping[int, Array]
) -> Validity:
    """Judge a series by its own terms; `local` has the weights of the local couplings."""
    m, order = cumulants.n_modes, cumulants.order
    flags = list(cumulants.flags)
    if cumulants.inverse.flag:
        flags.append(cumulants.inverse.flag)

    ratios4, worst = _standardised(cumulants)
    excess = cumulants.replicates(ratios4[:, worst : worst + 1]).estimate()
    if _beyond(excess, LARGEST_RATIO):
        flags.append(f"series does not converge: |lambda_4| = {abs(excess.value):.2f}")

    loop = cumulants.replicates(_largest_eigenvalue(terms[2, 1], m)).estimate()
    if _beyond(loop, LARGEST_RATIO):
        flags.append(f"series does not converge: loops change g_2 by {100 * loop.value:.0f} %")

    found = {}
    for r in range(2, 2 * order + 3, 2):
        first, last = terms[r, r // 2 - 1] @ local[r], terms[r, order] @ local[r]
        if order == r // 2 - 1:
            continue
        leading = cumulants.replicates(first[:, None]).estimate()
        if not abs(leading.value) > _RESOLVED * leading.error:
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            found[r] = cumulants.replicates((last / first)[:, None]).estimate()
        if r <= 4 and _beyond(found[r], LARGEST_RATIO):
            flags.append(
                f"series does not converge: last over first term of g{r} is {found[r].value:.2f}"
            )
    if not _positive(cumulants):
        flags.append(f"truncated density is not positive within {_REACH:.0f} standard deviations")
    if not _confining(cumulants, terms):
        flags.append(f"truncated action falls within {_REACH:.0f} standard deviations")
    return Validity(excess, loop, found, tuple(flags))


def _beyond(number: Estimate, limit: float) -> bool:
    """Tell whether a number is beyond a limit by more than its noise, or unknown."""
    return not abs(number.value) - _RESOLVED * number.error < limit


def _directions(cumulants: CumulantTensors) -> Array:
    """Return unit vectors, in coordinates of unit variance: the modes and the points."""
    points = cumulants.inverse.coordinates.T
    # phi(x) = sum_k c_k (G B^T)(x, k): a point is this combination of modes.
    inverse = cumulants.inverse
    legs = inverse.kernel @ points + inverse.nugget * points
    norm = np.linalg.norm(legs, axis=1, keepdims=True)
    here = legs / np.where(norm > 0, norm, 1.0)
    return np.concatenate([np.eye(cumulants.n_modes), here[norm[:, 0] > 0]])


def _standardised(cumulants: CumulantTensors) -> tuple[Array, int]:
    """Return lambda_4 along every direction, in all rows, and where it is largest."""
    m, rows = cumulants.n_modes, _directions(cumulants)
    variance = cumulants.entries[2] @ lifted(rows, m, 2).T
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = cumulants.entries[4] @ lifted(rows, m, 4).T / variance**2
    return ratios, int(np.argmax(np.abs(ratios[0])))


def _largest_eigenvalue(entries: Array, m: int) -> Array:
    """Return the eigenvalue of largest modulus of a symmetric matrix, in all rows."""
    matrices = expand(entries, m, 2)
    out = np.full((len(entries), 1), np.nan)
    good = np.isfinite(matrices).all(axis=(1, 2))
    spectrum = np.linalg.eigvalsh(matrices[good])
    at = np.argmax(np.abs(spectrum[:1]), axis=1) if len(spectrum) else [0]
    out[good, 0] = spectrum[:, at[0]]
    return out


def _positive(cumulants: CumulantTensors) -> bool:
    """Tell whether the marginal Edgeworth density of every direction may be positive."""
    m, order, rows = cumulants.n_modes, cumulants.order, _directions(cumulants)
    variance = cumulants.entries[2] @ lifted(rows, m, 2).T
    ratios = np.zeros((3, *variance.shape))
    with np.errstate(divide="ignore", invalid="ignore"):
        for k, n in enumerate(range(4, 2 * order + 3, 2)):
            ratios[k] = cumulants.entries[n] @ lifted(rows, m, n).T / variance ** (n / 2)
    density = truncated_density(ratios, order, np.linspace(0.0, _REACH, _STEPS))
    return _may_be_positive(cumulants, density)


def _confining(cumulants: CumulantTensors, terms: Mapping[tuple[int, int], Array]) -> bool:
    """Tell whether the truncated action may grow along every direction."""
    m, rows = cumulants.n_modes, _directions(cumulants)
    x = np.linspace(0.0, _REACH, _STEPS)[1:]
    slope = np.zeros((len(terms[2, 0]), len(rows), x.size))
    for (r, _), entries in terms.items():
        g = entries @ lifted(rows, m, r).T
        slope += g[:, :, None] * x ** (r - 1) / factorial(r - 1)
    return _may_be_positive(cumulants, slope)


def _may_be_positive(cumulants: CumulantTensors, numbers: Array) -> bool:
    """Tell whether no number is below zero by more than noise; row 0 is the whole."""
    found = cumulants.replicates(numbers.reshape(len(numbers), -1))
    return bool(np.all(numbers[0].ravel() + _RESOLVED * found.errors() > 0))
