"""The line of uniformity: where post-activations are spread most evenly over their range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.activation_functions import Activation, Function, as_activation
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats._arrays import real_array
from nnrg.stats.estimate import format_value_error
from nnrg.theory._roots import bracketed_roots
from nnrg.theory.criticality._critical_points import line_at
from nnrg.theory.gaussian_averages import gaussian_average, selected_moments

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["UniformityLine", "uniformity_line"]

Array = npt.NDArray[np.float64]

_LOWEST, _HIGHEST, _POINTS = 1e-3, 1e3, 97
_LARGEST = 1e50
# phi' by differences is noise below; where it is less, its logarithm is not known.
_SMALLEST = 1e-6
# Probability that may lie where it is not known.
_UNKNOWN = 1e-9


@dataclass(frozen=True, slots=True)
class UniformityLine:
    """Where the entropy of a post-activation is largest, and where that crosses the edge of chaos.

    Attributes
    ----------
    activation : str
    q, q_error : float
        Variance of the preactivation with the largest entropy of phi(z).
    entropy, entropy_error : float, nats
        Differential entropy of phi(z) there.
    kl, kl_error : float, nats
        Its distance from the uniform law on the range of phi.
    sigma_w, sigma_b, sigma_b_error : ndarray
        Networks with that fixed point, sigma_b^2 = q - sigma_w^2 <phi^2>; NaN beyond its end.
    crossing : (float, float)
        sigma_w and sigma_b where chi_1 = 1 on this line; NaN if nowhere.
    crossing_error : (float, float)
    """

    activation: str
    q: float
    q_error: float
    entropy: float
    entropy_error: float
    kl: float
    kl_error: float
    sigma_w: Array
    sigma_b: Array
    sigma_b_error: Array
    crossing: tuple[float, float]
    crossing_error: tuple[float, float]

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table with a row for each point."""
        import pandas as pd

        names = ("sigma_w", "sigma_b", "sigma_b_error")
        return pd.DataFrame({name: getattr(self, name) for name in names})

    def __str__(self) -> str:
        (w, b), (dw, db) = self.crossing, self.crossing_error
        crossing = (
            f"sigma_w = {format_value_error(w, dw)}, sigma_b = {format_value_error(b, db)}"
            if np.isfinite(b)
            else "nowhere"
        )
        return "\n".join(
            [
                f"line of uniformity of {self.activation}: q = "
                f"{format_value_error(self.q, self.q_error)}, sigma_b^2 = q - sigma_w^2 <phi^2>",
                f"  entropy {format_value_error(self.entropy, self.entropy_error)} nats, "
                f"{format_value_error(self.kl, self.kl_error)} below that of the uniform law",
                f"  meets the edge of chaos at {crossing}",
            ]
        )


def uniformity_line(
    activation: str | Activation | Function, *, sigma_w: npt.ArrayLike | None = None
) -> UniformityLine:
    """Return the line on which post-activations are closest to uniform.

    Parameters
    ----------
    activation : str, Activation or callable
        Increasing and bounded.
    sigma_w : array_like, optional
        Where to give sigma_b; 50 points up to the end of the line by default.

    Raises
    ------
    ArgumentError
        If sigma_w is not finite and positive.
    AnalysisError
        If phi does not increase everywhere, so that phi(z) has no density with this entropy, or its
        entropy has no maximum: that of an unbounded phi grows with q.

    Notes
    -----
    H(q) = ln(2 pi e q) / 2 + <ln phi'(z)>, z ~ N(0, q), is largest where <z phi''/phi'> = -1: tanh
    2 q <sech^2 z> = 1, erf q = 1/2. P. Bukva et al., arXiv:2304.04784, have the idea; these numbers
    are derived here.

    Examples
    --------
    >>> from nnrg.theory.criticality.uniformity import uniformity_line
    >>> line = uniformity_line("tanh")
    >>> round(line.q, 9), round(line.kl, 7), [round(s**2, 9) for s in line.crossing]
    (0.764576007, 0.0095116, [1.948664194, 0.090254832])
    """
    phi = as_activation(activation)
    width = _range(phi)
    q, q_error = _maximum(phi)
    entropy, entropy_error = _entropy(phi, q)
    m, errors = selected_moments(phi, np.array([q]), ("square", "first", "slope_square"))
    square, square_error = float(m["square"][0]), float(errors["square"][0])
    if sigma_w is None:
        w = np.linspace(0, np.sqrt(q / square), 50)
    else:
        w = np.atleast_1d(real_array("sigma_w", sigma_w))
        if not w.size or not ((w >= 0) & (w <= _LARGEST)).all():
            raise ArgumentError(
                f"sigma_w must be at least zero, and at most {_LARGEST:g}, got {shown(sigma_w)}"
            )
    b2 = q - w**2 * square
    b2_error = q_error * np.abs(1 - w**2 * float(m["first"][0])) + w**2 * square_error + 4e-16 * q
    with np.errstate(divide="ignore", invalid="ignore"):
        b = np.where(b2 >= -b2_error, np.sqrt(np.maximum(b2, 0)), np.nan)
        b_error = np.fmin(b2_error / (2 * b), np.sqrt(b2_error))
    for array in (w, b, b_error):
        array.flags.writeable = False
    crossing, crossing_error = _crossing(phi, q, q_error)
    return UniformityLine(
        activation=str(phi),
        q=q,
        q_error=q_error,
        entropy=entropy,
        entropy_error=entropy_error,
        kl=float(np.log(width)) - entropy,
        kl_error=entropy_error + 4e-16,
        sigma_w=w,
        sigma_b=b,
        sigma_b_error=b_error,
        crossing=crossing,
        crossing_error=crossing_error,
    )


