"""Background and perturbations of recorded outputs, beside what theory says of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import ArgumentError
from nnrg.simulate.training import TrainingRecord
from nnrg.stats.estimate import Estimate, format_value_error
from nnrg.theory.cosmology._modes import as_record, kernels_of, rank_of, recorded_outputs
from nnrg.theory.cosmology._rates import dynamics, pair_of_steps, require_seeds, seeds_estimate
from nnrg.theory.cosmology.background import LAZY

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PerturbationSpectrum", "mean_background", "perturbation_spectrum"]

Array = npt.NDArray[np.float64]


def mean_background(record: TrainingRecord) -> tuple[Array, Array]:
    """Return the mean of the outputs over data, and the variance of what is left.

    Parameters
    ----------
    record : TrainingRecord
        With outputs.

    Returns
    -------
    background, variance : array of shape (S, T)
        Of each seed, as functions of the recorded steps.

    Raises
    ------
    ArgumentError
        If the record holds no outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.simulate.training import GradientDescent, perceptron, train
    >>> x = np.eye(4)
    >>> made = train(perceptron(4), (x, np.ones(4)), optimiser=GradientDescent(1.0), steps=200,
    ...              n_seeds=2, rng=1)
    >>> background, variance = mean_background(made)
    >>> background[:, -1].round(6).tolist(), bool(variance[:, -1].max() < 1e-12)
    ([1.0, 1.0], True)
    """
    flat = recorded_outputs(record)
    return flat.mean(axis=2), flat.var(axis=2)


_COLUMNS = (
    "eigenvalues", "eigenvalue_errors", "rates", "rate_errors", "slow_roll", "second_order",
    "exact", "excess", "excess_errors",
)  # fmt: skip
_ROWS = 20
# Below this share of the largest distance from the targets a mode is rounding.
_NOISE = 1e-12


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PerturbationSpectrum:
    """Growth factors of the modes of the tangent kernel over a window of steps.

    Attributes
    ----------
    learning_rate : float
    window : (int, int)
        First and last step.
    eigenvalues, eigenvalue_errors : array of shape (K,)
        theta of the kernel at the start, largest first; mean and error over seeds.
    rates, rate_errors : array of shape (K,)
        Decay in one step over the learning rate, measured; NaN where a mode changes its sign or
        has come down to rounding in a seed.
    slow_roll, second_order, exact : array of shape (K,)
        What both matches and discrete gradient descent with a constant kernel say; NaN where the
        match oscillates.
    excess, excess_errors : array of shape (K,)
        Measured rate less the exact one of the same seed: zero where the kernel does not move.
    kernel_drift : Estimate
        Change of the kernel over the window, relative to itself.
    n_samples : int
        Seeds.
    flags : tuple of str
        Where modes have no rate, the longest window from the same start in which they do.
    provenance : mapping
        Of the record.
    """

    learning_rate: float
    window: tuple[int, int]
    eigenvalues: Array
    eigenvalue_errors: Array
    rates: Array
    rate_errors: Array
    slow_roll: Array
    second_order: Array
    exact: Array
    excess: Array
    excess_errors: Array
    kernel_drift: Estimate
    n_samples: int
    flags: tuple[str, ...]
    provenance: Mapping[str, Any]

    def __post_init__(self) -> None:
        for name in _COLUMNS:
            getattr(self, name).flags.writeable = False

    @property
    def sigmas(self) -> Array:
        """Excess over its error; NaN where seeds do not differ but by rounding."""
        told = self.excess_errors > 1e-9 * np.abs(self.exact)
        found: Array = np.full(len(told), math.nan)
        np.divide(self.excess, self.excess_errors, where=told, out=found)
        return found

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each mode."""
        import pandas as pd

        columns = {name: getattr(self, name) for name in _COLUMNS}
        table = {"mode": np.arange(len(self.rates)), **columns, "sigmas": self.sigmas}
        return pd.DataFrame(table)

    def __str__(self) -> str:
        rows = [
            f"modes of the tangent kernel, eta {self.learning_rate:g}, steps {self.window[0]} to "
            f"{self.window[1]}, {self.n_samples} seeds; kernel drift {self.kernel_drift}",
            f"{'mode':>4} {'theta':>14} {'rate':>14} {'exact':>10} {'2nd order':>10} "
            f"{'slow roll':>10} {'sigmas':>7}",
        ]
        for i in range(min(len(self.rates), _ROWS)):
            theta = format_value_error(self.eigenvalues[i], self.eigenvalue_errors[i])
            rate = format_value_error(self.rates[i], self.rate_errors[i])
            rows.append(
                f"{i:4d} {theta:>14} {rate:>14} {self.exact[i]:10.5g} {self.second_order[i]:10.5g} "
                f"{self.slow_roll[i]:10.5g} {self.sigmas[i]:7.1f}"
            )
        return "\n".join([*rows, *(f"! {flag}" for flag in self.flags)])


