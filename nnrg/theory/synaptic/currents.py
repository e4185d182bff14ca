"""Bulk and boundary: energy of the synaptic fields flows between layers and obeys continuity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.theory.synaptic._samples import averages, data_arrays, finite
from nnrg.theory.synaptic.continuity import DepthContinuity
from nnrg.theory.synaptic.feed_forward import FeedForward

__all__ = ["depth_continuity", "step_continuity"]

Array = npt.NDArray[np.float64]


def depth_continuity(
    network: FeedForward,
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    velocities: npt.ArrayLike,
    *,
    gamma: float,
    accelerations: npt.ArrayLike | None = None,
    input_velocities: npt.ArrayLike | None = None,
) -> DepthContinuity:
    r"""Return energies and currents of a network in motion, at one instant.

    Parameters
    ----------
    network : FeedForward
    inputs : array of shape (P, n_in)
    targets : array of shape (P,) or (P, n_out)
        A mini-batch or all data: the currents are means over them.
    velocities : array of shape (n_parameters,)
        Time derivatives of all parameters, as `FeedForward.row` orders them.
    gamma : float
        Friction, in inverse units of time.
    accelerations : array of shape (n_parameters,), optional
        Measured ones; by the equation of motion if left out. Then the continuity equation holds
        as well as these obey it.
    input_velocities : array of shape (P, n_in), optional
        Of data that move; at rest if left out.

    Returns
    -------
    DepthContinuity

    Raises
    ------
    ArgumentError
        If shapes do not fit.
    AnalysisError
        If the network leaves double precision.

    Notes
    -----
    L = exp(gamma t) {sum_l |w_l'|^2 / 2 - sum_l lambda_l (z_l - f_l(w_l, z_{l-1}))} is the bulk,
    which knows nothing of the data, -exp(gamma t) l(z_L, y) with z_0 = x(t) the boundary. Variation
    with respect to z is back-propagation, lambda_{l-1} = (d f_l / d z)^T lambda_l, lambda_L =
    -dl/dz_L, and

    .. math:: \frac{d\epsilon_l}{dt} + J_l - J_{l-1} = -\gamma |\dot w_l|^2, \quad
              J_l = -\langle \lambda_l \cdot \dot z_l \rangle .

    The idea is that of arXiv:2511.02003, this form is derived here.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.synaptic.currents import depth_continuity
    >>> from nnrg.theory.synaptic.feed_forward import FeedForward
    >>> rng = np.random.default_rng(1)
    >>> net = FeedForward.of([rng.normal(size=(4, 3)), rng.normal(size=(1, 4))])
    >>> x, y = rng.normal(size=(8, 3)), rng.normal(size=8)
    >>> flow = depth_continuity(net, x, y, rng.normal(size=net.n_parameters), gamma=0.7)
    >>> flow.relative_residual < 1e-14
    True
    """
    x, y = _data(network, inputs, targets)
    velocity = _row(network, "velocities", velocities)
    friction = as_real("gamma", gamma)
    moving = np.zeros_like(x)
    if input_velocities is not None:
        moving = finite("input_velocities", input_velocities).reshape(len(x), -1)
        if moving.shape != x.shape:
            raise ArgumentError(f"input_velocities must have shape {x.shape}, got {moving.shape}")
    gradient, currents, cost = _currents(network, x, y, velocity, moving)
    if accelerations is None:
        acceleration, note = -friction * velocity - gradient, "by the equation of motion"
    else:
        acceleration, note = _row(network, "accelerations", accelerations), "measured accelerations"
    return _continuity(
        network,
        velocity,
        velocity * acceleration,
        friction * velocity**2,
        currents,
        cost,
        f"gamma {friction:g}, {note}",
    )


def step_continuity(
    network: FeedForward,
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    step: npt.ArrayLike,
    *,
    learning_rate: float,
    momentum: float = 0.0,
) -> DepthContinuity:
    r"""Return energies and currents of one step of the heavy ball, exact at any length of it.

    Parameters
    ----------
    network : FeedForward
        Parameters before the step.
    inputs, targets : array
        The mini-batch of the step.
    step : array of shape (n_parameters,)
        w_t - w_{t-1}, the step before.
    learning_rate : float
        eta.
    momentum : float
        mu, 0 for gradient descent.

    Returns
    -------
    DepthContinuity
        In time units of sqrt(eta); the rate is the change of energy over the step.

    Raises
    ------
    ArgumentError
        If shapes do not fit or a number is out of range.

    Notes
    -----
    With v' = mu v - eta g and the mean velocity (v + v') / 2, along which the currents are taken,
    |v'|^2 / 2 - |v|^2 / 2 = -(1 - mu) v (v + v') / 2 - eta g (v + v') / 2 exactly: the continuity
    equation holds at any step, however long, to rounding.
    """
    eta, mu = as_real("learning_rate", learning_rate), as_real("momentum", momentum)
    if not eta > 0 or not 0 <= mu <= 1:
        raise ArgumentError(
            f"learning_rate > 0 and momentum 0 .. 1 are needed, got {eta:g} and {mu:g}"
        )
    x, y = _data(network, inputs, targets)
    h = float(np.sqrt(eta))
    before = _row(network, "step", step) / h
    gradient, _, _ = _currents(network, x, y, before, np.zeros_like(x))
    after = mu * before - h * gradient
    middle = (before + after) / 2
    _, currents, cost = _currents(network, x, y, middle, np.zeros_like(x))
    return _continuity(
        network,
        middle,
        (after - before) * middle / h,
        (1 - mu) / h * before * middle,
        currents,
        cost,
        f"one step, eta {eta:g}, mu {mu:g}",
    )


def _data(network: FeedForward, inputs: npt.ArrayLike, targets: npt.ArrayLike) -> tuple[Array, ...]:
    x, y = data_arrays(inputs, targets)
    if x.shape[1] != network.weights[0].shape[1] or y.shape[1] != len(network.weights[-1]):
        raise ArgumentError(
            f"inputs (P, {network.weights[0].shape[1]}) and targets (P, "
            f"{len(network.weights[-1])}) are needed, got {x.shape} and {y.shape}"
        )
    return x, y


def _row(network: FeedForward, name: str, values: npt.ArrayLike) -> Array:
    row = finite(name, values)
    if row.shape != (network.n_parameters,):
        raise ArgumentError(f"{name} must have shape ({network.n_parameters},), got {row.shape}")
    return row


def _currents(
    network: FeedForward, x: Array, y: Array, velocity: Array, moving: Array
) -> tuple[Array, Array, float]:
    """Return the gradient, -lambda_l . dz_l/dt of each sample and l = 0 .. L, and the cost."""
    z, dz = x, moving
    activities, slopes, rates = [x], [], [moving]
    # Values that leave double precision are told of by their own error.
    with np.errstate(over="ignore", invalid="ignore"):
        for (dw, db), w, b, activation in zip(
            network.split(velocity),
            network.weights,
            network.biases,
            network.activations,
            strict=True,
        ):
            h = z @ w.T + b
            slope = activation.derivative(h)
            dz = slope * (dz @ w.T + z @ dw.T + db)
            z = activation(h)
            activities.append(z)
            slopes.append(slope)
            rates.append(dz)
        error = z - y
        carried = -error
        currents = [-(carried * dz).sum(axis=1)]
        gradient = []
        for i in reversed(range(network.depth)):
            delta = carried * slopes[i]
            gradient.append((-(delta.T @ activities[i]) / len(x), -delta.sum(axis=0) / len(x)))
            carried = delta @ network.weights[i]
            currents.append(-(carried * rates[i]).sum(axis=1))
    row = network.row(gradient[::-1])
    flow = np.stack(currents[::-1], axis=1)
    if not (np.isfinite(row).all() and np.isfinite(flow).all()):
        raise AnalysisError("the network leaves double precision here; take an earlier step")
    return row, flow, float((error**2).sum(axis=1).mean() / 2)


def _continuity(
    network: FeedForward,
    velocity: Array,
    power: Array,
    lost: Array,
    currents: Array,
    cost: float,
    note: str,
) -> DepthContinuity:
    def by_layer(row: Array) -> Array:
        layers = range(1, network.depth + 1)
        return np.array([row[network.bounds(layer)].sum() for layer in layers])

    mean = averages(currents)
    return DepthContinuity(
        energy=by_layer(velocity**2) / 2,
        energy_rate=by_layer(power),
        dissipation=by_layer(lost),
        current=mean.values.copy(),
        current_error=mean.errors(),
        boundary=cost,
        n_samples=len(currents),
        note=note,
    )
