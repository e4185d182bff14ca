"""What comes out of a fit of Hubble rate and mass to recorded training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg.stats.estimate import Estimate
from nnrg.theory.cosmology._rates import seeds_estimate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BackgroundFit"]

Array = npt.NDArray[np.float64]

# A spread over seeds below this share of the number is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class BackgroundFit:
    """A mode of the outputs as a field in an expanding universe.

    Attributes
    ----------
    match : str
    mode : str
        ``"mean"``, or the number of an eigenvector of the tangent kernel at the start.
    learning_rate : float
    time_unit : str
    hubble, mass2, cosmological_constant, invariant : Estimate
        Fitted H, m^2, Lambda = 3 H^2, means over seeds; and the ratio of the means of m^2 and H,
        squared.
    rate : Estimate
        Decay rate in one step; of the heavy ball half of the friction of one step.
    eigenvalue : Estimate
        theta of the mode, from the tangent kernel at the start.
    drift : Estimate
        Relative change of the fitted rate, or friction, from the first to the second half of the
        window; zero for a mode of a linear theory.
    kernel_drift : Estimate
        Change of the tangent kernel within the window, relative to itself: zero in the lazy limit.
    misalignment : Estimate
        How far the tangent kernel turns the mode, as the sine of an angle.
    window : (int, int)
        First and last step of the fit.
    replicates : mapping of str to array of shape (S,)
        ``"hubble"``, ``"mass2"``, ``"eigenvalue"``, ``"discrete_hubble"`` and
        ``"discrete_mass2"`` of each seed.
    predicted_hubble, predicted_mass2 : float
        What the match says of the learning rate and the mean eigenvalue.
    discrete_hubble, discrete_mass2 : Estimate
        What the same fit gives for discrete training with a constant kernel of the eigenvalue of
        each seed: the match and what steps that are not small do to it. Of the heavy ball it is the
        match; NaN if a step overshoots in a seed.
    n_samples : int
        Seeds.
    flags : tuple of str
    provenance : mapping
        Of the record.
    """

    match: str
    mode: str
    learning_rate: float
    time_unit: str
    hubble: Estimate
    mass2: Estimate
    cosmological_constant: Estimate
    invariant: Estimate
    rate: Estimate
    eigenvalue: Estimate
    drift: Estimate
    kernel_drift: Estimate
    misalignment: Estimate
    window: tuple[int, int]
    replicates: Mapping[str, Array]
    predicted_hubble: float
    predicted_mass2: float
    discrete_hubble: Estimate
    discrete_mass2: Estimate
    n_samples: int
    flags: tuple[str, ...]
    provenance: Mapping[str, Any]

    def __post_init__(self) -> None:
        for values in self.replicates.values():
            values.flags.writeable = False

    @property
    def rate_times_eigenvalue(self) -> float:
        """Learning rate times eigenvalue: the change of the mode in a first step, dimensionless."""
        return self.learning_rate * self.eigenvalue.value

    @property
    def hubble_sigmas(self) -> float:
        """By how many of its errors H differs from the match; NaN without a spread over seeds."""
        return self._sigmas(self.replicates["hubble"] - self.predicted_hubble, self.hubble.value)

    @property
    def mass2_sigmas(self) -> float:
        """By how many errors m^2 differs from that of the match, seed by seed."""
        share = self.predicted_mass2 / self.eigenvalue.value
        apart = self.replicates["mass2"] - share * self.replicates["eigenvalue"]
        return self._sigmas(apart, self.mass2.value)

    @property
    def discrete_hubble_sigmas(self) -> float:
        """By how many errors H differs from that of discrete steps alone, seed by seed."""
        return self._beside_discrete("hubble")

    @property
    def discrete_mass2_sigmas(self) -> float:
        """By how many errors m^2 differs from that of discrete steps alone, seed by seed."""
        return self._beside_discrete("mass2")

    def _beside_discrete(self, name: str) -> float:
        apart = self.replicates[name] - self.replicates[f"discrete_{name}"]
        return self._sigmas(apart, getattr(self, name).value)

    @staticmethod
    def _sigmas(apart: Array, scale: float) -> float:
        found = seeds_estimate(apart)
        spread = found.error > _ROUNDING * abs(scale)
        return found.value / found.error if spread else math.nan

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each quantity, beside the match and what discrete steps alone give.

        Columns: ``quantity, value, error, predicted, sigmas, discrete, discrete_sigmas``.
        """
        import pandas as pd

        said = {
            "hubble": (self.predicted_hubble, self.hubble_sigmas),
            "mass2": (self.predicted_mass2, self.mass2_sigmas),
            "cosmological_constant": (3 * self.predicted_hubble**2, math.nan),
            "invariant": (self.predicted_mass2 / self.predicted_hubble**2, math.nan),
        }
        hubble, mass2 = self.discrete_hubble.value, self.discrete_mass2.value
        steps = {
            "hubble": (hubble, self.discrete_hubble_sigmas),
            "mass2": (mass2, self.discrete_mass2_sigmas),
            "cosmological_constant": (3 * hubble**2, math.nan),
            "invariant": (mass2 / hubble**2, math.nan),
        }
        nothing = (math.nan, math.nan)
        names = (*said, "rate", "eigenvalue", "drift", "kernel_drift", "misalignment")
        rows = []
        for name in names:
            found = getattr(self, name)
            row = {"quantity": name, "value": found.value, "error": found.error}
            row["predicted"], row["sigmas"] = said.get(name, nothing)
            row["discrete"], row["discrete_sigmas"] = steps.get(name, nothing)
            rows.append(row)
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        rows = [
            f"{self.mode} mode, {self.match} match, steps {self.window[0]} to {self.window[1]}, "
            f"{self.n_samples} seeds, time in {self.time_unit}",
            f"  H          {self.hubble}   from the match {self.predicted_hubble:.6g}"
            f"{_in_sigmas(self.hubble_sigmas)}{self._steps_alone('hubble')}",
            f"  m^2        {self.mass2}   from the match {self.predicted_mass2:.6g}"
            f"{_in_sigmas(self.mass2_sigmas)}{self._steps_alone('mass2')}",
            f"  Lambda     {self.cosmological_constant}",
            f"  m^2/H^2    {self.invariant}",
            f"  theta      {self.eigenvalue}, drift of the rate {self.drift}, of the kernel "
            f"{self.kernel_drift}, misalignment {self.misalignment}",
        ]
        return "\n".join([*rows, *(f"! {flag}" for flag in self.flags)])

    def _steps_alone(self, name: str) -> str:
        """Say what discrete steps give, where that is not what the match says."""
        found, said = getattr(self, f"discrete_{name}"), getattr(self, f"predicted_{name}")
        if not abs(found.value - said) > _ROUNDING * abs(said):  # NaN is flagged
            return ""
        sigmas = _in_sigmas(self._beside_discrete(name))
        return f", from discrete steps alone {found.value:.6g}{sigmas}"


def _in_sigmas(number: float) -> str:
    return "" if math.isnan(number) else f" ({number:+.1f} sigma)"
