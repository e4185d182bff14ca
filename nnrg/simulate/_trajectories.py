"""Whether chains of hybrid Monte Carlo did what they should: numbers to be read with any sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.stats.autocorrelation import Autocorrelation, autocorrelation_time
from nnrg.stats.estimate import Estimate

__all__ = ["Trajectories", "potential_scale_reduction"]

Floats = npt.NDArray[np.float64]

# Beyond these, chains are not to be trusted.
_REDUCTION = 1.05
# The field hardly depends on the momenta of so many neurons, which begin near equilibrium.
_MOMENTA = 1.5
_SIGMAS = 4.0
_REVERSAL = 1e-8
_LOWEST = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Trajectories:
    """Diagnostics of a run.

    Attributes
    ----------
    energy_errors : array of shape (n_samples, n_chains)
        Change of the Hamiltonian along the trajectory that ends at a sample, whether it was
        accepted or not; dimensionless.
    accepted : array of shape (n_samples, n_chains)
        1 or 0.
    steps : array
        Step of the integrator in each group of chains, in units in which amplitudes turn by one
        radian; fixed after the burn-in.
    reversal : float
        How far trajectories there and back miss their start, beside the size of the coordinates.
    burn_in, stride : int
        Trajectories left out, and from one sample to the next.
    observables : mapping of str to array of shape (n_chains, n_samples)
        What convergence is judged by: integrals of powers of the field over the box.
    momenta : array of shape (n_chains, n_samples), optional
        Mean square momentum of the neurons of a network, which moves more slowly than the field.
    """

    energy_errors: Floats
    accepted: Floats
    steps: Floats
    reversal: float
    burn_in: int
    stride: int
    observables: dict[str, Floats]
    momenta: Floats | None = None

    @property
    def acceptance(self) -> Estimate:
        """Share of trajectories that were accepted."""
        return _over_chains(self.accepted)

    @property
    def energy_test(self) -> Estimate:
        """Mean of exp(-dH), one for an exact integrator of phase space."""
        found = _over_chains(np.exp(-np.clip(self.energy_errors, -700.0, None)))
        return Estimate(found.value, found.error, found.n_samples, null=1.0)

    def times(self) -> dict[str, Autocorrelation]:
        """Return integrated autocorrelation times, in samples.

        Raises
        ------
        AnalysisError
            If there are fewer than 16 samples a chain.
        """
        return {name: autocorrelation_time(series) for name, series in self.observables.items()}

    def reductions(self) -> dict[str, float]:
        """Return R-hat of each observable, one where chains agree."""
        return {n: potential_scale_reduction(series) for n, series in self.observables.items()}

    @property
    def flag(self) -> str:
        """Why the sample should not be trusted; empty if there is no reason."""
        reasons = []
        bad = [f"{n}: {r:.3f}" for n, r in self.reductions().items() if not r < _REDUCTION]
        if bad:
            reasons.append(f"chains disagree, R-hat of {', '.join(bad)}")
        if self.momenta is not None and not potential_scale_reduction(self.momenta) < _MOMENTA:
            reasons.append("momenta have not mixed, run longer")
        if abs(self.energy_test.z) > _SIGMAS:
            reasons.append(f"<exp(-dH)> = {self.energy_test}, not 1")
        if self.acceptance.value < _LOWEST:
            reasons.append(f"acceptance {self.acceptance.value:.2f}")
        if not self.reversal < _REVERSAL:
            reasons.append(f"not reversible, by {self.reversal:.1g}")
        return "; ".join(reasons)

    def __str__(self) -> str:
        n_samples, n_chains = self.accepted.shape
        lines = [
            f"{n_chains} chains of {n_samples} samples, {self.stride} trajectories apart, after "
            f"{self.burn_in} of burn-in",
            f"acceptance {self.acceptance}, <exp(-dH)> {self.energy_test}, step "
            f"{self.steps.mean():.3g}, reversible to {self.reversal:.1g}",
        ]
        series = self.observables
        if self.momenta is not None:
            series = {**series, "mean b^2": self.momenta}
        try:
            for name, values in series.items():
                time, ratio = autocorrelation_time(values), potential_scale_reduction(values)
                lines.append(f"{name}: {time.mean}, tau {time.tau} samples, R-hat {ratio:.4f}")
        except AnalysisError as error:
            lines.append(f"autocorrelation times: {error}")
        return "\n".join([*lines, f"flag: {self.flag}"] if self.flag else lines)


def potential_scale_reduction(series: Floats) -> float:
    r"""Return split R-hat, the ratio of the spread over chains to that within them.

    Each chain is cut into halves, so that a drift counts (A. Gelman et al., *Bayesian Data
    Analysis*, 3rd edition, equations 11.3 and 11.4).

    Parameters
    ----------
    series : array of shape (n_chains, n_samples)
        At least four samples.
    """
    half = series.shape[1] // 2
    if half < 2:
        return float("nan")
    parts = np.concatenate([series[:, :half], series[:, -half:]])
    within = float(parts.var(axis=1, ddof=1).mean())
    between = float(parts.mean(axis=1).var(ddof=1))
    return float(np.sqrt((half - 1) / half + between / within)) if within > 0 else float("nan")


def _over_chains(values: Floats) -> Estimate:
    """Return the mean of (n_samples, n_chains) with its error, chains being independent."""
    means = values.mean(axis=0)
    error = float(means.std(ddof=1) / np.sqrt(means.size))
    return Estimate(float(means.mean()), error, n_samples=float(means.size))
