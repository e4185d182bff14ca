"""Corrections in 1/width to the Gram matrix of two inputs: its mean and its fluctuations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real
from nnrg.activation_functions import Activation, as_activation
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.tangents import as_widths
from nnrg.stats._arrays import real_array
from nnrg.theory.loops._pair_layer import pair_layer
from nnrg.theory.loops._system_size import Moments, next_moments
from nnrg.theory.loops.expansion import SPREAD_LIMIT
from nnrg.theory.loops.recursion import TOO_DEEP

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DEEPEST_PAIR", "ENTRIES", "TwoInputFiniteWidth", "two_input_finite_width"]

Array = npt.NDArray[np.float64]

ENTRIES = ("K_aa", "K_ab", "K_bb")
"""Entries of the Gram matrix, in the order of the last axes of `TwoInputFiniteWidth`."""

# The derivatives of order k divide the rounding by the k-th power of 1 - c^2.
_DISTINCT = {1: 1e-5, 2: 1e-3}
# Spread of K at which smooth functions still take less than a second a layer.
_LARGEST = 400.0
DEEPEST_PAIR, _STRONGEST = 1 << 10, 1e40
_ROUNDING = 1e-15


@dataclass(frozen=True, slots=True)
class TwoInputFiniteWidth:
    """Expansion in 1/n of the Gram matrix of two inputs, layer by layer.

    Attributes
    ----------
    activation : str
    sigma_w, sigma_b : float
    widths : tuple of int
    order : int
        Orders of 1/n computed, 1 or 2.
    leading, first, second : ndarray of shape (depth, 3)
        Mean of K_aa, K_ab, K_bb at infinite width and its terms of order 1/n and 1/n^2.
    covariance_first, covariance_second : ndarray of shape (depth, 3, 3)
        Covariance of the three, orders 1/n and 1/n^2. NaN where not computed.
    error : float
        Difference of two quadratures, relative.
    assumptions : tuple of str
    """

    activation: str
    sigma_w: float
    sigma_b: float
    widths: tuple[int, ...]
    order: int
    leading: Array
    first: Array
    second: Array
    covariance_first: Array
    covariance_second: Array
    error: float
    assumptions: tuple[str, ...] = (
        "Gaussian weights and biases, independent in each layer",
        "expansion in 1/n at fixed depth: it fails where T/n is not small",
    )

    @property
    def depth(self) -> int:
        """Layers T."""
        return len(self.widths)

    @property
    def mean(self) -> Array:
        """Mean of the Gram matrix to the order computed, shape (depth, 3)."""
        return self.leading + self.first + (self.second if self.order > 1 else 0.0)

    @property
    def covariance(self) -> Array:
        """Covariance of its entries to the order computed, shape (depth, 3, 3)."""
        return self.covariance_first + (self.covariance_second if self.order > 1 else 0.0)

    @property
    def cosine(self) -> Array:
        """K_ab / sqrt(K_aa K_bb) at infinite width and the 1/n shift of its mean: (depth, 2)."""
        aa, ab, bb = self.leading.T
        norm = np.sqrt(aa * bb)
        c = ab / norm
        unit = np.stack([aa, norm, bb], axis=1)
        x = self.first / unit
        xx = self.covariance_first / (unit[:, :, None] * unit[:, None, :])
        shift = x[:, 1] - c / 2 * (x[:, 0] + x[:, 2]) - (xx[:, 0, 1] + xx[:, 1, 2]) / 2
        shift += c * (xx[:, 0, 2] / 4 + 3 / 8 * (xx[:, 0, 0] + xx[:, 2, 2]))
        return np.stack([c, shift], axis=1)

    @property
    def four_point(self) -> Array:
        """Connected <z_a z_a z_b z_b> of one neuron and of two, (depth, 2).

        One neuron: Cov(K_aa, K_bb) + 2 Var K_ab; pairs of two neurons: Cov(K_aa, K_bb).
        """
        covariance = self.covariance
        across = covariance[:, 0, 2]
        return np.stack([across + 2 * covariance[:, 1, 1], across], axis=1)

    @property
    def flag(self) -> str:
        """From which layer on the expansion is not to be trusted; empty if everywhere."""
        scale = self.leading[:, [0, 2]] ** 2
        spread = (self.covariance_first[:, [0, 2], [0, 2]] / scale).max(axis=1)
        bad = spread > SPREAD_LIMIT
        if not bad.any():
            return ""
        at = int(np.argmax(bad))
        return f"not to be trusted from layer {at + 1} on: Var K / K^2 = {spread[at]:.2g}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each layer and entry.

        Columns ``layer, width, entry, leading, first, second, variance_first, variance_second``.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "layer": t + 1,
                "width": self.widths[t],
                "entry": name,
                "leading": self.leading[t, i],
                "first": self.first[t, i],
                "second": self.second[t, i],
                "variance_first": self.covariance_first[t, i, i],
                "variance_second": self.covariance_second[t, i, i],
            }
            for t in range(self.depth)
            for i, name in enumerate(ENTRIES)
        )

    def __str__(self) -> str:
        lines = [
            f"{self.activation}, sigma_w={self.sigma_w:g}, sigma_b={self.sigma_b:g}, two inputs, "
            f"layer T={self.depth}: orders of 1/n",
            f"{'':>6}{'infinite':>12}{'1/n':>13}{'1/n^2':>13}{'Var, 1/n':>13}{'1/n^2':>13}",
        ]
        for i, name in enumerate(ENTRIES):
            mean = [self.leading[-1, i], self.first[-1, i], self.second[-1, i]]
            spread = [self.covariance_first[-1, i, i], self.covariance_second[-1, i, i]]
            numbers = "".join(f"{x:>+13.5g}" for x in (*mean[1:], *spread))
            lines.append(f"{name:>6}{mean[0]:>12.6g}{numbers}")
        c, shift = self.cosine[-1]
        lines.append(f"cosine {c:.6g}, its mean {shift:+.3g} at order 1/n")
        lines.append(f"relative error of the averages {self.error:.1g}")
        return "\n".join([*lines, *([self.flag] if self.flag else [])])


def two_input_finite_width(
    activation: str | Activation | Callable[[Array], Array],
    sigma_w: float,
    sigma_b: float,
    width: int | list[int] | tuple[int, ...],
    depth: int,
    *,
    gram: npt.ArrayLike = (1.0, 0.5, 1.0),
    order: int = 2,
) -> TwoInputFiniteWidth:
    r"""Return mean and covariance of the Gram matrix of two inputs, expanded in 1/n.

    Parameters
    ----------
    activation : str, Activation or callable
        Without kinks other than at zero.
    sigma_w, sigma_b : float, dimensionless
        W_ij ~ N(0, sigma_w^2 / fan_in), b_i ~ N(0, sigma_b^2).
    width : int or sequence of int, length depth
        Neurons of each layer, at least 2.
    depth : int
        Layers T of preactivations.
    gram : array_like of shape (3,), dimensionless
        K_aa, K_ab, K_bb of the first layer: sigma_w^2 x_a . x_b / d + sigma_b^2.
    order : {1, 2}
        Highest order of 1/n.

    Returns
    -------
    TwoInputFiniteWidth

    Raises
    ------
    ArgumentError
        If an argument is out of range, or an activation has kinks elsewhere.
    AnalysisError
        If the inputs become indistinguishable, or K leaves 1e-40 .. 400 (scale-invariant
        activations: 1e40).

    Notes
    -----
    Given the Gram matrix K of a layer, pairs (z_a, z_b) are independent over neurons and Gaussian,
    and each entry of the next is an average over n of them of :math:`\sigma_w^2 \phi_p \phi_q`. To
    first order, with J and H the first and second derivatives of their mean,

    .. math:: \Sigma' = J \Sigma J^T + \tfrac1n \sigma_w^4 \mathrm{Cov}(\phi_p \phi_q, \phi_r
              \phi_s), \qquad \Delta' = J \Delta + \tfrac12 H : \Sigma .

    The second order uses derivatives to the fourth order, all as averages with Hermite polynomials.
    Where the cosine tends to 1 use the tangent of `finite_width` instead.

    Examples
    --------
    >>> pair = two_input_finite_width("linear", 1, 0, 50, 2, gram=(1, 0.5, 1))
    >>> pair.covariance_first[-1].round(9).tolist()  # (K_pr K_qs + K_ps K_qr) / n
    [[0.04, 0.02, 0.01], [0.02, 0.025, 0.02], [0.01, 0.02, 0.04]]
    """
    phi = as_activation(activation)
    sigma_w, sigma_b = as_real("sigma_w", sigma_w), as_real("sigma_b", sigma_b)
    depth = as_count("depth", depth, 1, DEEPEST_PAIR, hint=TOO_DEEP)
    order = as_count("order", order, 1, 2)
    widths = as_widths(width, depth)
    if not 1 / _STRONGEST <= sigma_w <= _STRONGEST or not 0 <= sigma_b <= _STRONGEST:
        raise ArgumentError(
            f"sigma_w > 0 and sigma_b >= 0 of at most {_STRONGEST:g} are needed, got {sigma_w:g} "
            f"and {sigma_b:g}"
        )
    if any(k != 0 for k in phi.kinks):
        raise ArgumentError(f"two inputs need kinks at zero only, {phi.name} has {phi.kinks}")
    k = real_array("gram", gram)
    if k.shape != (3,) or not np.isfinite(k).all() or not (k[0] * k[2] > k[1] ** 2 and k[0] > 0):
        raise ArgumentError(
            f"gram must be (K_aa, K_ab, K_bb) with K_aa K_bb > K_ab^2, got {k.tolist()}"
        )
    at, worst = Moments.zero(), 0.0
    rows, here = [], np.zeros(3)
    for t in range(depth):
        _check(phi, k, t, order)
        shift = np.outer(at.first, at.first)
        rows.append((k, at.first, at.first_2, at.second, at.second_2 - shift))
        if t < depth - 1:
            if np.abs(k - here).max() > _ROUNDING * k.max():  # at a fixed point it stays
                here = k
                law, error = pair_layer(phi, sigma_w, sigma_b, k, order)
                worst = max(worst, error)
            at = next_moments(law, at, widths[t])
            k = law.h[0]
    leading, first, second, spread, spread_2 = (np.stack(part) for part in zip(*rows, strict=True))
    if order == 1:
        second, spread_2 = np.full_like(second, np.nan), np.full_like(spread_2, np.nan)
    for array in (leading, first, second, spread, spread_2):
        array.flags.writeable = False
    return TwoInputFiniteWidth(
        phi.name,
        sigma_w,
        sigma_b,
        widths,
        order,
        leading,
        first,
        second,
        spread,
        spread_2,
        worst,
    )


def _check(phi: Activation, k: Array, t: int, order: int) -> None:
    distinct = 1 - k[1] ** 2 / (k[0] * k[2])
    if distinct < _DISTINCT[order]:
        raise AnalysisError(
            f"inputs are indistinguishable in layer {t + 1}: 1 - c^2 = {distinct:.1g} is below "
            f"{_DISTINCT[order]:g}; take fewer layers, order=1, or the tangent of finite_width"
        )
    top = 1e40 if phi.slopes else _LARGEST
    if not 1e-40 < min(k[0], k[2]) <= max(k[0], k[2]) < top:
        raise AnalysisError(
            f"K = {max(k[0], k[2]):.3g} in layer {t + 1} of {phi.name} leaves 1e-40 .. {top:g}; "
            "take a smaller input or fewer layers"
        )
