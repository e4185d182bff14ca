"""What optimisers of first order do to one mode of a quadratic cost, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from nnrg.simulate.training.optimisers import Optimiser

__all__ = ["batch_noise", "batch_weights", "mode_response"]

Array = npt.NDArray[np.float64]

# After so many rounds the noise of mini-batches is that of the residual it makes.
_ROUNDS = 4


def mode_response(curvatures: Array, optimiser: Optimiser, steps: int) -> tuple[Array, Array]:
    """Return what is left of the first weight, and what a constant force of one has made.

    Parameters
    ----------
    curvatures : array of shape (N,)
    optimiser : GradientDescent, HeavyBall or Nesterov
    steps : int

    Returns
    -------
    start, force : arrays of shape (N,)
    """
    momentum, ahead = _motion(optimiser)
    w = np.stack([np.ones_like(curvatures), np.zeros_like(curvatures)])
    v = np.zeros_like(w)
    push = np.array([[0.0], [1.0]])
    for rate in optimiser.rates(steps):
        seen = w + momentum * v if ahead else w
        v = momentum * v - rate * (curvatures * seen - push)
        w = w + v
    return w[0], w[1]


def batch_weights(
    curvatures: Array, optimiser: Optimiser, steps: int, n_samples: int, batch: int
) -> tuple[Array, Array]:
    r"""Return what mini-batches make of the covariance of single gradients, mode by mode.

    Parameters
    ----------
    curvatures, optimiser, steps
        As of `mode_response`.
    n_samples, batch : int
        P and B; batches are drawn without replacement in each epoch.

    Returns
    -------
    weights : array of shape (N, N)
    cancelled : array of shape (N,)
        Share of the noise of independent batches that those of one epoch take from each other.

    Notes
    -----
    Errors of a mean of B of P gradients of covariance S have the covariance
    :math:`S (P - B) / (B (P - 1))`, those of two batches of one epoch :math:`-S / (P - 1)`.
    """
    momentum, ahead = _motion(optimiser)
    rates = optimiser.rates(steps)
    an_epoch = n_samples // batch
    between = -1 / (n_samples - 1)
    single = (n_samples - batch) / (batch * (n_samples - 1)) - between
    total, apart = np.zeros((curvatures.size, curvatures.size)), np.zeros_like(curvatures)
    to_w, to_v = np.ones_like(curvatures), np.zeros_like(curvatures)
    rows: list[Array] = []
    # Backwards: how the last weight depends on weight and velocity before.
    for step in range(steps - 1, -1, -1):
        rate = rates[step]
        rows.append(-rate * (to_w + to_v))
        bent = rate * curvatures
        if ahead:
            to_w, to_v = (
                (1 - bent) * to_w - bent * to_v,
                momentum * (1 - bent) * (to_w + to_v),
            )
        else:
            to_w, to_v = (1 - bent) * to_w - bent * to_v, momentum * (to_w + to_v)
        if step % an_epoch == 0:
            responses = np.array(rows)
            together = responses.sum(axis=0)
            total += single * responses.T @ responses + between * np.outer(together, together)
            apart += (single + between) * (responses**2).sum(axis=0)
            rows = []
    left = np.divide(np.diag(total), apart, out=np.ones_like(apart), where=apart > 0)
    return total, 1 - left


def batch_noise(
    inputs: Array, residual: Array, curvatures: Array, weights: Array, astray: Array
) -> tuple[Array, float]:
    """Return the covariance that mini-batches make, mode by mode.

    Parameters
    ----------
    inputs : array of shape (P, N)
        In modes of the kernel.
    residual : array of shape (P,)
        Mean square of each sample where the weights do not move.
    curvatures : array of shape (N,)
    weights : array of shape (N, N)
        `batch_weights`.
    astray : array of shape (N,)
        Variance of the weights about the minimum that has other sources.

    Returns
    -------
    noise : array of shape (N, N)
    share : float
        Of the residual that the motion of the weights makes.
    """
    noise, moved = np.zeros_like(weights), np.zeros_like(residual)
    other = inputs**2 @ astray
    for _ in range(_ROUNDS):
        # What the noise itself moves is in the residual that makes it.
        moved = other + np.einsum("ai,ai->a", inputs @ noise, inputs)
        single = (inputs * (residual + moved)[:, None]).T @ inputs / len(inputs)
        # Gradients have a mean wherever the weights are not at the minimum.
        mean_square = np.outer(curvatures, curvatures) * (noise + np.diag(astray))
        noise = weights * (single - mean_square)
    whole = float((residual + moved).mean())
    return noise, float(moved.mean()) / whole if whole > 0 else 0.0


def _motion(optimiser: Optimiser) -> tuple[float, bool]:
    from nnrg.simulate.training.optimisers import HeavyBall, Nesterov

    momentum = optimiser.momentum if isinstance(optimiser, HeavyBall) else 0.0
    return momentum, isinstance(optimiser, Nesterov)