def perturbation_spectrum(
    record: TrainingRecord,
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    window: tuple[int, int],
    n_modes: int | None = None,
) -> PerturbationSpectrum:
    r"""Measure the decay of each mode of the outputs between two recorded steps.

    Parameters
    ----------
    record : TrainingRecord
        Of `GradientDescent` at a constant learning rate, with the mean squared error.
    inputs, targets : array
        The data of the record.
    window : (int, int)
        Two recorded steps.
    n_modes : int, optional
        Largest eigenvalues to keep; all of them if left out. Those that are zero are left out: no
        step moves such modes.

    Returns
    -------
    PerturbationSpectrum

    Raises
    ------
    ArgumentError
        If a step is not recorded, or the record is of another kind of training.
    NonFiniteError
        If data hold NaN or infinity.
    AnalysisError
        If there are fewer than two seeds.

    Notes
    -----
    A mode decays by :math:`1 - \eta \theta` a step: the measured rate is
    :math:`-\ln(1 - \eta\theta) / \eta = \theta + \eta\theta^2/2 + \eta^2\theta^3/3 + \dots`, the
    second-order match says :math:`(1 - \sqrt{1 - 2 \eta \theta}) / \eta`, slow roll
    :math:`\theta`. Nonlinear training of a network of finite width has none of these exactly: see
    `excess`. Physical momenta in an expanding universe redshift, eigenvalues do not: no mode
    freezes out.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.simulate.training import GradientDescent, perceptron, train
    >>> x = np.diag([1.0, 2.0])
    >>> made = train(perceptron(2), (x, np.ones(2)), optimiser=GradientDescent(0.1), steps=10,
    ...              n_seeds=2, rng=1)
    >>> found = perturbation_spectrum(made, x, np.ones(2), window=(0, 10))
    >>> found.eigenvalues.round(6).tolist(), bool(np.allclose(found.rates, found.exact))
    ([2.0, 0.5], True)
    """
    optimiser, eta, _ = dynamics(as_record(record))
    if optimiser != "GradientDescent":
        raise ArgumentError(f"the record must be of GradientDescent, got {optimiser}")
    require_seeds(record)
    first, last = pair_of_steps(window)
    at = [np.flatnonzero(record.steps == step) for step in (first, last)]
    if min(len(found) for found in at) == 0:
        raise ArgumentError(f"window must be two recorded steps, rising, got {window}")
    kernels = kernels_of(record, inputs, targets)
    left = kernels.left
    size = left.shape[2]
    count = size if n_modes is None else as_count("n_modes", n_modes, 1, size)
    values, vectors = kernels.eigen()
    count = min(count, rank_of(values))
    theta = values[:, :count]
    begin, end = (int(found[0]) for found in at)
    amplitudes = left[:, begin : end + 1] @ vectors[:, :, :count]
    floor = _NOISE * np.abs(left).max(axis=(1, 2))[:, None, None]
    # A mode that turns round at every step has its sign again after two.
    same = (amplitudes * amplitudes[:, :1] > 0) & (np.abs(amplitudes) >= floor)
    told = np.logical_and.accumulate(same, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = amplitudes[:, -1] / amplitudes[:, 0]
        decay = -np.log(np.abs(factor)) / ((last - first) * eta)
        rate = np.where(told[:, -1], decay, math.nan)
        apart = rate + np.log1p(-eta * theta) / eta
        mean = theta.mean(axis=0)
        second = (1 - np.sqrt(1 - 2 * eta * mean)) / eta
        exact = -np.log1p(-eta * mean) / eta
    drift = seeds_estimate(kernels.drift(end))
    flags = list(record.flags)
    if drift.value > LAZY:
        flags.append(
            f"features are learned: the tangent kernel changes by {drift.value:.2g} of itself, so "
            "that eigenvalues are no constants"
        )
    silent = int(np.isnan(rate).any(axis=0).sum())
    if silent:
        flags.append(
            f"{silent} of {count} modes have no rate: they change sign or are rounding; "
            f"{_shorter(record.steps[begin : end + 1], told)}"
        )
    root = math.sqrt(record.n_seeds)
    return PerturbationSpectrum(
        learning_rate=eta,
        window=(first, last),
        eigenvalues=mean,
        eigenvalue_errors=theta.std(axis=0, ddof=1) / root,
        rates=rate.mean(axis=0),
        rate_errors=rate.std(axis=0, ddof=1) / root,
        slow_roll=mean.copy(),
        second_order=second,
        exact=exact,
        excess=apart.mean(axis=0),
        excess_errors=apart.std(axis=0, ddof=1) / root,
        kernel_drift=drift,
        n_samples=record.n_seeds,
        flags=tuple(flags),
        provenance=record.provenance,
    )


def _shorter(steps: npt.NDArray[np.int64], told: npt.NDArray[np.bool_]) -> str:
    """Say in which window from the same first step more modes have a rate, of told (S, T, K)."""
    lasting = told.all(axis=0).sum(axis=0)
    ever = lasting > 1
    last = int(lasting[ever].min(initial=len(steps))) - 1
    if last == len(steps) - 1:
        return "from the first frame on; record more of the start, or train in smaller steps"
    who = "all" if ever.all() else str(int(ever.sum()))
    return f"in window=({int(steps[0])}, {int(steps[last])}) {who} have one"