def _range(phi: Activation) -> float:
    """Return the width of the range of phi, or say why there is no such line."""
    z = np.linspace(-8, 8, 4001)
    slope = phi.derivative(z)
    if phi.kinks or (slope < -1e3 * phi.accuracy[0]).any() or not (slope > 0)[1600:2400].all():
        raise AnalysisError(
            f"{phi} must increase smoothly for phi(z) to have the entropy of a density; try tanh, "
            "erf or sigmoid"
        )
    ends = phi.function(np.array([-1e6, -1e3, 1e3, 1e6]))
    width = ends[3] - ends[0]
    if not abs(width - (ends[2] - ends[1])) <= 1e-2 * width:
        raise AnalysisError(
            f"{phi} must be bounded: otherwise the entropy of phi(z) grows with its variance; try "
            "tanh, erf or sigmoid"
        )
    return float(width)


def _known(phi: Activation, slope: Array) -> npt.NDArray[np.bool_]:
    return np.asarray(slope > (_SMALLEST if any(phi.accuracy) else 1e-290))


def _condition(phi: Activation, q: Array) -> tuple[Array, Array]:
    """Return 1 + <z phi''/phi'>, which falls through zero at the maximum, and its error."""

    def functions(z: Array) -> Array:
        slope, bend = phi.first(z), phi.second(z)
        known = _known(phi, slope)
        ratio = z * bend / np.where(known, slope, 1.0)
        return np.stack([np.where(known, ratio, 0.0), np.where(known, 0.0, 1.0)])

    tolerance = 1e-8 if any(phi.accuracy) else 1e-12
    (value, unknown), (error, _) = gaussian_average(functions, q, tolerance=tolerance)
    return 1 + value, error + np.where(unknown > _UNKNOWN, np.inf, 30 * unknown)


def _maximum(phi: Activation) -> tuple[float, float]:
    grid = np.logspace(np.log10(_LOWEST), np.log10(_HIGHEST), _POINTS)
    value, error = _condition(phi, grid)
    value = np.where(np.isfinite(error), value, np.nan)
    place = np.flatnonzero((value[:-1] > 0) & (value[1:] < 0))
    if not len(place):
        raise AnalysisError(
            f"the entropy of {phi}(z) has no maximum for variances from {_LOWEST:g} to {_HIGHEST:g}"
        )
    x = np.log(grid)
    at = slice(place[0], place[0] + 1)
    root = bracketed_roots(
        lambda y: _condition(phi, np.exp(y))[0], x[at], x[at.start + 1 : at.stop + 1]
    )
    q = float(np.exp(root[0]))
    ends, residual = _condition(phi, q * np.array([1 - 1e-4, 1.0, 1 + 1e-4]))
    tilt = abs(ends[2] - ends[0]) / (2e-4 * q)
    slack = 1e-8 if any(phi.accuracy) else 0.0
    return q, float((residual[1] + slack) / tilt + 1e-15 * q)


def _entropy(phi: Activation, q: float) -> tuple[float, float]:
    def logarithm(z: Array) -> Array:
        slope = phi.first(z)
        return np.where(_known(phi, slope), np.log(np.maximum(slope, 1e-300)), 0.0)

    value, error = gaussian_average(logarithm, q, tolerance=1e-8 if any(phi.accuracy) else 1e-12)
    return float(np.log(2 * np.pi * np.e * q) / 2 + value), float(error)


def _crossing(
    phi: Activation, q: float, q_error: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    w2, b2, w2_error, b2_error = line_at(phi, q * np.array([1.0, 1 - 1e-4, 1 + 1e-4]))
    if b2[0] < 0:
        return (np.nan, np.nan), (np.nan, np.nan)
    w, b = float(np.sqrt(w2[0])), float(np.sqrt(b2[0]))
    dw, db = (
        error[0] + abs(x[2] - x[1]) / (2e-4 * q) * q_error
        for x, error in ((w2, w2_error), (b2, b2_error))
    )
    return (w, b), (float(dw) / (2 * w), float(min(db / (2 * b), np.sqrt(db))) if b else 0.0)
