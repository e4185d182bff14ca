"""What vertices beyond the quadratic one make of weights that were fitted to noisy labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["beyond_quadratic"]

Array = npt.NDArray[np.float64]

# Pairs of samples that are held at once.
_AT_ONCE = 1 << 21


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
    slope = factors[3] / 3
    steep = factors[2] > 0
    bend = np.divide(slope**2, factors[2], out=np.zeros_like(slope), where=steep)
    jerk = (factors[4] - 3 * bend) / 4
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
