"""Hubble rate and mass of recorded training over seeds, and where the duality fails."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.training import TrainingRecord
from nnrg.stats.estimate import Estimate
from nnrg.theory.cosmology._background_result import BackgroundFit
from nnrg.theory.cosmology._discrete import discrete_hubble
from nnrg.theory.cosmology._modes import Modes, kernels_of, modes_of
from nnrg.theory.cosmology._rates import (
    UntoldError,
    decay,
    fit_window,
    matched,
    recursion,
    seeds_estimate,
    seeds_jackknife,
)
from nnrg.theory.cosmology.matches import cosmological_match

__all__ = ["ALIGNED", "LAZY", "fit_background"]

Array = npt.NDArray[np.float64]

# A kernel that changes by more, relative to itself, learns features.
LAZY = 0.05
# Steps that alone change H by more, relative to the match, are not small.
_SMALL_STEPS = 0.05
# The mean is a mode of its own if the kernel turns it by no more.
ALIGNED = 0.05
_SIGMAS = 4.0
_STEADY = 0.01


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
    :math:`m^2 = (1 + b - a) / \eta`, where nothing is taken from the kernel. A small momentum makes
    the faster solution short-lived: what the kernel changes by then alters H by more.

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
    eta, mu = matched(record, match)
    if match == "momentum" and not mu:
        raise ArgumentError(
            "a heavy ball of momentum 0 has one solution alone, which tells m^2 / 3 H and no more; "
            "train with GradientDescent for slow_roll or second_order"
        )
    kernels = kernels_of(record, inputs, targets)
    fields = modes_of(kernels, mode)
    chosen, stride = fit_window(record, fields.series, window)
    x, half = fields.series[:, chosen], (chosen.stop - chosen.start) // 2
    parts = x, x[:, : half + 1], x[:, half:]
    theta, flags = fields.eigenvalues, []
    if match == "momentum":
        _require_frequent(eta * float(fields.eigenvalues.max()), mu, stride)
        noise = kernels.rounding
        (a, b), (_, early), (_, late) = (recursion(part, stride, noise) for part in parts)
        if np.isnan(b).any():
            raise UntoldError(
                "within the window the outputs show one of both solutions alone, down to rounding: "
                "that tells m^2 / 3 H and no more; take a window nearer to the start, or a larger "
                "learning rate"
            )
        if np.isnan(a).any():
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
    said = cosmological_match(eta, float(theta.mean()), match=match, momentum=mu)
    steps = discrete_hubble(match, eta, theta, mu)
    steps_mass2 = 3 * steps * theta if match == "second_order" else np.array(theta)
    discrete = seeds_estimate(steps)
    flags += [
        *_flags(fields, drift, moved),
        *_small(discrete.value / said.hubble - 1, eta * said.eigenvalue),
        *record.flags,
    ]
    return BackgroundFit(
        match=match,
        mode=str(mode),
        learning_rate=eta,
        time_unit=said.time_unit,
        hubble=seeds_estimate(hubble),
        mass2=seeds_estimate(mass2),
        cosmological_constant=seeds_estimate(3 * hubble**2),
        invariant=seeds_jackknife(lambda m, h: m / h**2, mass2, hubble),
        rate=seeds_estimate(rates[0]),
        eigenvalue=seeds_estimate(theta),
        drift=drift,
        kernel_drift=seeds_estimate(moved),
        misalignment=seeds_estimate(fields.misalignment),
        window=(int(record.steps[chosen.start]), int(record.steps[chosen.stop - 1])),
        replicates={
            "hubble": hubble,
            "mass2": np.array(mass2),
            "eigenvalue": np.array(theta),
            "discrete_hubble": steps,
            "discrete_mass2": steps_mass2,
        },
        predicted_hubble=said.hubble,
        predicted_mass2=said.mass2,
        discrete_hubble=discrete,
        discrete_mass2=seeds_estimate(steps_mass2),
        n_samples=record.n_seeds,
        flags=tuple(flags),
        provenance=record.provenance,
    )


def _require_frequent(share: float, mu: float, stride: int) -> None:
    """Raise AnalysisError if a mode turns by half a circle or more between two frames."""
    cosine = (1 + mu - share) / (2 * math.sqrt(mu)) if mu else math.inf
    turn = math.acos(max(cosine, -1.0)) if cosine < 1 else 0.0
    if stride > 1 and stride * turn >= math.pi:
        raise UntoldError(
            f"the mode turns by {turn:.2g} in a step: frames every {stride} steps do not tell its "
            "frequency; record=1"
        )


def _small(change: float, share: float) -> list[str]:
    """Flag steps that are not small; a change of NaN is of a mode that they turn round."""
    if math.isnan(change):
        return ["eta theta is one or more in a seed: with a constant kernel its steps have no H"]
    if abs(change) <= _SMALL_STEPS:
        return []
    return [
        f"steps are not small, eta theta = {share:.2g}: with a constant kernel they alone put H at "
        f"{1 + change:.3g} times the match"
    ]


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
        flags.append("half of the window tells no rate: whether it drifts is not known")
    elif abs(drift.value) > max(_STEADY, _SIGMAS * drift.error):
        flags.append(f"the rate drifts by {drift.value:.2g} of itself within the window")
    return flags
