"""The two-time correlation function of a recurrent network from its initial state on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real
from nnrg.activation_functions import Activation, Function
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.theory.recurrent._overlap import overlaps
from nnrg.theory.recurrent.potential import parameters

__all__ = ["TwoTimeCorrelation", "two_time_correlation"]

Array = npt.NDArray[np.float64]

_MOST = 400


@dataclass(frozen=True, slots=True)
class TwoTimeCorrelation:
    """c(t, t') of a recurrent network in discrete time.

    Attributes
    ----------
    activation : Activation
    sigma_w, sigma_b, decay, noise : float
    correlation : ndarray of shape (steps + 1, steps + 1)
        <z(t) z(t')>, symmetric, read-only.
    error : float
        Of quadrature, relative to the largest value, an estimate.
    assumptions : tuple of str
    """

    activation: Activation
    sigma_w: float
    sigma_b: float
    decay: float
    noise: float
    correlation: Array
    error: float
    assumptions: tuple[str, ...]

    @property
    def variance(self) -> Array:
        """c(t, t)."""
        return np.diag(self.correlation)

    def __str__(self) -> str:
        last = self.correlation[-1]
        return (
            f"c(t, t') of {self.activation}, {len(last) - 1} steps: c(T, T) {last[-1]:.8g}, "
            f"c(T, T - 1) {last[-2]:.8g}, c(T, 0) {last[0]:.3g}"
        )


def two_time_correlation(
    activation: str | Activation | Function,
    sigma_w: float,
    sigma_b: float = 0.0,
    *,
    steps: int,
    decay: float = 1.0,
    noise: float = 0.0,
    variance: float = 1.0,
) -> TwoTimeCorrelation:
    r"""Iterate the mean-field correlation function of a recurrent network in discrete time.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_w, sigma_b : float, dimensionless
    steps : int
        From 1 to 400.
    decay : float
        0 < gamma <= 1, per step.
    noise : float
        D >= 0 of each step.
    variance : float
        Of the Gaussian initial state, independent of weights and biases; at least zero.

    Raises
    ------
    ArgumentError
        If a number is out of range, or the activation unknown.
    AnalysisError
        If the variance leaves double precision.

    Notes
    -----
    z(t + 1) = a z(t) + eta(t), a = 1 - gamma, with the Gaussian eta of covariance N(t, t') =
    sigma_w^2 <phi(z(t)) phi(z(t'))> + sigma_b^2 + D delta. Row by row,

    .. math:: c(t + 1, s) = a\, c(t, s) + \sum_{u < s} a^{s - 1 - u} N(u, t), \quad
              c(t + 1, t + 1) = a^2 c(t, t) + 2 a \langle z \eta \rangle + N(t, t) .

    Late rows are the stationary solution of `rnn_dmft_discrete`.

    Examples
    --------
    >>> from nnrg.theory.recurrent.two_time import two_time_correlation
    >>> two_time_correlation("linear", 0.5, steps=3).variance.round(12).tolist()
    [1.0, 0.25, 0.0625, 0.015625]
    """
    phi, w, b, gamma, d = parameters(activation, sigma_w, sigma_b, decay, noise)
    if gamma > 1:
        raise ArgumentError(f"decay must be at most 1 in discrete time, got {gamma:g}")
    n = as_count("steps", steps, 1, _MOST, hint="the stationary solution has no such limit")
    start = as_real("variance", variance)
    if start < 0:
        raise ArgumentError(f"variance must be at least zero, got {start:g}")
    a = 1 - gamma
    c, drive = np.zeros((n + 1, n + 1)), np.zeros((n, n))
    c[0, 0] = start
    for t in range(n):
        q = np.diag(c)[: t + 1]
        root = np.sqrt(q * q[t])
        with np.errstate(divide="ignore", invalid="ignore"):
            r = np.where(root > 0, np.clip(c[: t + 1, t] / root, -1, 1), 0.0)
        average = overlaps(phi.function, phi.kinks, q, np.full(t + 1, q[t]), r)
        drive[: t + 1, t] = w * w * average + b * b
        drive[t, t] += d
        # <z(s) eta(t)> for s = 0 .. t: what z(s) remembers of earlier drive.
        memory = np.zeros(t + 1)
        for s in range(t):
            memory[s + 1] = a * memory[s] + drive[s, t]
        c[t + 1, : t + 1] = a * c[t, : t + 1] + memory
        c[: t + 1, t + 1] = c[t + 1, : t + 1]
        c[t + 1, t + 1] = a * a * c[t, t] + 2 * a * memory[t] + drive[t, t]
        if not 0 <= c[t + 1, t + 1] < 1e12:
            raise AnalysisError(
                f"the variance of a recurrent network must stay finite, but with {phi} and sigma_w "
                f"= {w:g} it is {c[t + 1, t + 1]:.3g} after {t + 1} steps; try a smaller sigma_w"
            )
    c.flags.writeable = False
    assumptions = ("infinite width", "Gaussian initial state, independent of the weights")
    return TwoTimeCorrelation(phi, w, b, gamma, d, c, 1e-11, assumptions)
