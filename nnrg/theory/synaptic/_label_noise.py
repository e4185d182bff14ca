"""What vertices beyond the quadratic one make of weights that were fitted to noisy labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["FourthCumulant", "beyond_quadratic"]

Array = npt.NDArray[np.float64]

# Pairs of samples that are held at once.
_AT_ONCE = 1 << 21


@dataclass(frozen=True, slots=True, eq=False)
class FourthCumulant:
    r"""Fourth cumulant of weights that were fitted to noisy labels, at leading order.

    Attributes
    ----------
    inputs : array of shape (P, N)
    towards : array of shape (P, N)
        X K^{-1} / P.
    square, slope, jerk : arrays of shape (P,)
        f'^2, f' f'' and f' f''' at the exact fit.
    sigma : float
        Standard deviation of the noise.

    Notes
    -----
    Of the field e w, with g = X K^{-1} e / P and R = X K^{-1} X^T / P,

    .. math:: \kappa_2 = \sigma^2 \sum f'^2 g^2, \qquad
        \kappa_4 = \sigma^6 \{24\, (k g^2) R (k g^2) - 4 \sum f' f''' g^4\}, \quad k = f' f'' .

    From the minimum to third order in the noise, :math:`4 \langle w_1^3 w_3 \rangle +
    6 \langle w_1^2 w_2^2 \rangle` connected; what the squares of f'' add to both cancels. Not
    :math:`-T^3 (V_4 - 3 V_3 G V_3) G^4`, which is that of weights in equilibrium. Derived here.
    """

    inputs: Array
    towards: Array
    square: Array
    slope: Array
    jerk: Array
    sigma: float

    @classmethod
    def of(cls, inputs: Array, factors: Array, kernel: Array, sigma: float) -> FourthCumulant:
        """Return it from F^(n) at an exact fit, (5, P) or more, and V_2 of full rank."""
        towards = np.linalg.solve(kernel, inputs.T).T / len(inputs)
        slope, jerk = _slopes(factors)
        return cls(inputs, towards, factors[2], slope, jerk, sigma)

    def excess(self, modes: Array) -> Array:
        r"""Return :math:`\kappa_4 / \kappa_2^2` of each of n modes (n, N)."""
        g = self.towards @ modes.T
        pushed = self.slope[:, None] * g**2
        exchange = ((self.inputs.T @ pushed) * (self.towards.T @ pushed)).sum(axis=0)
        fourth = 24 * exchange - 4 * (self.jerk @ g**4)
        return np.asarray(self.sigma**2 * fourth / (self.square @ g**2) ** 2)


def _slopes(factors: Array) -> tuple[Array, Array]:
    """Return f' f'' and f' f''' from F^(n) at an exact fit."""
    slope = factors[3] / 3
    bend = np.divide(slope**2, factors[2], out=np.zeros_like(slope), where=factors[2] > 0)
    return slope, (factors[4] - 3 * bend) / 4


def beyond_quadratic(inputs: Array, factors: Array, kernel: Array) -> tuple[Array, Array]:
    r"""Return the next order of mean and covariance of least squares with noisy labels.

    Parameters
    ----------
    inputs : array of shape (P, N)
    factors : array of shape (5, P) or more
        F^(n) at an exact fit: F'' = f'^2, F''' = 3 f' f'', F'''' = 3 f''^2 + 4 f' f'''.
    kernel : array of shape (N, N)
        V_2, of full rank.

    Returns
    -------
    mean : array of shape (N,)
        Over sigma^2.
    covariance : array of shape (N, N)
        Over sigma^4; that of the quadratic cost is sigma^2 / P times the inverse kernel.

    Notes
    -----
    The minimum for labels f + sigma xi, order by order in sigma, averaged over xi. With
    :math:`Y = K^{-1} X^T / P`, R = X Y, r its diagonal, and k = f' f'',

    .. math:: -\tfrac12 Y (k r), \qquad
        Y \{\mathrm{diag}[2 k R (k r) - f' f''' r] + \tfrac32 k R^2 k\} Y^T ,

    the square element by element. Derived here.
    """
    towards = np.linalg.solve(kernel, inputs.T).T / len(inputs)
    spread = np.einsum("ai,ai->a", inputs, towards)
    slope, jerk = _slopes(factors)
    pull = inputs @ (towards.T @ (slope * spread))
    own = 2 * slope * pull - jerk * spread
    covariance = (towards * own[:, None]).T @ towards
    weighted = towards * slope[:, None]
    step = max(1, _AT_ONCE // len(inputs))
    for start in range(0, len(inputs), step):
        part = slice(start, start + step)
        squares = (inputs[part] @ towards.T) ** 2
        covariance += 1.5 * weighted[part].T @ (squares @ weighted)
    return -0.5 * towards.T @ (slope * spread), np.asarray((covariance + covariance.T) / 2)
