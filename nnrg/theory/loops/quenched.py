"""Typical against mean growth of a tangent at finite width, and its correlation length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, inf, log, nan

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real
from nnrg.activation_functions import Activation, as_activation
from nnrg.errors import ArgumentError
from nnrg.theory.loops._stationary import stationary
from nnrg.theory.loops.expansion import RATIO_LIMIT, SPREAD_LIMIT
from nnrg.theory.loops.recursion import finite_width

__all__ = ["QuenchedExponent", "checked_arguments", "exact_log_growth", "quenched_exponent"]

Array = npt.NDArray[np.float64]

_DEEPEST = 300


@dataclass(frozen=True, slots=True)
class QuenchedExponent:
    """Growth of ln D a layer at the fixed point of the metric; D is the variance of a tangent.

    Attributes
    ----------
    activation : str
    sigma_w, sigma_b : float
    width : int
    metric, chi_1, chi_par, ratio : float
        K* (NaN if the metric has no limit), both susceptibilities and r = <phi'^4> / <phi'^2>^2, at
        infinite width.
    infinite : float
        ln chi_1.
    terms : dict of str to float
        Parts of the correction of order 1/n to E[ln D].
    second : float
        Its correction of order 1/n^2; NaN where it is not stationary.
    annealed_first, annealed_second : float
        Corrections to the growth of ln E[D].
    variance : float
        Growth of Var ln D a layer, order 1/n.
    exact : float
        E[ln D] a layer without expansion, given that the layer is not dead; NaN where no closed
        form is known (all but linear and ReLU).
    error : float
        Of the Gaussian averages.
    flag : str
    """

    activation: str
    sigma_w: float
    sigma_b: float
    width: int
    metric: float
    chi_1: float
    chi_par: float
    ratio: float
    infinite: float
    terms: dict[str, float]
    second: float
    annealed_first: float
    annealed_second: float
    variance: float
    exact: float
    error: float
    flag: str = ""
    assumptions: tuple[str, ...] = (
        "Gaussian weights, independent in each layer; infinitesimal difference of two inputs",
        "metric at its fixed point, depth beyond xi_q",
    )

    @property
    def first(self) -> float:
        """Correction of order 1/n to the growth of E[ln D]."""
        return sum(self.terms.values())

    @property
    def quenched(self) -> float:
        """Growth of E[ln D] a layer, to the highest order known."""
        return self.infinite + self.first + (0.0 if np.isnan(self.second) else self.second)

    @property
    def annealed(self) -> float:
        """Growth of ln E[D] a layer, to the highest order known."""
        second = 0.0 if np.isnan(self.annealed_second) else self.annealed_second
        return self.infinite + self.annealed_first + second

    @property
    def lyapunov(self) -> tuple[float, float]:
        """Annealed and quenched Lyapunov exponent, half the growth of D."""
        return self.annealed / 2, self.quenched / 2

    @property
    def truncation(self) -> float:
        """Estimated size of the order left out of `quenched`."""
        if np.isnan(self.second):
            return abs(self.first) / self.width
        return abs(self.second) * min(1.0, abs(self.second / self.first) if self.first else 1.0)

    @property
    def correlation_lengths(self) -> tuple[float, float]:
        """-1 / growth of the mean and of the typical squared difference; infinite in chaos."""
        lengths = [-1 / x if x < 0 else inf for x in (self.annealed, self.quenched)]
        return lengths[0], lengths[1]

    def __str__(self) -> str:
        annealed, quenched = self.correlation_lengths
        rows = [
            (f"ln chi_1 (chi_1 = {self.chi_1:.8g})", self.infinite),
            *((f"1/n: {name}", value) for name, value in self.terms.items()),
            ("1/n^2", self.second),
            ("E[ln D], quenched", self.quenched),
            ("ln E[D], annealed", self.annealed),
        ]
        if not np.isnan(self.exact):
            rows.append(("E[ln D], exact if alive", self.exact))
        lines = [
            f"{self.activation}, sigma_w={self.sigma_w:g}, sigma_b={self.sigma_b:g}, "
            f"width {self.width}, K*={self.metric:.6g}: growth a layer of a tangent",
            *(f"{name:>34} {value:>+12.6g}" for name, value in rows),
            f"correlation length annealed {annealed:.4g}, quenched {quenched:.4g}; "
            f"left out about {self.truncation:.1g} a layer",
        ]
        return "\n".join([*lines, *([self.flag] if self.flag else [])])


def quenched_exponent(
    activation: str | Activation | Callable[[Array], Array],
    sigma_w: float,
    sigma_b: float,
    width: int,
    *,
    q0: float = 1.0,
) -> QuenchedExponent:
    r"""Return how a small difference of two inputs grows in a typical network of finite width.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_w, sigma_b : float, dimensionless
    width : int
        Neurons n of all layers, at least 2.
    q0 : float, dimensionless
        Where the metric starts on its way to a fixed point, of which there may be several.

    Returns
    -------
    QuenchedExponent

    Raises
    ------
    ArgumentError
        If an argument is out of range.
    AnalysisError
        If the metric has no fixed point it tends to exponentially.

    Notes
    -----
    The mean of |v|^2 grows as chi_1^T, a typical one as exp(T E), with

    .. math:: E = \ln \chi_1 + \frac1n \Big[ -\frac{3r - 1}{2} + (\ln \chi_1)' K_1
              + \tfrac12 (\ln \chi_1)'' V + \frac{2 K \chi_1'}{\chi_1} P \Big] + O(n^{-2}),

    V = sigma_w^4 Var(phi^2) / (1 - chi_par^2), K_1 = g'' V / (2 (1 - chi_par)) and the squared
    correlation of tangent and signal P/n, P = sigma_w^4 <phi^2 phi'^2> / (chi_1 K (1 - chi_par^2 /
    chi_1)). The next order is that of `finite_width`, deep down. For a scale-invariant activation
    only the first term is left: the correlation length -1 / E is 1 / (-ln chi_1 + (3r - 1) / 2n).

    Examples
    --------
    >>> print(f"{quenched_exponent('relu', 2**0.5, 0, 100).first:.4f}")  # -5 / (2 n)
    -0.0250
    """
    phi = as_activation(activation)
    sigma_w, sigma_b, width = checked_arguments(sigma_w, sigma_b, width)
    q0 = as_real("q0", q0)
    if q0 <= 0:
        raise ArgumentError(f"q0 must be above zero, got {q0:g}")
    at = stationary(phi, sigma_w, sigma_b, q0)
    terms = {name: value / width for name, value in at.terms.items()}
    rate = max(abs(at.chi_par), at.chi_par**2 / at.chi_1, 1e-3)
    # Growth differs from its limit by these to the power of the depth, times the depth squared; a
    # scale-invariant network has no memory of K.
    depth = 3 if phi.slopes else ceil(26 / -log(rate)) + 5 if rate < 1 else _DEEPEST + 1
    second = annealed_second = nan
    if depth <= _DEEPEST:
        deep = finite_width(phi, sigma_w, sigma_b, width, depth, q0=at.metric)
        second = float(np.diff(deep.second["log_tangent"])[-1])
        annealed_second = float(np.diff(deep.second["tangent"])[-1])
    first, flags = sum(terms.values()), []
    spread = 0.0 if phi.slopes else at.variance / width / at.metric**2
    if spread > SPREAD_LIMIT:
        flags.append(f"not to be trusted: Var K / K^2 = {spread:.2g} at the fixed point")
    if np.isnan(second):
        flags.append(f"order 1/n^2 not computed: the metric remembers more than {_DEEPEST} layers")
    elif abs(second) > RATIO_LIMIT * abs(first):
        flags.append(f"not to be trusted: order 1/n^2 over 1/n is {second / first:+.2g}")
    if np.isnan(at.limit):
        flags.append("the metric has no limit; growth of a scale-invariant network needs none")
    return QuenchedExponent(
        phi.name,
        sigma_w,
        sigma_b,
        width,
        at.limit,
        at.chi_1,
        at.chi_par,
        at.ratio,
        log(at.chi_1),
        terms,
        second,
        first + at.growth_variance / width / 2,
        annealed_second,
        at.growth_variance / width,
        exact_log_growth(phi, sigma_w, width),
        at.error,
        "; ".join(flags),
    )


def exact_log_growth(
    activation: str | Activation | Callable[[Array], Array], sigma_w: float, width: int
) -> float:
    r"""Return E[ln D] a layer of a linear or ReLU network of any width; NaN for all others.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_w : float, dimensionless
    width : int

    Raises
    ------
    ArgumentError
        If an argument is out of range.

    Notes
    -----
    Linear: :math:`D' / D = \sigma_w^2 \chi^2_n / n`. ReLU: :math:`\sigma_w^2 \chi^2_m / n` with m
    active neurons, binomial of n and 1/2; the mean is that given m >= 1, as a layer with none,
    probability 2^-n, has ln D = -infinity.

    Examples
    --------
    >>> print(f"{exact_log_growth('linear', 1, 2):.8f}, {exact_log_growth('relu', 2**0.5, 64):.8f}")
    -0.57721566, -0.04010860
    """
    from scipy.special import digamma
    from scipy.stats import binom

    phi = as_activation(activation)
    sigma_w, _, n = checked_arguments(sigma_w, 0.0, width)
    if not phi.slopes or (abs(phi.slopes[0]) != abs(phi.slopes[1]) and min(phi.slopes) != 0):
        return nan
    slope = max(abs(s) for s in phi.slopes)
    if min(abs(s) for s in phi.slopes) > 0:
        active, weight = np.array([float(n)]), np.ones(1)
    else:
        # Beyond twelve standard deviations nothing is left of the weight.
        reach = 6 * n**0.5
        active = np.arange(max(1.0, n // 2 - ceil(reach)), min(n, n // 2 + ceil(reach)) + 1)
        weight = binom.pmf(active, n, 0.5)
        weight /= weight.sum()
    growth = digamma(active / 2) + log(2 * (sigma_w * slope) ** 2 / n)
    return float(weight @ growth)


def checked_arguments(sigma_w: float, sigma_b: float, width: int) -> tuple[float, float, int]:
    """Return the three as numbers.

    Raises
    ------
    ArgumentError
        If one is out of range.
    """
    sigma_w, sigma_b = as_real("sigma_w", sigma_w), as_real("sigma_b", sigma_b)
    if sigma_w <= 0 or sigma_b < 0:
        raise ArgumentError(
            f"sigma_w > 0 and sigma_b >= 0 are needed, got {sigma_w:g} and {sigma_b:g}"
        )
    return sigma_w, sigma_b, as_count("width", width, 2, 1 << 31)
