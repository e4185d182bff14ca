"""What the quadratic kernel of one scale says of its range, and on what evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.rg.two_point._range import DETECTED, Profile, log_bins
from nnrg.rg.two_point._windows import handling
from nnrg.rg.two_point.kernel import QuadraticKernel
from nnrg.stats.fits import FitResult, chance_of_zero
from nnrg.stats.replicates import Replicates

__all__ = ["Verdict", "judge"]

Array = npt.NDArray[np.float64]

# Level of the tests: one kernel in a hundred without couplings is said to have some.
_LEVEL = 0.01
# chi^2 by which one law must beat the other on the same distances.
_MARGIN = 9.0
# Random second moment below which nearest neighbours cannot be told from all sites.
_ROOM = 4.0
_STARTS = (2.0, 3.0, 4.0, 6.0, 8.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One of ``none``, ``local``, ``power law``, ``nonlocal``, ``cannot be told``, and why.

    ``tail`` is the fit of a power law, ``width`` the square root of the noise-free second moment of
    a local kernel over the distances at which it has couplings, in blocks.
    """

    kind: str
    evidence: str
    tail: FitResult | None = None
    width: Replicates | None = None


def judge(kernel: QuadraticKernel) -> Verdict:
    """Classify the kernel of one scale; every kind but the last needs its own evidence."""
    profile = kernel.profile
    p = profile.p_value()
    signal = profile.signal()
    loud = signal.value > (DETECTED + 1) * signal.error
    if not (p < _LEVEL / 10 or loud):
        return Verdict("none", f"off-site couplings are within noise (p = {p:.2g})")
    power = _power_law(kernel)
    if power is not None:
        return power
    local = _local(kernel) or _exponential(kernel)
    if local is not None:
        return local
    ratio = kernel.noise_free_ratio()
    if (
        profile.random >= _ROOM
        and abs(ratio.value - 1) < DETECTED * ratio.error
        and ratio.value - DETECTED * ratio.error > 0.5
    ):
        return Verdict("nonlocal", f"second moment over its random value {ratio}")
    if profile.random < _ROOM:
        return Verdict("cannot be told", "the lattice is too small to tell near from far")
    return Verdict("cannot be told", f"second moment over its random value {ratio}; no tail fits")


def _power_law(kernel: QuadraticKernel) -> Verdict | None:
    """Say "power law" where the same distances exclude an exponential."""
    d = kernel.profile.dimension
    for r_min in (1.0, *_STARTS):
        fits = [_tail(kernel, kind, r_min) for kind in ("power", "exponential")]
        power, exponential = fits
        if power is None or power.dof < 1:
            return None
        p_exponent = power.estimate("p")
        seen = np.isfinite(p_exponent.error) and 5 * p_exponent.error < abs(p_exponent.value)
        if not (seen and p_exponent.value > 0 and power.p > _LEVEL) or exponential is None:
            continue
        # Differences of chi^2 have a meaning with all correlations only.
        if handling(kernel.profile.values, power.x.size) != "full":
            continue
        if exponential.chi2 - power.chi2 < _MARGIN:
            continue
        # The nearest distances show that there is a tail, but are the last to follow its law.
        farther = _tail(kernel, "power", 2 * r_min)
        tail = power if farther is None or farther.dof < 1 else farther
        low, high = tail.window
        sigma = tail.parameters.select(1).map(lambda p: p - d).estimate(flag=tail.flag)
        if not np.isfinite(sigma.error):
            continue
        short = "" if high >= 100 * low else ", less than two decades"
        return Verdict(
            "power law",
            f"sigma = {sigma} on r = {low:.3g} .. {high:.3g}{short}; from r = "
            f"{power.window[0]:.3g} chi2/dof = {power.chi2:.1f}/{power.dof}, of an exponential "
            f"{exponential.chi2:.0f}",
            tail,
        )
    return None


def _tail(
    kernel: QuadraticKernel, kind: str, r_min: float, *, staggered: bool = False
) -> FitResult | None:
    try:
        return kernel.tail(
            "power" if kind == "power" else "exponential", r_min=r_min, staggered=staggered
        )
    except AnalysisError:
        return None


def _exponential(kernel: QuadraticKernel) -> Verdict | None:
    """Say "local" where couplings fall exponentially, and the same distances exclude a power law.

    Those of averages over blocks of a chain alternate in sign, with the number of steps between two
    blocks. In more dimensions they do so along the axes only, and no fit of distance is staggered.
    """
    profile = kernel.profile
    for staggered in (False, True) if profile.dimension == 1 else (False,):
        fits = [_tail(kernel, k, 1.0, staggered=staggered) for k in ("exponential", "power")]
        if fits[0] is None or fits[1] is None or fits[0].dof < 1:
            continue
        exponential, power = fits[0], fits[1]
        rate = exponential.estimate("1/l")
        if not (0 < 5 * rate.error < rate.value and exponential.p > _LEVEL):
            continue
        if handling(profile.values, exponential.x.size) != "full":
            continue
        if power.chi2 - exponential.chi2 < _MARGIN:
            continue
        length = exponential.parameters.select(1).map(lambda k: 1 / k).estimate()
        width = profile.within(exponential.window[1]).noise_free_second_moment().map(np.sqrt)
        return Verdict(
            "local",
            f"couplings fall as exp(-r/l){', alternating in sign,' if staggered else ''} with l = "
            f"{length} up to r = {exponential.window[1]:.3g}: chi2/dof = {exponential.chi2:.1f}/"
            f"{exponential.dof}, of a power law {power.chi2:.0f}; width {width.estimate()}",
            width=width,
        )
    return None


def _local(kernel: QuadraticKernel) -> Verdict | None:
    """Say "local" where couplings beyond some distance are absent and a slow law would be seen."""
    profile = kernel.profile
    slow = -(profile.dimension + 2)
    near = abs(profile.values.values[0])
    for r_min in _STARTS:
        tail = _binned(profile, r_min, float(profile.radius[-1]))
        if tail is None:
            return None
        radius, data = tail
        absent = chance_of_zero(data)
        signs = [_chance_of(data, sign * near * radius**slow) for sign in (-1, 1)]
        if absent > _LEVEL and max(signs) < _LEVEL:
            width = profile.within(r_min).noise_free_second_moment().map(np.sqrt)
            return Verdict(
                "local",
                f"no couplings beyond r = {r_min:.0f} (p = {absent:.2g}), where {near:.2g} r^"
                f"{slow} is excluded (p = {max(signs):.1g}); width {width.estimate()}",
                width=width,
            )
    return None


def _chance_of(data: Replicates, law: Array) -> float:
    return chance_of_zero(data.map(lambda f: f - law))


def _binned(profile: Profile, r_min: float, r_max: float) -> tuple[Array, Replicates] | None:
    found = log_bins(profile.radius, r_min, r_max)
    # More bins than a quarter of the groups would leave their covariance unknown.
    inside = np.flatnonzero((found >= 0) & (found < max(1, int(profile.values.dof + 1) // 4)))
    if inside.size == 0:
        return None
    start = np.flatnonzero(np.diff(found[inside], prepend=-1))
    lags = profile.lags[inside]
    total = np.add.reduceat(lags, start)
    slow = profile.radius[inside] ** -(profile.dimension + 2)
    # The distance at which a law r^-(d + 2) has its mean over the bin.
    radius = (np.add.reduceat(slow * lags, start) / total) ** (-1 / (profile.dimension + 2))
    return radius, profile.values.map(lambda f: np.add.reduceat(f[inside] * lags, start) / total)
