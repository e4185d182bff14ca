"""A local toy network of two layers: two fields, of which the last has a mass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real
from nnrg.errors import ArgumentError
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._samples import averages, data_arrays, finite

__all__ = ["TwoLayerToy", "two_layer_toy"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TwoLayerToy:
    r"""Two layers on a ring about zero weights: two fields, of which the last has a mass.

    o_i = w2_i sigma(h_i) + w2_{i+1} sigma(h_{i+1}), h_i = w1_i x_i + w1_{i+1} x_{i+1}, and
    sigma(h) = s_0 + s_1 h + s_2 h^2 / 2.

    Attributes
    ----------
    coefficients : (float, float, float)
        s_0, s_1, s_2.
    moments : Replicates of 3 N numbers
        <t_i>, <t_i x_i>, <t_i x_{i+1}> with t_i = y_i + y_{i-1}.
    """

    coefficients: tuple[float, float, float]
    moments: Replicates

    @property
    def first_mass2(self) -> float:
        """Mass of the first layer's field: zero, each of its terms has a factor w2."""
        return 0.0

    @property
    def last_mass2(self) -> float:
        """Mass of the last layer's field, 4 s_0^2: M = a + 2 c with a = 2 s_0^2, c = s_0^2."""
        return 4 * self.coefficients[0] ** 2

    @property
    def last_stiffness(self) -> float:
        """K = -s_0^2 of the last layer's field; the staggered field has s_0^2 and no mass."""
        return -(self.coefficients[0] ** 2)

    def source(self) -> Replicates:
        """Return J_i = s_0 <t_i> of the last layer."""
        n = self.moments.values.size // 3
        return self.moments.map(lambda row: self.coefficients[0] * row[:n])

    def mixing(self) -> Replicates:
        """Return V_2 between w2_i and w1_i, then between w2_i and w1_{i+1}: 2 N numbers."""
        n = self.moments.values.size // 3
        return self.moments.map(lambda row: -self.coefficients[1] * row[n:])

    def hessian(self) -> Array:
        """Return V_2 of (w1, w2), shape (2 N, 2 N)."""
        n = self.moments.values.size // 3
        out = np.zeros((2 * n, 2 * n))
        i, after = np.arange(n), (np.arange(n) + 1) % n
        square = self.coefficients[0] ** 2
        out[n + i, n + i] = 2 * square
        np.add.at(out, (n + i, n + after), square)
        np.add.at(out, (n + after, n + i), square)
        mix = self.mixing().values
        out[n + i, i] = out[i, n + i] = mix[:n]
        out[n + i, after] = out[after, n + i] = mix[n:]
        return out

    def __str__(self) -> str:
        mix = self.mixing()
        size = float(np.sqrt((mix.values**2).mean()))
        return (
            f"two layers on a ring, sigma = {self.coefficients[0]:g} + {self.coefficients[1]:g} h "
            f"+ {self.coefficients[2]:g} h^2 / 2: mass of the first layer 0, of the last "
            f"{self.last_mass2:g}; mixing {size:.4g} rms"
        )


def two_layer_toy(
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    coefficients: tuple[float, float, float],
) -> TwoLayerToy:
    """Return the two coupled fields of a two-layer ring with a quadratic activation.

    Parameters
    ----------
    inputs, targets : array of shape (P, N)
        N of 3 or more.
    coefficients : (float, float, float)
        s_0, s_1, s_2 of the activation.

    Returns
    -------
    TwoLayerToy

    Raises
    ------
    ArgumentError
        If shapes do not fit.

    Notes
    -----
    Only the last layer's field has a mass, from the activation's constant (arXiv:2503.08827).

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.synaptic.two_layers import two_layer_toy
    >>> x = np.random.default_rng(1).normal(size=(50, 6))
    >>> toy = two_layer_toy(x, x, (0.5, 1.0, 0.2))
    >>> toy.first_mass2, toy.last_mass2
    (0.0, 1.0)
    """
    x, _ = data_arrays(inputs, None)
    y = finite("targets", targets)
    if x.shape[1] < 3 or y.shape != x.shape:
        raise ArgumentError(
            f"inputs and targets must have one shape (P, N) with N of 3 or more, got {x.shape} and "
            f"{y.shape}"
        )
    if len(coefficients) != 3:
        raise ArgumentError(f"coefficients must be s_0, s_1, s_2, got {len(coefficients)}")
    s0, s1, s2 = (as_real("coefficient", s) for s in coefficients)
    t = y + np.roll(y, 1, axis=1)
    moments = averages(np.hstack([t, t * x, t * np.roll(x, -1, axis=1)]))
    return TwoLayerToy(coefficients=(s0, s1, s2), moments=moments)
