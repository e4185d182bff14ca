"""Corrections in 1/width to the metric of a deep network and to the growth of a tangent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real
from nnrg.activation_functions import Activation, as_activation
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.tangents import as_widths
from nnrg.stats._arrays import frozen
from nnrg.theory.loops._layer import tangent_layer
from nnrg.theory.loops._system_size import LayerLaw, Moments, next_moments
from nnrg.theory.loops.expansion import QUANTITIES, FiniteWidth

__all__ = ["DEEPEST", "TOO_DEEP", "finite_width"]

Array = npt.NDArray[np.float64]

# Sixth powers of the field must be double precision.
_SMALLEST, _LARGEST = 1e-40, 1e40
# Layers that take two seconds.
DEEPEST = 1 << 14
TOO_DEEP = "the expansion is in depth over width"
# Layers before the last whose law is kept.
_REMEMBERED = 3


def finite_width(
    activation: str | Activation | Callable[[Array], Array],
    sigma_w: float,
    sigma_b: float,
    width: int | list[int] | tuple[int, ...],
    depth: int,
    *,
    q0: float | None = None,
    input_square: float = 1.0,
    alignment: float = 0.0,
    order: int = 2,
) -> FiniteWidth:
    r"""Return the corrections in 1/n to metric, kurtosis and tangent growth of a deep network.

    Parameters
    ----------
    activation : str, Activation or callable
        See `nnrg.activation_functions.as_activation`.
    sigma_w, sigma_b : float, dimensionless
        W_ij ~ N(0, sigma_w^2 / fan_in), b_i ~ N(0, sigma_b^2).
    width : int or sequence of int, length depth
        Neurons n_t of each layer, at least 2.
    depth : int
        Layers T of preactivations; the last is the output.
    q0 : float, dimensionless, optional
        K of the first layer. By default sigma_w^2 input_square + sigma_b^2.
    input_square : float, dimensionless
        |x|^2 / d of the input.
    alignment : float, dimensionless
        Correlation of z and v in the first layer, -1 .. 1.
    order : {1, 2}
        Highest order of 1/n.

    Returns
    -------
    FiniteWidth

    Raises
    ------
    ArgumentError
        If an argument is out of range.
    AnalysisError
        If K leaves 1e-40 .. 1e40: it diverges, or the signal dies.

    Notes
    -----
    K of the first layer is given by the input alone: no fluctuation. Each next one is an average
    over n_t independent neurons, with mean h(K) = g(K) + sigma_b^2, g = sigma_w^2 <phi^2>_K, and
    variance sigma_w^4 (<phi^4> - <phi^2>^2) / n_t. To first order, :math:`\hat K = K + K_1 +
    \delta` with

    .. math:: V_{t+1} = g'^2 V_t + \sigma_w^4 [\langle \phi^4 \rangle - \langle \phi^2 \rangle^2]
              / n_t, \qquad K_{1,t+1} = g' K_{1,t} + \tfrac12 g'' V_t ,

    the excess kurtosis of an output is 3 V / K^2, and for a tangent vector v, whose norm D has the
    conditional mean :math:`\chi_1(K) D + 2 C^2 \chi_1'(K)`, the mean of ln D grows in each layer by

    .. math:: \ln \chi_1 - \frac{3r - 1}{2n} + (\ln \chi_1)' K_1 + \tfrac12 (\ln \chi_1)'' V
              + \frac{2 K \chi_1'}{\chi_1} E[\rho^2], \qquad
              r = \frac{\langle \phi'^4 \rangle}{\langle \phi'^2 \rangle^2},

    with :math:`\rho^2 = C^2 / (K D)` driven by :math:`\rho^2_{t+1} = \chi_\parallel^2 K_t \rho_t^2
    / (\chi_1 K_{t+1}) + \sigma_w^4 \langle \phi^2 \phi'^2 \rangle / (n \chi_1 K_{t+1})` (if
    alignment is zero). Computed is the expansion of the joint Markov chain of (K, C, D) to the
    second order, all moments up to the fourth, of which these are the first order (B. Hanin,
    arXiv:2204.01058, and K. Grosvenor and R. Jefferson, arXiv:2109.13247, treat the first). What is
    printed as ln D is relative to D of the first layer. Averages by adaptive quadrature; no
    derivative of phi beyond the first is taken.

    Examples
    --------
    A deep linear network: E[K^2] / E[K]^2 = (1 + 2/n)^(T - 1).

    >>> loops = finite_width("linear", 1, 0, 100, 6)
    >>> float(loops.first["variance"][-1].round(9)), float(loops.second["variance"][-1].round(9))
    (0.1, 0.004)
    """
    phi = as_activation(activation)
    sigma_w, sigma_b = as_real("sigma_w", sigma_w), as_real("sigma_b", sigma_b)
    alignment, square = as_real("alignment", alignment), as_real("input_square", input_square)
    depth = as_count("depth", depth, 1, DEEPEST, hint=TOO_DEEP)
    order = as_count("order", order, 1, 2)
    widths = as_widths(width, depth)
    if sigma_w <= 0 or sigma_b < 0 or square < 0 or not -1 <= alignment <= 1:
        raise ArgumentError(
            "sigma_w > 0, sigma_b >= 0, input_square >= 0 and alignment in -1 .. 1 are needed, got "
            f"{sigma_w:g}, {sigma_b:g}, {square:g} and {alignment:g}"
        )
    if max(sigma_w, sigma_b, square) > _LARGEST:
        raise ArgumentError(
            f"sigma_w, sigma_b and input_square must be at most {_LARGEST:g}, got {sigma_w:g}, "
            f"{sigma_b:g} and {square:g}"
        )
    k = sigma_w**2 * square + sigma_b**2 if q0 is None else as_real("q0", q0)
    if k <= 0:
        raise ArgumentError(f"K of the first layer must be above zero, got {k:g}; give an input")
    c, log_d, worst = alignment * np.sqrt(k), 0.0, 0.0
    at = Moments.zero()
    rows = []
    laws: dict[tuple[float, float], tuple[LayerLaw, float]] = {}
    for t in range(depth):
        if not _SMALLEST < k < _LARGEST:
            raise AnalysisError(
                f"K = {k:.3g} in layer {t + 1} of {phi.name} leaves {_SMALLEST:g} .. {_LARGEST:g}: "
                f"the signal {'dies' if k < 1 else 'diverges'} at sigma_w = {sigma_w:g}"
            )
        rows.append((*_terms(k, log_d, at), (c * c + 2 * c * at.first[1] + at.second[1, 1]) / k))
        if t == depth - 1:
            break
        if (k, c) not in laws:
            laws[k, c] = tangent_layer(phi, sigma_w, sigma_b, k, c, order)
        law, error = laws[k, c]
        # At its fixed point K alternates between neighbouring numbers, if it moves at all.
        laws = {(k, c): laws[k, c], **dict(list(laws.items())[:_REMEMBERED])}
        worst = max(worst, error)
        at = next_moments(law, at, widths[t])
        k, c, growth = law.h[0]
        if not np.isfinite((k, growth)).all():
            raise AnalysisError(
                f"averages of {phi.name} and its slope are beyond double precision in layer "
                f"{t + 1}: the signal diverges at sigma_w = {sigma_w:g}"
            )
        if not growth > 0:
            raise AnalysisError(f"{phi.name} has slope zero throughout layer {t + 1}")
        # D is kept at 1: v has no scale.
        at = at.scaled(np.array([1.0, growth**-0.5, 1 / growth]))
        c, log_d = c / np.sqrt(growth), log_d + np.log(growth)
    leading, first, second = (
        {name: frozen([row[i][name] for row in rows]) for name in QUANTITIES} for i in range(3)
    )
    if order == 1:
        second = {name: frozen(np.full(depth, np.nan)) for name in QUANTITIES}
    return FiniteWidth(
        phi.name,
        sigma_w,
        sigma_b,
        widths,
        order,
        leading,
        first,
        second,
        frozen([row[3] for row in rows]),
        worst,
    )


def _terms(
    k: float, log_d: float, at: Moments
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return leading, first and second order of all quantities from the moments of (K, C, D)."""
    shift, shift_2 = at.first[0], at.first_2[0]
    v, v_2 = at.second[0, 0], at.second_2[0, 0] - shift**2
    # Of ln(1 + x), x = D / <D> - 1, to the fourth power.
    x, x_2 = at.first[2], at.first_2[2]
    xx, xx_2, xxx, xxxx = (
        at.second[2, 2],
        at.second_2[2, 2],
        at.third[2, 2, 2],
        at.fourth[2, 2, 2, 2],
    )
    log, log_2 = x - xx / 2, x_2 - xx_2 / 2 + xxx / 3 - xxxx / 4
    leading = dict.fromkeys(QUANTITIES, 0.0) | {
        "metric": k,
        "log_tangent": log_d,
        "tangent": log_d,
    }
    first = {
        "metric": shift,
        "variance": v,
        "kurtosis": 3 * v / k**2,
        "log_tangent": log,
        "log_tangent_variance": xx,
        "tangent": x,
    }
    second = {
        "metric": shift_2,
        "variance": v_2,
        "kurtosis": 3 * (v_2 - 2 * v * shift / k) / k**2,
        "log_tangent": log_2,
        "log_tangent_variance": xx_2 - xxx + 11 / 12 * xxxx - log**2,
        "tangent": x_2 - x**2 / 2,
    }
    return leading, first, second
