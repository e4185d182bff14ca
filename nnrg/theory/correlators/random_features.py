"""Cos-net and Gauss-net: every correlator in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from nnrg.theory.correlators.independent import IndependentNeurons, linear_preactivations

__all__ = ["CosNet", "GaussNet"]

Floats = npt.NDArray[np.float64]
Tuples = npt.NDArray[np.intp]

_ROUNDING = 4e-16


@dataclass(frozen=True, kw_only=True)
class CosNet(IndependentNeurons):
    r"""Cos-net: :math:`h = v \cos(w \cdot x + c)` with a uniform phase.

    Parameters
    ----------
    width : int
        Neurons N, at least two.
    sigma_w : float
        The hidden weights have variance sigma_w^2 / d, in the inverse unit of the input squared.
    output_sigma_w, output_sigma_b : float
        As for `IndependentNeurons`.

    Raises
    ------
    ArgumentError
        If the width is below two or a deviation negative.

    Notes
    -----
    With :math:`E(y) = e^{-\sigma_w^2 |y|^2 / 2d}`,

    .. math:: \langle \textstyle\prod_a f(x_a) \rangle = 2^{-r} \sum_{s: \sum s = 0}
              E\big(\textstyle\sum_a s_a x_a\big)

    over signs s of which half are negative: 6 terms for four points, 20 for six. So
    :math:`G = \frac12 \sigma^2 E(x - y)`, and
    :math:`G_c^{(4)} = \frac{\sigma^4}{8N} \sum_{3} [3 E(x_a + x_b - x_c - x_d) - 2 E(x_a - x_b)
    E(x_c - x_d)]` over the pairings (ab|cd), :math:`3 \sigma^4 / 8N` where all points coincide.
    Invariant under translations of the input; at finite N it does not obey cluster decomposition
    (`cluster_test`).

    Examples
    --------
    >>> from nnrg.theory.correlators import CosNet
    >>> net = CosNet(width=10)
    >>> print(round(float(net.cumulant4([0.3, 0.3, 0.3, 0.3])), 6))
    0.0375
    """

    sigma_w: float = 1.0

    @property
    def name(self) -> str:
        """What the network is called in tables."""
        return f"Cos-net (sigma_w = {self.sigma_w:g}, output {self.output_sigma_w:g})"

    def products_of(self, points: Floats, tuples: Tuples) -> tuple[Floats, Floats, str]:
        """Return values, errors (m,) and the method of averages of products of f."""
        order, dimension = tuples.shape[1], points.shape[1]
        at = points[tuples]
        total = np.zeros(len(tuples))
        # Opposite signs give the same: the first point has a plus.
        for plus in combinations(range(1, order), order // 2 - 1):
            signs = -np.ones(order)
            signs[[0, *plus]] = 1.0
            y = np.einsum("a,mad->md", signs, at)
            total += np.exp(-(self.sigma_w**2) * np.einsum("md,md->m", y, y) / (2 * dimension))
        size = self.sigma_w * np.abs(at).sum(axis=(1, 2)) / dimension**0.5
        return total / 2 ** (order - 1), _ROUNDING * (1 + size), "closed form"

    def draw_hidden(
        self, inputs: Floats, shape: tuple[int, ...], rng: np.random.Generator
    ) -> Floats:
        """Draw f(x) of independent neurons, shape (*shape, k)."""
        phase = rng.uniform(-np.pi, np.pi, (*shape, 1))
        return np.asarray(np.cos(linear_preactivations(inputs, shape, self.sigma_w, rng) + phase))


@dataclass(frozen=True, kw_only=True)
class GaussNet(IndependentNeurons):
    r"""Gauss-net: :math:`h = v e^{w \cdot x + c} / \sqrt{e^{2\sigma_b^2 + 2\sigma_w^2 x^2/d}}`.

    Parameters
    ----------
    width : int
        Neurons N, at least two.
    sigma_w : float
        The hidden weights have variance sigma_w^2 / d, in the inverse unit of the input squared.
    sigma_b : float
        Standard deviation of the hidden bias c, dimensionless.
    output_sigma_w, output_sigma_b : float
        As for `IndependentNeurons`.

    Raises
    ------
    ArgumentError
        If the width is below two or a deviation negative.

    Notes
    -----
    The average of the exponential of a normal variable gives, for r points,

    .. math:: \langle \textstyle\prod_a f(x_a) \rangle = e^{r (r - 2) \sigma_b^2 / 2}
              \exp\big[-\tfrac{\sigma_w^2}{2d} (\textstyle\sum_a x_a^2 - 2 \sum_{a<b} x_a \cdot x_b)
              \big] ,

    for two points :math:`e^{-\sigma_w^2 |x - y|^2 / 2d}`, invariant under translations; for more
    it is not. Excess kurtosis :math:`\frac3N (e^{4\sigma_b^2 + 4\sigma_w^2 x^2 / d} - 1)`.

    Examples
    --------
    >>> from nnrg.theory.correlators import GaussNet
    >>> net = GaussNet(width=100, sigma_b=0.5)
    >>> print(*(round(float(k), 4) for k in net.excess_kurtosis([0.0, 0.5])))
    0.0515 0.1917
    """

    sigma_w: float = 1.0
    sigma_b: float = 1.0

    @property
    def name(self) -> str:
        """What the network is called in tables."""
        return (
            f"Gauss-net (sigma_w = {self.sigma_w:g}, sigma_b = {self.sigma_b:g}, "
            f"output {self.output_sigma_w:g})"
        )

    def products_of(self, points: Floats, tuples: Tuples) -> tuple[Floats, Floats, str]:
        """Return values, errors (m,) and the method of averages of products of f."""
        order, dimension = tuples.shape[1], points.shape[1]
        at = points[tuples]
        together = (at.sum(axis=1) ** 2).sum(axis=1) - 2 * (at**2).sum(axis=(1, 2))
        exponent = self.sigma_w**2 * together / (2 * dimension)
        values = np.exp(exponent + order * (order - 2) / 2 * self.sigma_b**2)
        return values, _ROUNDING * (1 + np.abs(exponent)) * values, "closed form"

    def draw_hidden(
        self, inputs: Floats, shape: tuple[int, ...], rng: np.random.Generator
    ) -> Floats:
        """Draw f(x) of independent neurons, shape (*shape, k)."""
        bias = self.sigma_b * rng.standard_normal((*shape, 1))
        norm = self.sigma_b**2 + self.sigma_w**2 * (inputs**2).mean(axis=1)
        return np.asarray(
            np.exp(linear_preactivations(inputs, shape, self.sigma_w, rng) + bias - norm)
        )
