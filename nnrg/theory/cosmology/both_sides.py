"""Both sides of the duality: recorded training beside solutions of the Friedmann equations."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.training import TrainingRecord
from nnrg.stats.estimate import Estimate
from nnrg.theory.cosmology._modes import (
    NULL,
    Kernels,
    Modes,
    kernels_of,
    modes_of,
    rank_of,
)
from nnrg.theory.cosmology._rates import matched, seeds_estimate
from nnrg.theory.cosmology._universe_result import SIDES, UniverseComparison
from nnrg.theory.cosmology.background import ALIGNED, LAZY
from nnrg.theory.cosmology.friedmann import solve_friedmann
from nnrg.theory.cosmology.matches import CosmologicalMatch, cosmological_match

__all__ = ["compare_universe"]

Array = npt.NDArray[np.float64]

# A mode is followed if it starts so far above rounding.
_AMPLITUDE = 1e3
_ASSUMPTIONS = (
    "outputs are linear in the weights, with the tangent kernel of the start",
    "Lambda dominates: the field does not make space expand",
    "the field's mass is that of the slowest mode shown, its squared momenta what others exceed "
    "it by",
    "metric perturbations are left out",
    "k is what eigenvalues of the tangent kernel say, a wave number where inputs lie on a lattice",
)


def compare_universe(
    record: TrainingRecord,
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    match: str,
    n_modes: int = 4,
    until: int | None = None,
    tolerance: float = 0.05,
) -> UniverseComparison:
    r"""Put background and perturbations of recorded training beside a Friedmann universe.

    Parameters
    ----------
    record : TrainingRecord
        With the mean squared error, all samples in each step and a constant learning rate.
    inputs, targets : array
        The data of the record.
    match : {"slow_roll", "second_order", "momentum"}
        As of `cosmological_match`; the last for `HeavyBall`, the others for `GradientDescent`.
    n_modes : int
        Largest eigenvalues of the tangent kernel to follow, of those that are not zero.
    until : int, optional
        Last step; by default all of the record.
    tolerance : float
        Distance, in units of the start of a mode, below which theory and training agree.

    Returns
    -------
    UniverseComparison

    Raises
    ------
    ArgumentError
        If the record is of another kind of training, or data are not its own.
    NonFiniteError
        If data hold NaN or infinity.
    AnalysisError
        If there are fewer than two seeds or three frames, or all modes begin at their targets.

    Notes
    -----
    The background is the mean of the outputs over data, less that of the targets, with
    :math:`m^2` from :math:`\bar\theta = 1 \cdot \Theta 1 / N`. Modes are those of the tangent
    kernel. In training their :math:`\theta_i` stay what they are: `static` has
    :math:`k_i^2 + m^2` for them. In an expanding universe momenta redshift,
    :math:`k_i^2 / a^2 + m^2`, and each mode that is lighter than H freezes once k / a is below H:
    `redshifted`. Seeds are weighted with the squares of where they start, and theory is solved for
    the eigenvalues of each.

    Examples
    --------
    >>> from nnrg.simulate.training import MLP, HeavyBall, train
    >>> from nnrg.theory.cosmology import circle_data
    >>> data = circle_data(8)
    >>> made = train(MLP((2, 256, 1), sigma_b=0.5), data, optimiser=HeavyBall(1e-3, 0.9), steps=60,
    ...              record=2, n_seeds=4, rng=1)
    >>> found = compare_universe(made, data.inputs, data.targets, match="momentum", n_modes=3)
    >>> found.verdicts("static")[1:], found.verdicts("redshifted")[1]
    (('holds', 'holds', 'holds'), 'fails')
    """
    eta, mu = matched(record, match)
    within = as_real("tolerance", tolerance)
    if within <= 0:
        raise ArgumentError(f"tolerance must be positive, got {within}")
    kernels = kernels_of(record, inputs, targets)
    last = int(record.steps[-1]) if until is None else as_count("until", until, 1)
    frames = int((record.steps <= last).sum())
    if frames < 3 or record.steps[0] != 0:
        ended = "" if record.diverged is None else f": training {record.diverged['message']}"
        raise AnalysisError(
            f"training is compared from its start, over three frames at least; got {frames} up to "
            f"step {last}{ended}"
        )
    steps = np.array(record.steps[:frames])
    values = kernels.eigen()[0]
    count = min(as_count("n_modes", n_modes, 1, values.shape[1]), rank_of(values))
    rows = [modes_of(kernels, mode) for mode in range(count)]
    names, flags = [str(mode) for mode in range(count)], list(record.flags)
    background = kernels.first.mean(axis=2).sum(axis=1)
    if (background > NULL * values[:, 0]).all():
        mean = modes_of(kernels, "mean")
        rows, names = [mean, *rows], ["mean", *names]
        aside = float(mean.misalignment.mean())
        if aside > ALIGNED:
            flags.append(
                f"the mean over data is no eigenvector of the tangent kernel (sine {aside:.2g}): "
                "the background is several fields"
            )
    else:
        background = np.full_like(background, math.nan)
        flags.append("training does not move the mean over data: there is no background")
    rows, names = _moving(rows, names, _AMPLITUDE * kernels.rounding, flags)
    series = np.stack([row.series[:, :frames] for row in rows])
    theta = np.stack([row.eigenvalues for row in rows])

    def at(value: float) -> CosmologicalMatch:
        return cosmological_match(eta, value, match=match, momentum=mu)

    step = at(float(theta[0, 0])).step
    times: Array = step * steps.astype(np.float64)
    sides = {name: np.empty(series.shape) for name in SIDES}
    for seed in range(record.n_seeds):
        own = [at(float(value)) for value in theta[:, seed]]
        static, redshifted = _universes(own, times)
        sides["static"][:, seed], sides["redshifted"][:, seed] = static, redshifted
        if names[0] == "mean":
            sides["redshifted"][0, seed] = static[0]
        sides["discrete"][:, seed] = [_transfer(eta * v, mu, steps) for v in theta[:, seed]]
    start = series[:, :, :1]
    for name in SIDES:
        sides[name] *= start
    if names[0] == "mean":  # a sum of modes, all of which discrete training knows
        sides["discrete"][0] = _mean_of_modes(kernels, eta, mu, steps)
    measured, errors = _over_seeds(series, start)
    drift = float(kernels.drift(frames - 1).mean())
    if drift > LAZY:
        flags.append(f"features are learned: the tangent kernel changes by {drift:.2g} of itself")
    below = (values < background[:, None] * (1 - 1e-9)).mean(axis=1)
    lighter = np.where(np.isnan(background), math.nan, below)
    hubble = at(float(theta[0].mean())).hubble
    return UniverseComparison(
        match=match,
        time_unit=at(float(theta[0, 0])).time_unit,
        learning_rate=eta,
        hubble=hubble,
        names=tuple(names),
        eigenvalues=theta.mean(axis=1),
        frequencies2=np.array([np.mean([at(float(v)).invariant for v in row]) for row in theta]),
        steps=steps,
        hubble_times=hubble * times,
        measured=measured,
        errors=errors,
        **{name: _over_seeds(values, start)[0] for name, values in sides.items()},
        gaps={name: _gaps(series - values, start) for name, values in sides.items()},
        lighter=seeds_estimate(lighter),
        tolerance=within,
        n_samples=record.n_seeds,
        assumptions=_ASSUMPTIONS,
        flags=tuple(flags),
        provenance=record.provenance,
    )


def _moving(
    rows: list[Modes], names: list[str], least: Array, flags: list[str]
) -> tuple[list[Modes], list[str]]:
    """Return the modes that have an amplitude at the start in two seeds, and flag the others."""
    moving = [int((np.abs(row.series[:, 0]) > least).sum()) > 1 for row in rows]
    still = [name for name, moves in zip(names, moving, strict=True) if not moves]
    if len(still) == len(names):
        raise AnalysisError("all modes begin at their targets: training moves nothing")
    if still:
        flags.append(f"left out, at their targets from the start: {', '.join(still)}")
    kept = [i for i, moves in enumerate(moving) if moves]
    return [rows[i] for i in kept], [names[i] for i in kept]


def _universes(rows: list[CosmologicalMatch], times: Array) -> tuple[Array, Array]:
    """Return Friedmann solutions (R, T) from one, without redshift and with it."""
    mass2 = min(row.mass2 for row in rows)
    momenta = [math.sqrt(max(row.mass2 - mass2, 0.0)) for row in rows]
    if rows[0].match == "momentum":
        # At rest half a step before: the first step changes the mode by eta theta.
        speeds = [-row.step * row.mass2 / 2 for row in rows]
    else:
        # On the slower solution; a mode that oscillates has none, and both decay alike.
        second = rows[0].match == "second_order"
        speeds = [-row.mass2 / (row.rates[1].real if second else row.friction) for row in rows]
    found = [
        solve_friedmann(
            times,
            cosmological_constant=rows[0].cosmological_constant,
            mass2=mass2,
            momenta=momenta,
            mode_velocities=speeds,
            redshift=redshift,
        ).modes
        for redshift in (False, True)
    ]
    return found[0], found[1]


def _transfer(share: float | Array, mu: float, steps: npt.NDArray[np.int64]) -> Array:
    """Return what discrete training makes of ones, by eta theta, at these steps (last axis)."""
    now = np.ones(np.shape(share))
    before, found, done = now, [], 0
    for step in steps:
        for _ in range(int(step) - done):
            now, before = (1 + mu - share) * now - mu * before, now
        done = int(step)
        found.append(now)
    return np.stack(found, axis=-1)


def _mean_of_modes(kernels: Kernels, eta: float, mu: float, steps: npt.NDArray[np.int64]) -> Array:
    values, vectors = kernels.eigen()
    size = values.shape[1]
    weights = np.einsum("sik,si->sk", vectors, kernels.left[:, 0]) * vectors.sum(axis=1)
    found: Array = np.einsum("sk,skt->st", weights, _transfer(eta * values, mu, steps))
    return found / math.sqrt(size)


def _over_seeds(series: Array, start: Array) -> tuple[Array, Array]:
    """Return the regression of (R, S, T) numbers on their start, and its jackknife error."""
    above, below = (series * start).sum(axis=1), (start**2).sum(axis=1)
    left_out = (above[:, None] - series * start) / (below[:, None] - start**2)
    n = series.shape[1]
    spread = left_out - left_out.mean(axis=1, keepdims=True)
    return above / below, np.sqrt((n - 1) / n * (spread**2).sum(axis=1))


def _gaps(apart: Array, start: Array) -> tuple[Estimate, ...]:
    value, error = _over_seeds(apart, start)
    worst = np.abs(value).argmax(axis=1)
    return tuple(
        Estimate(abs(float(v[i])), float(e[i]), apart.shape[1])
        for v, e, i in zip(value, error, worst, strict=True)
    )
