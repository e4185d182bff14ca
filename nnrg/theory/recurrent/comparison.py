"""Mean-field theory of recurrent networks next to measured ensembles, in standard deviations."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count
from nnrg.activation_functions import Activation, Function, as_activation
from nnrg.errors import ArgumentError
from nnrg.simulate.recurrent import Method, RecurrentEnsemble, recurrent_networks, step_rule
from nnrg.stats.fits import FitResult, correlated_fit
from nnrg.stats.replicates import Replicates
from nnrg.theory.recurrent.continuous import RecurrentMeanField, rnn_dmft
from nnrg.theory.recurrent.discrete import DiscreteRecurrentMeanField, rnn_dmft_discrete

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RecurrentComparison", "compare_recurrent"]

Array = npt.NDArray[np.float64]

# Errors over fewer networks are too uncertain themselves for sigmas to be those of a normal law.
_FEW = 12


@dataclass(frozen=True)
class RecurrentComparison:
    """Predicted and measured c(0), c(tau) and Lyapunov exponent of recurrent networks.

    Attributes
    ----------
    theory : DiscreteRecurrentMeanField
        At infinite width with the very steps of the simulation: no error of the step.
    continuous : RecurrentMeanField or None
        Without steps; None in discrete time.
    ensembles : tuple of RecurrentEnsemble
        One for each width, in order.
    tau : ndarray of shape (n_lags,)
    predicted : ndarray of shape (n_lags + 1,)
        c at `tau`, then the Lyapunov exponent in inverse units of time.
    fits : tuple of FitResult or None
        For c(0) and the Lyapunov exponent: measured = limit + slope / N; None for fewer than three
        widths.
    assumptions : tuple of str
    flag : str
    """

    theory: DiscreteRecurrentMeanField
    continuous: RecurrentMeanField | None
    ensembles: tuple[RecurrentEnsemble, ...]
    tau: Array
    predicted: Array
    fits: tuple[FitResult, FitResult] | None
    assumptions: tuple[str, ...]
    flag: str

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each width and quantity, the limit of infinite width last.

        Columns ``width, quantity, tau, predicted, measured, error, sigmas``.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for run in self.ensembles:
            found = [*run.correlations(), run.lyapunov]
            for k, estimate in enumerate(found):
                last = k == len(self.tau)
                name = "lyapunov" if last else "correlation"
                tau = math.nan if last else float(self.tau[k])
                rows.append(self._row(run.width, name, tau, k, estimate.value, estimate.error))
        if self.fits is not None:
            for name, k, fit in zip(
                ("correlation", "lyapunov"), (0, len(self.tau)), self.fits, strict=True
            ):
                limit = fit.estimate("limit")
                tau = math.nan if k else 0.0
                rows.append(self._row(math.inf, name, tau, k, limit.value, limit.error))
        return pd.DataFrame(rows)

    def _row(
        self, width: float, name: str, tau: float, k: int, value: float, error: float
    ) -> dict[str, Any]:
        return {
            "width": width,
            "quantity": name,
            "tau": tau,
            "predicted": self.predicted[k],
            "measured": value,
            "error": error,
            "sigmas": (value - self.predicted[k]) / error if error > 0 else math.nan,
        }

    @property
    def step_effect(self) -> tuple[float, float]:
        """By how much the step moves c(0) and the Lyapunov exponent; NaN in discrete time."""
        if self.continuous is None:
            return math.nan, math.nan
        return (
            float(self.predicted[0] - self.continuous.variance.value),
            float(self.predicted[-1] - self.continuous.lyapunov.value),
        )

    def __str__(self) -> str:
        frame = self.to_dataframe()
        keep = (frame["quantity"] == "lyapunov") | (frame["tau"] == 0)
        lines = [str(self.ensembles[0]).partition(":")[0].partition(", ")[2]]
        lines[0] = f"Recurrent networks against mean-field theory, {lines[0]}"
        lines.append(frame[keep].to_string(index=False, float_format="{:.5g}".format))
        if self.continuous is not None:
            c, rate = self.step_effect
            lines.append(f"the step, {self.ensembles[0].step:g}, moves c(0) by {c:.2g} and ")
            lines[-1] += f"lambda_max by {rate:.2g}: part of the prediction"
        if self.fits is not None:
            for name, fit in zip(("c(0)", "lambda_max"), self.fits, strict=True):
                lines.append(f"{name} = limit + slope / N: chi2/dof {fit.chi2:.2f}/{fit.dof}")
        return "\n".join(lines + ([f"flag: {self.flag}"] if self.flag else []))


def compare_recurrent(
    activation: str | Activation | Function,
    sigma_w: float,
    sigma_b: float = 0.0,
    *,
    widths: tuple[int, ...] = (64, 128, 256),
    n_networks: int = 16,
    duration: float = 200.0,
    decay: float = 1.0,
    noise: float = 0.0,
    method: Method = "exponential",
    step: float = 0.1,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    burn_in: float | None = None,
    tau: npt.ArrayLike | None = None,
    n_states: int = 4,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> RecurrentComparison:
    """Solve the mean-field theory of recurrent networks and measure the same numbers.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_w, sigma_b : float, dimensionless
    widths : tuple of int
        From three on the limit of infinite width is fitted.
    n_networks : int
        Of each width.
    duration : float
        Time measured.
    decay, noise : float
    method : {"exponential", "euler", "discrete"}
    step : float
    rng : numpy.random.Generator, SeedSequence, int or None
    burn_in, tau, n_states, workers, progress
        As of `nnrg.simulate.recurrent.recurrent_networks`.

    Returns
    -------
    RecurrentComparison

    Raises
    ------
    ArgumentError
        If a number is out of range, or the activation unknown.
    AnalysisError
        If the activity has no finite variance.

    Notes
    -----
    The theory is that of the difference equation which the simulation iterates, so that the
    two differ by finite width and chance alone. Finite width moves c(0) and the exponent by O(1/N),
    with a large factor near the onset of chaos, where the straight line in 1/N needs wide networks:
    see its chi2/dof. In quiet phases the exponent of a finite time approaches its limit slowly, as
    the logarithm over the time: let `duration` and ``burn_in`` be long.

    Examples
    --------
    >>> from nnrg.theory.recurrent.comparison import compare_recurrent
    >>> found = compare_recurrent("tanh", 0.8, noise=1.0, widths=(48, 96), n_networks=4,
    ...     duration=40, rng=1)
    >>> found.to_dataframe().columns.tolist()
    ['width', 'quantity', 'tau', 'predicted', 'measured', 'error', 'sigmas']
    """
    sizes = tuple(as_count("width", n, 2) for n in widths)
    if not sizes or len(set(sizes)) < len(sizes):
        raise ArgumentError(f"widths must be different numbers of neurons, got {sizes}")
    phi = as_activation(activation)
    rule, h = step_rule(decay, noise, method, step)
    theory = rnn_dmft_discrete(
        phi,
        sigma_w * rule.drive,
        sigma_b * rule.drive,
        decay=1 - rule.keep,
        noise=rule.spread**2,
    )
    continuous = None
    if method != "discrete":
        continuous = rnn_dmft(phi, sigma_w, sigma_b, decay=decay, noise=noise)
    seeds = as_seed(rng).spawn(len(sizes))
    runs = tuple(
        recurrent_networks(
            phi,
            sigma_w,
            sigma_b,
            width=n,
            n_networks=n_networks,
            duration=duration,
            decay=decay,
            noise=noise,
            method=method,
            step=step,
            burn_in=burn_in,
            tau=tau,
            n_states=n_states,
            rng=seed,
            workers=workers,
            progress=progress,
        )
        for n, seed in zip(sizes, seeds, strict=True)
    )
    lags = np.round(runs[0].tau / h).astype(np.int64)
    predicted = np.concatenate([theory.correlation_at(lags), [theory.lyapunov.value / h]])
    predicted.flags.writeable = False
    flags = [theory.flag] if theory.flag else []
    if n_networks < _FEW:
        flags.append(
            f"{n_networks} networks of each width: sigmas of so few have wide tails; "
            f"take {_FEW} or more"
        )
    fits = None
    if len(sizes) > 2:
        fits = _limit(runs, "variance"), _limit(runs, "lyapunov")
        flags += [fit.flag for fit in fits if fit.flag]
    return RecurrentComparison(
        theory=theory,
        continuous=continuous,
        ensembles=runs,
        tau=runs[0].tau,
        predicted=predicted,
        fits=fits,
        assumptions=(*theory.assumptions, "finite width acts as 1/N"),
        flag="; ".join(flags),
    )


def _limit(runs: tuple[RecurrentEnsemble, ...], name: str) -> FitResult:
    found = [getattr(run, name) for run in runs]
    x = 1 / np.array([run.width for run in runs], dtype=np.float64)
    data = Replicates.from_covariance(
        [e.value for e in found], np.array([max(e.error, 1e-300) ** 2 for e in found])
    )
    line = np.stack([np.ones(len(x)), x], axis=1)
    return correlated_fit(line, x, data, names=("limit", "slope"))
