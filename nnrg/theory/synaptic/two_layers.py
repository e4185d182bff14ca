"""A local toy network of two layers: two fields, of which the last has a mass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real
from nnrg.errors import ArgumentError
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._arguments import as_items
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
    moments : Replicates of 7 N numbers
        <t_i>, <t_i x_i>, <t_i x_{i+1}>, <t_i x_i^2>, <t_i x_i x_{i+1}>, <t_i x_{i+1}^2>, <x_i> with
        t_i = y_i + y_{i-1}.
    """

    coefficients: tuple[float, float, float]
    moments: Replicates

    @property
    def n_inputs(self) -> int:
        """Number N of inputs."""
        return self.moments.values.size // 7

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
        n = self.n_inputs
        return self.moments.map(lambda row: self.coefficients[0] * row[:n])

    def mixing(self) -> Replicates:
        """Return V_2 between w2_i and w1_i, then between w2_i and w1_{i+1}: 2 N numbers."""
        n = self.n_inputs
        return self.moments.map(lambda row: -self.coefficients[1] * row[n : 3 * n])

    def cubic_first(self) -> Replicates:
        """Return V_3 of w2_i with w1_i w1_i, w1_i w1_{i+1} and w1_{i+1} w1_{i+1}: 3 N numbers.

        -s_2 <t_i x x>: the quadratic part of the activation makes two quanta of the first field
        into one of the last.
        """
        n = self.n_inputs
        return self.moments.map(lambda row: -self.coefficients[2] * row[3 * n : 6 * n])

    def cubic_last(self) -> Replicates:
        """Return V_3 of two of w2 with one of w1, 5 N numbers.

        w2_i w2_i with w1_i, w1_{i+1}: 4 s_0 s_1 <x>; w2_i w2_{i+1} with w1_i, w1_{i+1}, w1_{i+2}:
        s_0 s_1 <x_i>, 2 s_0 s_1 <x_{i+1}>, s_0 s_1 <x_{i+2}>. Inputs of mean zero have none.
        """
        n, both = self.n_inputs, self.coefficients[0] * self.coefficients[1]

        def numbers(row: Array) -> Array:
            x = [np.roll(row[6 * n :], -k) for k in range(3)]
            return both * np.concatenate([4 * x[0], 4 * x[1], x[0], 2 * x[1], x[2]])

        return self.moments.map(numbers)

    def hessian(self) -> Array:
        """Return V_2 of (w1, w2), shape (2 N, 2 N)."""
        return self._hessian(self.moments.values)

    def _hessian(self, row: Array) -> Array:
        n = self.n_inputs
        out = np.zeros((2 * n, 2 * n))
        i, after = np.arange(n), (np.arange(n) + 1) % n
        square = self.coefficients[0] ** 2
        out[n + i, n + i] = 2 * square
        np.add.at(out, (n + i, n + after), square)
        np.add.at(out, (n + after, n + i), square)
        mix = -self.coefficients[1] * row[n : 3 * n]
        out[n + i, i] = out[i, n + i] = mix[:n]
        out[n + i, after] = out[after, n + i] = mix[n:]
        return out

    n_bands: ClassVar[int] = 2

    def dispersion(self, k: npt.ArrayLike) -> Replicates:
        r"""Return omega^2(k) of both branches of the means over sites, the lower one first.

        Eigenvalues of [[0, m*], [m, M]] with M(k) = 2 s_0^2 (1 + cos k) and m(k) = m_0 + m_1 e^(ik)
        the mixing: where there is any, the lower one is negative and zero weights are a saddle.

        Parameters
        ----------
        k : array of shape (n,)

        Returns
        -------
        Replicates of 2 n numbers
        """
        momentum = np.atleast_1d(finite("k", k))
        n = self.n_inputs
        half = self.coefficients[0] ** 2 * (1 + np.cos(momentum))

        def bands(row: Array) -> Array:
            before, after = -self.coefficients[1] * row[n : 3 * n].reshape(2, n).mean(axis=1)
            mixing = np.abs(before + after * np.exp(1j * momentum))
            root = np.hypot(half, mixing)
            return np.concatenate([half - root, half + root])

        return self.moments.map(bands)

    def curvatures(self) -> Replicates:
        """Return the eigenvalues of the Hessian of the data as they are, ascending."""
        return self.moments.map(lambda row: np.linalg.eigvalsh(self._hessian(row)))

    def momenta(self) -> Array:
        """Return k of the ring, 2 pi j / N for j = 0 .. N - 1."""
        return np.asarray(2 * np.pi * np.arange(self.n_inputs) / self.n_inputs)

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
    Only the last layer's field has a mass, from the activation's constant (arXiv:2503.08827). To
    second order the fields mix by s_1, to third they interact by s_2 and, where inputs have a mean,
    by s_0 s_1.

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
    given = as_items("coefficients", coefficients)
    if len(given) != 3:
        raise ArgumentError(f"coefficients must be s_0, s_1, s_2, got {len(given)}")
    s0, s1, s2 = (as_real("coefficient", s) for s in given)
    t = y + np.roll(y, 1, axis=1)
    z = np.roll(x, -1, axis=1)
    rows = [t, t * x, t * z, t * x * x, t * x * z, t * z * z, x]
    return TwoLayerToy(coefficients=(s0, s1, s2), moments=averages(np.hstack(rows)))
