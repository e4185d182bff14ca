"""Hubble rate and mass of recorded training over seeds, and where the duality fails."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.training import TrainingRecord
from nnrg.stats.estimate import Estimate
from nnrg.theory.cosmology._modes import Modes, as_record, kernels_of, modes_of
from nnrg.theory.cosmology._rates import decay, dynamics, fit_window, recursion, seeds_estimate
from nnrg.theory.cosmology.matches import MATCHES, cosmological_match

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ALIGNED", "LAZY", "BackgroundFit", "fit_background"]

Array = npt.NDArray[np.float64]

# A kernel that changes by more, relative to itself, learns features.
LAZY = 0.05
# The mean is a mode of its own if the kernel turns it by no more.
ALIGNED = 0.05
_SIGMAS = 4.0
_STEADY = 0.01
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
        Fitted H, m^2, Lambda = 3 H^2 and m^2 / H^2; errors over seeds.
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
        ``"hubble"``, ``"mass2"`` and ``"eigenvalue"`` of each seed.
    predicted_hubble, predicted_mass2 : float
        What the match says of the learning rate and the mean eigenvalue.
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

    @staticmethod
    def _sigmas(apart: Array, scale: float) -> float:
        found = seeds_estimate(apart)
        spread = found.error > _ROUNDING * abs(scale)
        return found.value / found.error if spread else math.nan

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each quantity: ``quantity, value, error, predicted, sigmas``."""
        import pandas as pd

        said = {
            "hubble": (self.predicted_hubble, self.hubble_sigmas),
            "mass2": (self.predicted_mass2, self.mass2_sigmas),
            "cosmological_constant": (3 * self.predicted_hubble**2, math.nan),
            "invariant": (self.predicted_mass2 / self.predicted_hubble**2, math.nan),
        }
        names = (*said, "rate", "eigenvalue", "drift", "kernel_drift", "misalignment")
        rows = []
        for name in names:
            found, (predicted, sigmas) = getattr(self, name), said.get(name, (math.nan, math.nan))
            row = {"quantity": name, "value": found.value, "error": found.error}
            rows.append({**row, "predicted": predicted, "sigmas": sigmas})
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        rows = [
            f"{self.mode} mode, {self.match} match, steps {self.window[0]} to {self.window[1]}, "
            f"{self.n_samples} seeds, time in {self.time_unit}",
            f"  H          {self.hubble}   from the match {self.predicted_hubble:.6g}"
            f"{_in_sigmas(self.hubble_sigmas)}",
            f"  m^2        {self.mass2}   from the match {self.predicted_mass2:.6g}"
            f"{_in_sigmas(self.mass2_sigmas)}",
            f"  Lambda     {self.cosmological_constant}",
            f"  m^2/H^2    {self.invariant}",
            f"  theta      {self.eigenvalue}, drift of the rate {self.drift}, of the kernel "
            f"{self.kernel_drift}, misalignment {self.misalignment}",
        ]
        return "\n".join([*rows, *(f"! {flag}" for flag in self.flags)])


