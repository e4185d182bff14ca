"""One run of a scan of Hubble rates, and whether the duality holds for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from nnrg.stats.estimate import Estimate
from nnrg.theory.cosmology._background_result import BackgroundFit
from nnrg.theory.cosmology._discrete import discrete_hubble
from nnrg.theory.cosmology._rates import seeds_estimate, seeds_jackknife
from nnrg.theory.cosmology._verdicts import verdict_of_all
from nnrg.theory.cosmology.background import ALIGNED, LAZY
from nnrg.theory.cosmology.matches import cosmological_match

__all__ = ["ScanPlace", "ScanRow", "judged"]


@dataclass(frozen=True, slots=True, order=True)
class ScanPlace:
    """Width, hidden layers, and number of data of a network that is trained."""

    width: int
    depth: int
    n_data: int

    def __str__(self) -> str:
        return f"width {self.width}, depth {self.depth}, {self.n_data} data"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ScanRow:
    """One network at one learning rate.

    Attributes
    ----------
    place : ScanPlace
    learning_rate : float
    rate_times_eigenvalue : float
        Learning rate times theta of the mode at the start, mean over seeds.
    fit : BackgroundFit or None
        None where there is no H.
    predicted_hubble, discrete_hubble : float
        H of the match; and what the same fit gives for discrete training with a constant kernel.
    kernel_drift : float
        Change of the tangent kernel relative to itself, mean over seeds; NaN where outputs diverge.
    deviation : Estimate
        Root mean square over seeds of H / H of the match - 1; NaN where there is no H.
    beyond : int
        Networks whose own deviation is above the tolerance, or that have no H.
    mass_ratio, invariant_ratio : Estimate
        Mean over seeds of m^2 over what the match says of the eigenvalue of each; and that over the
        square of the mean of H over the match.
    verdict : {"holds", "fails", "cannot be told"}
    reason : str
    """

    place: ScanPlace
    learning_rate: float
    rate_times_eigenvalue: float
    fit: BackgroundFit | None
    predicted_hubble: float
    discrete_hubble: float
    kernel_drift: float
    deviation: Estimate
    beyond: int
    mass_ratio: Estimate
    invariant_ratio: Estimate
    verdict: str
    reason: str

    @property
    def hubble_sigmas(self) -> float:
        """By how many of its errors H differs from the match; NaN without one."""
        return math.nan if self.fit is None else self.fit.hubble_sigmas

    @property
    def mass2_sigmas(self) -> float:
        """By how many errors m^2 differs from that of the match; NaN without one."""
        return math.nan if self.fit is None else self.fit.mass2_sigmas


_ROUNDING = 1e-12
_UNKNOWN = Estimate(math.nan, math.nan, 0)


def judged(
    place: ScanPlace,
    eta: float,
    theta: float,
    *,
    match: str,
    momentum: float,
    tolerance: float,
    kernel_drift: float,
    n_seeds: int,
    fit: BackgroundFit | None,
    why: str = "",
    untold: bool = False,
) -> ScanRow:
    """Return a row with its verdict: a fit, or why there is none and if records are to blame."""
    said = cosmological_match(eta, theta, match=match, momentum=momentum)
    row = ScanRow(
        place=place,
        learning_rate=eta,
        rate_times_eigenvalue=eta * theta,
        fit=fit,
        predicted_hubble=said.hubble,
        discrete_hubble=float(discrete_hubble(match, eta, theta, momentum)),
        kernel_drift=kernel_drift,
        deviation=_UNKNOWN,
        beyond=n_seeds,
        mass_ratio=_UNKNOWN,
        invariant_ratio=_UNKNOWN,
        verdict="fails",
        reason=why,
    )
    if fit is None:
        # A mode that moves by rounding alone tells nothing.
        untold |= eta * theta < _ROUNDING
        return replace(row, verdict="cannot be told") if untold else row
    hubble, mass2 = fit.replicates["hubble"], fit.replicates["mass2"]
    own = fit.replicates["eigenvalue"] * said.mass2 / theta
    ratio = hubble / said.hubble
    row = replace(
        row,
        deviation=seeds_jackknife(np.sqrt, (ratio - 1) ** 2),
        beyond=int((~(np.abs(ratio - 1) <= tolerance)).sum()),
        mass_ratio=seeds_estimate(mass2 / own),
        invariant_ratio=seeds_jackknife(lambda m, h: m / h**2, mass2 / own, ratio),
    )
    verdict = verdict_of_all(ratio - 1, tolerance)
    if verdict == "fails" and match == "second_order" and _hidden(row, tolerance):
        verdict = "cannot be told"
    reasons = _reasons(row, tolerance) if verdict != "holds" else []
    return replace(row, verdict=verdict, reason="; ".join(reasons))


def _hidden(row: ScanRow, tolerance: float) -> bool:
    """Return whether a second-order H deviates by what is not the match's to say.

    It is read off what the rate exceeds theta by, eta theta / 2 of it: a kernel that changes by as
    much alters all of it, in the lazy limit, too. Where steps alone make it fail, it fails.
    """
    assert row.fit is not None
    lost = bool(np.isnan(row.fit.replicates["hubble"]).any())
    buried = row.kernel_drift > tolerance * row.rate_times_eigenvalue / 2
    small = abs(row.discrete_hubble / row.predicted_hubble - 1) < tolerance
    return row.kernel_drift <= LAZY and (lost or (buried and small))


def _reasons(row: ScanRow, tolerance: float) -> list[str]:
    fit, found = row.fit, []
    assert fit is not None
    if row.kernel_drift > LAZY:
        found.append(f"features are learned: the kernel changes by {row.kernel_drift:.2g}")
    steps = row.discrete_hubble / row.predicted_hubble - 1
    if not abs(steps) < tolerance:
        found.append(f"steps are not small: they alone change H by {steps:+.2g}")
    if fit.misalignment.value > ALIGNED:
        found.append(f"several modes in one (sine {fit.misalignment.value:.2g})")
    missing = int(np.isnan(fit.replicates["hubble"]).sum())
    if fit.match == "second_order" and (missing or not found):
        lost = f"; {missing} of {fit.n_samples} seeds have no H" if missing else ""
        found.append(
            f"the kernel's change of {row.kernel_drift:.1g} hides by how much the rate exceeds "
            f"theta, eta theta / 2 = {row.rate_times_eigenvalue / 2:.1g} of it{lost}"
        )
    if row.beyond:
        return found or ["the kernel's change alters the rates of some networks"]
    return found or [f"{fit.n_samples} networks are too few to tell it of all; take more"]
