"""Hubble rate and mass of recorded training over seeds, and where the duality fails."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.training import TrainingRecord
from nnrg.stats.estimate import Estimate
from nnrg.theory.cosmology._modes import Modes, modes_of
from nnrg.theory.cosmology.matches import MATCHES, cosmological_match

__all__ = ["BackgroundFit", "fit_background"]

Array = npt.NDArray[np.float64]

# A kernel that changes by more, relative to itself, learns features.
_LAZY = 0.05
# The mean is a mode of its own if the kernel turns it by no more.
_ALIGNED = 0.05
_SIGMAS = 4.0
# Below this share of the start a mode is rounding.
_FLOOR = 1e-3
_STEADY = 0.01


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
        Change of the tangent kernel relative to itself: zero in the lazy limit.
    misalignment : Estimate
        How far the tangent kernel turns the mode, as the sine of an angle.
    window : (int, int)
        First and last step of the fit.
    replicates : dict of str to array of shape (S,)
        H and m^2 of each seed.
    predicted_hubble, predicted_mass2 : float
        What the match says of the learning rate and the mean eigenvalue.
    n_samples : int
        Seeds.
    flags : tuple of str
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
    replicates: dict[str, Array]
    predicted_hubble: float
    predicted_mass2: float
    n_samples: int
    flags: tuple[str, ...]

    def __str__(self) -> str:
        rows = [
            f"{self.mode} mode, {self.match} match, steps {self.window[0]} to {self.window[1]}, "
            f"{self.n_samples} seeds, time in {self.time_unit}",
            f"  H          {self.hubble}   from the match {self.predicted_hubble:.6g}",
            f"  m^2        {self.mass2}   from the match {self.predicted_mass2:.6g}",
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
        recorded at equal distances; at every step for ``match="momentum"``.
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
    AnalysisError
        If there are fewer than two seeds or too few frames, or the mode does not decay.

    Notes
    -----
    First-order training has one rate s per mode, per unit :math:`\eta \cdot` step. With
    :math:`\theta` of the tangent kernel, slow roll says :math:`3 H = \theta / (s \eta)`, and the
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
    optimiser, eta, mu = _dynamics(record)
    wanted = "HeavyBall" if match == "momentum" else "GradientDescent"
    if optimiser != wanted:
        raise ArgumentError(f"the {match} match is of {wanted}, but the record is of {optimiser}")
    if record.n_seeds < 2:
        raise AnalysisError("errors are over seeds: the record needs at least two, got one")
    fields = modes_of(record, inputs, targets, mode)
    chosen, stride = _window(record, fields.series, window)
    if match == "momentum" and stride != 1:
        raise AnalysisError(f"the momentum match needs every step, got every {stride}; record=1")
    x, half = fields.series[:, chosen], (chosen.stop - chosen.start) // 2
    parts = x, x[:, : half + 1], x[:, half:]
    theta, flags = fields.eigenvalues, []
    if match == "momentum":
        (a, b), (_, early), (_, late) = (_recursion(part) for part in parts)
        friction, mass2 = (1 - b) / math.sqrt(eta), (1 + b - a) / eta
        rates = [(1 - value) / 2 for value in (b, early, late)]
    else:
        rates = [_decay(part, stride) for part in parts]
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
    drift = _estimate(rates[2] / rates[1] - 1)
    flags += _flags(fields, drift)
    said = cosmological_match(eta, float(theta.mean()), match=match, momentum=mu)
    return BackgroundFit(
        match=match,
        mode=str(mode),
        learning_rate=eta,
        time_unit=said.time_unit,
        hubble=_estimate(hubble),
        mass2=_estimate(mass2),
        cosmological_constant=_estimate(3 * hubble**2),
        invariant=_estimate(mass2 / hubble**2),
        rate=_estimate(rates[0]),
        eigenvalue=_estimate(theta),
        drift=drift,
        kernel_drift=_estimate(fields.kernel_drift),
        misalignment=_estimate(fields.misalignment),
        window=(int(record.steps[chosen.start]), int(record.steps[chosen.stop - 1])),
        replicates={"hubble": hubble, "mass2": mass2},
        predicted_hubble=said.hubble,
        predicted_mass2=said.mass2,
        n_samples=record.n_seeds,
        flags=tuple(flags),
    )


def _dynamics(record: TrainingRecord) -> tuple[str, float, float]:
    """Return the optimiser, its learning rate and its momentum."""
    found = record.configuration.get("optimiser") or {}
    eta = found.get("learning_rate")
    if record.configuration.get("loss") != "mse" or record.configuration.get("batch") is not None:
        raise ArgumentError("the record must be of the mean squared error with batch=None")
    if not isinstance(eta, float):
        raise ArgumentError(f"the learning rate must be constant, got {shown(eta)}")
    return str(found["optimiser"]), eta, float(found.get("momentum", 0.0))


def _window(
    record: TrainingRecord, series: Array, window: tuple[int, int] | None
) -> tuple[slice, int]:
    """Return the frames of a fit, and how many steps lie between two."""
    steps = record.steps
    if window is None:
        top = np.maximum.accumulate(np.abs(series[:, ::-1]), axis=1)[:, ::-1]
        alive = (top >= _FLOOR * top[:, :1]).all(axis=0) & (top > 0).all(axis=0)
        first, stop = 0, int(alive.sum())
    else:
        low = as_count("first step of the window", window[0], 0)
        high = as_count("last step of the window", window[1], low + 1)
        inside = np.flatnonzero((steps >= low) & (steps <= high))
        first, stop = (int(inside[0]), int(inside[-1]) + 1) if inside.size else (0, 0)
    gaps = np.diff(steps[first:stop])
    if gaps.size > 1 and gaps[-1] != gaps[0]:  # the last step is recorded at any distance
        stop, gaps = stop - 1, gaps[:-1]
    if stop - first < 6:
        raise AnalysisError(
            f"a fit needs six frames at least, got {max(stop - first, 0)}; record more of the start"
        )
    if (gaps != gaps[0]).any():
        raise AnalysisError("a fit needs frames at equal distances; give record=n")
    return slice(first, stop), int(gaps[0])


def _decay(x: Array, stride: int) -> Array:
    """Return the decay rate of each series in one step, from x_{t+n} = z x_t, or NaN."""
    z = (x[:, 1:] * x[:, :-1]).sum(axis=1) / (x[:, :-1] ** 2).sum(axis=1)
    return np.asarray(-np.log(np.where((z > 0) & (z < 1), z, math.nan)) / stride)


def _recursion(x: Array) -> tuple[Array, Array]:
    """Return (a, b) of x_{t+1} = a x_t - b x_{t-1} of each series."""
    found = [
        np.linalg.lstsq(np.stack([row[1:-1], -row[:-2]], axis=1), row[2:], rcond=None)[0]
        for row in x
    ]
    a, b = np.array(found).T
    return a, b


def _estimate(values: Array) -> Estimate:
    n = len(values)
    return Estimate(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n), n)


def _flags(fields: Modes, drift: Estimate) -> list[str]:
    flags = []
    if fields.kernel_drift.mean() > _LAZY:
        flags.append(
            f"features are learned: the tangent kernel changes by {fields.kernel_drift.mean():.2g} "
            "of itself, so that H and m^2 are no constants"
        )
    if fields.misalignment.mean() > _ALIGNED:
        flags.append(
            f"the mode is no eigenvector of the tangent kernel (sine "
            f"{fields.misalignment.mean():.2g}): several rates are fitted as one"
        )
    if math.isnan(drift.value):
        flags.append("half of the window shows no decay: whether the rate drifts is not known")
    elif abs(drift.value) > max(_STEADY, _SIGMAS * drift.error):
        flags.append(f"the rate drifts by {drift.value:.2g} of itself within the window")
    return flags