def fit_background(
    record: TrainingRecord,
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    match: str,
    mode: str | int = "mean",
    window: tuple[int, int] | None = None,
) -> BackgroundFit:
    r"""Fit Hubble rate and mass to the outputs of recorded training.

    Parameters
    ----------
    record : TrainingRecord
        With the mean squared error, all samples in each step, a constant learning rate, and
        recorded at equal distances; for ``match="momentum"`` so often that the mode makes less
        than half a turn from frame to frame.
    inputs, targets : array
        The data of the record.
    match : {"slow_roll", "second_order", "momentum"}
        As of `cosmological_match`; the last for `HeavyBall`, the others for `GradientDescent`.
    mode : "mean" or int
        The mean of outputs over data, or an eigenvector of the tangent kernel, largest first.
    window : (int, int), optional
        First and last step of the fit; by default from the start until the mode of a seed is
        a thousandth of what it was.

    Returns
    -------
    BackgroundFit

    Raises
    ------
    ArgumentError
        If the record is of another kind of training, or an argument is out of range.
    NonFiniteError
        If data hold NaN or infinity.
    AnalysisError
        If there are fewer than two seeds or too few frames, or the mode does not decay.

    Notes
    -----
    First-order training has one rate s per mode, per unit :math:`\eta \cdot` step: it tells
    :math:`m^2 / 3 H` and no more. With :math:`m^2 = \theta` of the tangent kernel slow roll says
    :math:`3 H = \theta / (s \eta)`, where H and m^2 / H^2 are as good as that choice, and the
    second-order match :math:`s^2 - 3 H s + 3 H \theta = 0`: its H is what s exceeds
    :math:`\theta` by, and needs a kernel that does not move. The heavy ball has two rates:
    :math:`x_{t + 1} = a x_t - b x_{t - 1}` with :math:`3 H = (1 - b) / \sqrt\eta` and
    :math:`m^2 = (1 + b - a) / \eta`, where nothing is taken from the kernel.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.simulate.training import HeavyBall, perceptron, train
    >>> x = np.random.default_rng(1).standard_normal((20, 5))
    >>> record = train(perceptron(5), (x, x.sum(1)), optimiser=HeavyBall(0.01, 0.9), steps=200,
    ...                record=1, n_seeds=3, rng=1)
    >>> fit = fit_background(record, x, x.sum(1), match="momentum", mode=0)
    >>> round(3 * fit.hubble.value, 6)  # (1 - 0.9) / sqrt(0.01)
    1.0
    """
    if match not in MATCHES:
        raise ArgumentError(f"match must be one of {', '.join(MATCHES)}, got {shown(match)}")
    optimiser, eta, mu = dynamics(as_record(record))
    wanted = "HeavyBall" if match == "momentum" else "GradientDescent"
    if optimiser != wanted:
        raise ArgumentError(f"the {match} match is of {wanted}, but the record is of {optimiser}")
    if record.n_seeds < 2:
        raise AnalysisError("errors are over seeds: the record needs at least two, got one")
    kernels = kernels_of(record, inputs, targets)
    fields = modes_of(kernels, mode)
    chosen, stride = fit_window(record, fields.series, window)
    x, half = fields.series[:, chosen], (chosen.stop - chosen.start) // 2
    parts = x, x[:, : half + 1], x[:, half:]
    theta, flags = fields.eigenvalues, []
    if match == "momentum":
        _require_frequent(eta * float(fields.eigenvalues.max()), mu, stride)
        (a, b), (_, early), (_, late) = (recursion(part, stride) for part in parts)
        if np.isnan(a + b).any():
            raise AnalysisError(
                f"every {stride} steps the mode does not follow one equation of second order; "
                "record=1 tells more, or take another mode or window"
            )
        friction, mass2 = (1 - b) / math.sqrt(eta), (1 + b - a) / eta
        rates = [(1 - value) / 2 for value in (b, early, late)]
    else:
        rates = [decay(part, stride) for part in parts]
        if np.isnan(rates[0]).any():
            raise AnalysisError(
                "the mode does not decay, or changes its sign from frame to frame: there is no "
                "rate; try another mode or a smaller learning rate"
            )
        s = rates[0] / eta
        with np.errstate(divide="ignore", invalid="ignore"):
            if match == "slow_roll":
                friction, mass2 = theta / rates[0], theta
            else:
                friction = np.where(s > theta, s**2 / (s - theta), math.nan)
                mass2 = friction * theta
        if np.isnan(friction).any():
            flags.append(
                "a rate does not exceed the eigenvalue of the kernel: no second-order H in "
                f"{np.isnan(friction).sum()} of {len(friction)} seeds"
            )
    hubble = friction / 3
    drift = seeds_estimate(rates[2] / rates[1] - 1)
    moved = kernels.drift(chosen.stop - 1)
    flags += [*_flags(fields, drift, moved), *record.flags]
    said = cosmological_match(eta, float(theta.mean()), match=match, momentum=mu)
    return BackgroundFit(
        match=match,
        mode=str(mode),
        learning_rate=eta,
        time_unit=said.time_unit,
        hubble=seeds_estimate(hubble),
        mass2=seeds_estimate(mass2),
        cosmological_constant=seeds_estimate(3 * hubble**2),
        invariant=seeds_estimate(mass2 / hubble**2),
        rate=seeds_estimate(rates[0]),
        eigenvalue=seeds_estimate(theta),
        drift=drift,
        kernel_drift=seeds_estimate(moved),
        misalignment=seeds_estimate(fields.misalignment),
        window=(int(record.steps[chosen.start]), int(record.steps[chosen.stop - 1])),
        replicates={"hubble": hubble, "mass2": np.array(mass2), "eigenvalue": np.array(theta)},
        predicted_hubble=said.hubble,
        predicted_mass2=said.mass2,
        n_samples=record.n_seeds,
        flags=tuple(flags),
        provenance=record.provenance,
    )


def _require_frequent(share: float, mu: float, stride: int) -> None:
    """Raise AnalysisError if a mode turns by half a circle or more between two frames."""
    cosine = (1 + mu - share) / (2 * math.sqrt(mu)) if mu else math.inf
    turn = math.acos(max(cosine, -1.0)) if cosine < 1 else 0.0
    if stride > 1 and stride * turn >= math.pi:
        raise AnalysisError(
            f"the mode turns by {turn:.2g} in a step: frames every {stride} steps do not tell its "
            "frequency; record=1"
        )


def _in_sigmas(number: float) -> str:
    return "" if math.isnan(number) else f" ({number:+.1f} sigma)"


def _flags(fields: Modes, drift: Estimate, moved: Array) -> list[str]:
    flags = []
    if moved.mean() > LAZY:
        flags.append(
            f"features are learned: the tangent kernel changes by {moved.mean():.2g} "
            "of itself, so that H and m^2 are no constants"
        )
    if fields.misalignment.mean() > ALIGNED:
        flags.append(
            f"the mode is no eigenvector of the tangent kernel (sine "
            f"{fields.misalignment.mean():.2g}): several rates are fitted as one"
        )
    if math.isnan(drift.value):
        flags.append("half of the window shows no decay: whether the rate drifts is not known")
    elif abs(drift.value) > max(_STEADY, _SIGMAS * drift.error):
        flags.append(f"the rate drifts by {drift.value:.2g} of itself within the window")
    return flags
