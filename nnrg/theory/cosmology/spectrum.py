"""Background and perturbations of recorded outputs, beside what theory says of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.training import TrainingRecord
from nnrg.theory.cosmology._modes import residuals
from nnrg.theory.cosmology.kernels import tangent_kernel

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
    if record.outputs is None:
        raise ArgumentError("the record holds no outputs; record with outputs=True")
    flat = np.asarray(record.outputs, np.float64).reshape(*record.outputs.shape[:2], -1)
    return flat.mean(axis=2), flat.var(axis=2)


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
    n_samples : int
        Seeds.
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
    n_samples: int

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each mode."""
        import pandas as pd

        names = ("eigenvalues", "eigenvalue_errors", "rates", "rate_errors", "slow_roll",
                 "second_order", "exact")  # fmt: skip
        columns = {name: getattr(self, name) for name in names}
        return pd.DataFrame({"mode": np.arange(len(self.rates)), **columns})


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
        Largest eigenvalues to keep; all of them if left out.

    Returns
    -------
    PerturbationSpectrum

    Raises
    ------
    ArgumentError
        If a step is not recorded, or the record is of another kind of training.
    AnalysisError
        If there are fewer than two seeds.

    Notes
    -----
    A mode decays by :math:`1 - \eta \theta` a step: the measured rate is
    :math:`-\ln(1 - \eta\theta) / \eta = \theta + \eta\theta^2/2 + \eta^2\theta^3/3 + \dots`, the
    second-order match says :math:`(1 - \sqrt{1 - 2 \eta \theta}) / \eta`, slow roll
    :math:`\theta`. Physical momenta in an expanding universe redshift, eigenvalues do not: no mode
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
    described = record.configuration.get("optimiser") or {}
    eta = described.get("learning_rate")
    if described.get("optimiser") != "GradientDescent" or not isinstance(eta, float):
        raise ArgumentError("the record must be of GradientDescent at a constant learning rate")
    if record.configuration.get("loss") != "mse" or record.model is None:
        raise ArgumentError("the record must be of a known model and the mean squared error")
    if record.n_seeds < 2:
        raise AnalysisError("errors are over seeds: the record needs at least two, got one")
    left = residuals(record, targets)
    first, last = (as_count("a step of the window", step, 0) for step in window)
    at = [np.flatnonzero(record.steps == step) for step in (first, last)]
    if last <= first or min(len(found) for found in at) == 0:
        raise ArgumentError(f"window must be two recorded steps, rising, got {window}")
    size = left.shape[2]
    count = size if n_modes is None else as_count("n_modes", n_modes, 1, size)
    theta = np.empty((record.n_seeds, count))
    rate = np.empty((record.n_seeds, count))
    for seed in range(record.n_seeds):
        kernel = tangent_kernel(record.model, record.tensors(seed, 0), inputs)
        if len(kernel) != size:
            raise ArgumentError(f"inputs must be the {size} outputs' of the record")
        values, vectors = np.linalg.eigh(kernel)
        start, stop = (left[seed, int(found[0])] @ vectors[:, ::-1][:, :count] for found in at)
        theta[seed] = values[::-1][:count]
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = stop / start
            noise = np.abs(stop) < 1e-12 * np.abs(left[seed]).max()
            rate[seed] = np.where(
                (factor > 0) & ~noise, -np.log(np.abs(factor)) / ((last - first) * eta), math.nan
            )
    mean = theta.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        second = (1 - np.sqrt(1 - 2 * eta * mean)) / eta
        exact = -np.log1p(-eta * mean) / eta
    root = math.sqrt(record.n_seeds)
    return PerturbationSpectrum(
        learning_rate=eta,
        window=(first, last),
        eigenvalues=mean,
        eigenvalue_errors=theta.std(axis=0, ddof=1) / root,
        rates=rate.mean(axis=0),
        rate_errors=rate.std(axis=0, ddof=1) / root,
        slow_roll=mean,
        second_order=second,
        exact=exact,
        n_samples=record.n_seeds,
    )
