"""Ensembles of random recurrent networks: correlation functions and Lyapunov exponents."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, as_real, shown
from nnrg.activation_functions import Activation, Function, as_activation
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.progress import Progress
from nnrg.simulate._recurrent_steps import at_least_zero, one_network, step_rule
from nnrg.stats.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RecurrentEnsemble", "recurrent_networks", "step_rule"]

Array = npt.NDArray[np.float64]
Method = Literal["exponential", "euler", "discrete"]

# Numbers that the states of one network may take.
_HELD = 1 << 27


@dataclass(frozen=True, slots=True)
class RecurrentEnsemble:
    """What was measured in an ensemble of random recurrent networks.

    Attributes
    ----------
    activation : Activation
    sigma_w, sigma_b, decay, noise : float
    width, n_networks, n_states : int
    method : str
    step : float
        Time of one step; 1 in discrete time.
    duration, burn_in : float
        Time that was measured, and that went before.
    tau : ndarray of shape (n_lags,)
    correlation : ndarray of shape (n_networks, n_lags)
        c(tau) of each network, averaged over neurons, times and states.
    exponents : ndarray of shape (n_networks,)
        Largest Lyapunov exponent of each network, in inverse units of time.
    seed : int
        Entropy of the random numbers.
    """

    activation: Activation
    sigma_w: float
    sigma_b: float
    decay: float
    noise: float
    width: int
    n_networks: int
    n_states: int
    method: str
    step: float
    duration: float
    burn_in: float
    tau: Array
    correlation: Array
    exponents: Array
    seed: int

    @property
    def variance(self) -> Estimate:
        """c(0), its error that over networks."""
        return _over_networks(self.correlation[:, 0])

    @property
    def lyapunov(self) -> Estimate:
        """Mean of the largest Lyapunov exponents, its error that over networks."""
        return _over_networks(self.exponents)

    def correlations(self) -> list[Estimate]:
        """Return c(tau) at each lag, with errors over networks."""
        return [_over_networks(column) for column in self.correlation.T]

    def to_dataframe(self) -> pd.DataFrame:
        """Return columns ``tau, correlation, error``."""
        import pandas as pd

        found = self.correlations()
        return pd.DataFrame(
            {
                "tau": self.tau,
                "correlation": [e.value for e in found],
                "error": [e.error for e in found],
            }
        )

    def __str__(self) -> str:
        return (
            f"{self.n_networks} recurrent networks of width {self.width}, {self.activation}, "
            f"sigma_w {self.sigma_w:g}, {self.method} steps of {self.step:g}: c(0) "
            f"{self.variance}, lambda_max {self.lyapunov}"
        )


def recurrent_networks(
    activation: str | Activation | Function,
    sigma_w: float,
    sigma_b: float = 0.0,
    *,
    width: int,
    n_networks: int,
    duration: float,
    burn_in: float | None = None,
    decay: float = 1.0,
    noise: float = 0.0,
    method: Method = "exponential",
    step: float = 0.1,
    tau: npt.ArrayLike | None = None,
    n_states: int = 4,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> RecurrentEnsemble:
    r"""Draw random recurrent networks, let them run, and measure c(tau) and the Lyapunov exponent.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_w, sigma_b : float, dimensionless
        W_ij ~ N(0, sigma_w^2 / N), b_i ~ N(0, sigma_b^2), kept for all times.
    width, n_networks : int
        N >= 2 neurons; at least two networks, over which errors are taken.
    duration, burn_in : float
        Time measured, and time before, a quarter of it by default; steps in discrete time.
    decay, noise : float
        gamma > 0 (at most 1 in discrete time) and D >= 0.
    method : {"exponential", "euler", "discrete"}
        ``"exponential"`` and ``"euler"`` integrate continuous time, ``"discrete"`` is z(t + 1) =
        (1 - gamma) z(t) + W phi + b + xi.
    step : float
        Of time; not used in discrete time.
    tau : array_like, optional
        Lags, which are rounded to whole steps; 25 up to 12 / gamma by default.
    n_states : int
        States that each network starts from and carries, each with noise of its own.
    rng : numpy.random.Generator, SeedSequence, int or None
        Each network has random numbers of its own: the result is the same for any `workers`.
    workers : int
        Networks at a time.
    progress : callable, optional
        Called with (networks done, n_networks); by default a bar on stderr, if that is a terminal.

    Returns
    -------
    RecurrentEnsemble

    Raises
    ------
    ArgumentError
        If a number is out of range, or the activation unknown.
    AnalysisError
        If a state grows beyond all numbers.

    Notes
    -----
    Every method is z -> a z + s (W phi(z) + b) + sqrt(v) xi. The exponential step has a =
    exp(-gamma h), s = (1 - a) / gamma, v = D (1 - a^2) / (2 gamma), and is exact where phi(z) does
    not change within it; Euler's has a = 1 - gamma h, s = h, v = D h. Both err by O(h), and
    `nnrg.theory.recurrent.discrete.rnn_dmft_discrete` gives what they converge to at any h. A
    tangent vector goes along by v -> a v + s W (phi'(z) v).

    Examples
    --------
    >>> from nnrg.simulate.recurrent import recurrent_networks
    >>> run = recurrent_networks("linear", 0.5, width=32, n_networks=4, duration=50, noise=1, rng=1)
    >>> abs(run.variance.value - 0.577) < 0.1  # 1 / (2 sqrt(1 - 0.5^2)) for N to infinity
    True
    """
    phi = as_activation(activation)
    n, members = as_count("width", width, 2), as_count("n_networks", n_networks, 2)
    states, threads = as_count("n_states", n_states), as_count("workers", workers)
    gain, bias = at_least_zero("sigma_w", sigma_w), at_least_zero("sigma_b", sigma_b)
    rule, length = step_rule(decay, noise, method, step)
    measured = _steps("duration", duration, length)
    warm = measured // 4 if burn_in is None else _steps("burn_in", burn_in, length, 0)
    lags = _lags(tau, length, float(decay), measured)
    if measured * n * states > _HELD:
        raise ArgumentError(
            f"duration must be below {_HELD // (n * states) * length:.4g} at this width and step, "
            f"got {measured * length:g}; try more networks or fewer states instead"
        )
    seed = as_seed(rng)
    bar = Progress() if progress is None else None

    def run(child: np.random.SeedSequence) -> tuple[Array, float]:
        generator = np.random.default_rng(child)
        weights = generator.standard_normal((n, n)) * (gain / math.sqrt(n))
        biases = generator.standard_normal((n, 1)) * bias
        return one_network(phi, weights, biases, rule, states, warm, measured, lags, generator)

    correlation, exponents = np.empty((members, len(lags))), np.empty(members)
    with ThreadPoolExecutor(threads) as pool:
        for i, (row, exponent) in enumerate(pool.map(run, seed.spawn(members))):
            correlation[i], exponents[i] = row, exponent / length
            if progress is not None:
                progress(i + 1, members)
            elif bar is not None:
                bar("recurrent networks", i + 1, members)
    if bar is not None:
        bar.close()
    if not np.isfinite(correlation).all() or (exponents == math.inf).any():
        raise AnalysisError(
            f"the activity must stay finite, but with {phi} and sigma_w = {gain:g} it grows beyond "
            "all numbers; try a smaller sigma_w"
        )
    times: Array = lags * np.float64(length)
    for array in (times, correlation, exponents):
        array.flags.writeable = False
    return RecurrentEnsemble(
        activation=phi,
        sigma_w=gain,
        sigma_b=bias,
        decay=float(decay),
        noise=float(noise),
        width=n,
        n_networks=members,
        n_states=states,
        method=method,
        step=length,
        duration=measured * length,
        burn_in=warm * length,
        tau=times,
        correlation=correlation,
        exponents=exponents,
        seed=int(str(seed.entropy)),
    )


def _over_networks(values: Array) -> Estimate:
    n = len(values)
    return Estimate(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n), n)


def _steps(name: str, value: float, length: float, least: int = 2) -> int:
    count = round(as_real(name, value) / length)
    if count < least:
        raise ArgumentError(
            f"{name} must be at least {least} steps of {length:g}, got {shown(value)}"
        )
    return count


def _lags(
    tau: npt.ArrayLike | None, length: float, decay: float, measured: int
) -> npt.NDArray[np.int64]:
    if tau is None:
        far = min(12 / decay / length, measured / 4)
        return np.unique(np.round(np.linspace(0, far, 25)).astype(np.int64))
    times = np.asarray(tau)
    if times.ndim != 1 or not times.size or times.dtype.kind not in "fiu":
        raise ArgumentError(f"tau must be a row of times, got {shown(tau)}")
    lags = np.unique(np.concatenate([[0], np.round(times / length)]).astype(np.int64))
    if lags[0] < 0 or lags[-1] > measured // 2:
        raise ArgumentError(
            f"tau must be from 0 to half of the duration, {measured * length / 2:g}, got "
            f"{times.min():g} to {times.max():g}"
        )
    return lags
