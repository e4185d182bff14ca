"""Bulk and boundary: energy of the synaptic fields flows between layers and obeys continuity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.training.losses import Loss, as_loss
from nnrg.theory.synaptic._arguments import as_kind
from nnrg.theory.synaptic._balance import (
    NeuronEnergy,
    balance,
    chain_data,
    chain_row,
    of_layers,
)
from nnrg.theory.synaptic._passages import Passage, pass_through
from nnrg.theory.synaptic._samples import finite
from nnrg.theory.synaptic.continuity import DepthContinuity
from nnrg.theory.synaptic.feed_forward import FeedForward
from nnrg.theory.synaptic.layer_chain import LayerChain
from nnrg.theory.synaptic.soft_neurons import SoftNeurons, Strain, strain

__all__ = ["depth_continuity", "step_continuity"]

Array = npt.NDArray[np.float64]

# Squares of velocities are energies, and those are squared for their errors.
_FASTEST = 1e70


def depth_continuity(
    network: FeedForward | LayerChain,
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    velocities: npt.ArrayLike,
    *,
    gamma: float,
    accelerations: npt.ArrayLike | None = None,
    input_velocities: npt.ArrayLike | None = None,
    neurons: SoftNeurons | None = None,
    loss: str | Loss = "mse",
) -> DepthContinuity:
    r"""Return energies and currents of a network in motion, at one instant.

    Parameters
    ----------
    network : FeedForward or LayerChain
        Dense, convolutional, or recurrent and unrolled.
    inputs : array of shape (P, ...)
    targets : array of shape (P,) or (P, n_out)
        A mini-batch or all data: the currents are means over them.
    velocities : array of shape (n_parameters,)
        Time derivatives of all parameters, as the network's `row` orders them.
    gamma : float
        Friction, in inverse units of time.
    accelerations : array of shape (n_parameters,), optional
        Measured ones; by the equation of motion if left out. Then the continuity equation holds
        as well as these obey it.
    input_velocities : array of the shape of inputs, optional
        Of data that move; at rest if left out.
    neurons : SoftNeurons, optional
        Neurons that are fields of their own; on the forward pass if left out.
    loss : {"mse", "cross_entropy"} or Loss

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
    L = exp(gamma t) {sum_l w_l'^2 / 2 - sum_l lambda_l (z_l - f_l(w_l, z_{l-1}))} is the bulk,
    which knows nothing of the data, -exp(gamma t) l(z_L, y) with z_0 = x(t) the boundary. Variation
    with respect to z is back-propagation, lambda_{l-1} = (d f_l / d z)^T lambda_l, lambda_L =
    -dl/dz_L, and

    .. math:: \frac{d\epsilon_l}{dt} + J_l - J_{l-1} = -\gamma |\dot w_l|^2, \quad
              J_l = -\langle \lambda_l \cdot \dot z_l \rangle .

    Layers that share one field w, the times of a recurrent network, are copies w_l of mass 1 / T
    each, held together by multipliers :math:`\chi_l (w_l - w_{l+1})` whose forces hand on
    :math:`K_l - K_{l-1} = -(g_l - \bar g) \cdot \dot w`, g_l the part of layer l in the gradient:
    with J + K in place of J continuity holds time by time. Soft neurons add :math:`m |\dot z_l|^2 /
    2 + \kappa |z_l - f_l|^2 / 2` to the energy, :math:`J_l = -\kappa \dot z_l \cdot (\partial
    f_{l+1})^T (z_{l+1} - f_{l+1})`, and are slowed by the same friction. The idea is that of
    arXiv:2511.02003; this form, that of shared fields and that of soft neurons are derived here.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.synaptic import FeedForward, depth_continuity
    >>> rng = np.random.default_rng(1)
    >>> net = FeedForward.of([rng.normal(size=(4, 3)), rng.normal(size=(1, 4))])
    >>> x, y = rng.normal(size=(8, 3)), rng.normal(size=8)
    >>> flow = depth_continuity(net, x, y, rng.normal(size=net.n_parameters), gamma=0.7)
    >>> flow.relative_residual < 1e-14
    True
    """
    chain, cost = LayerChain.of(network), as_loss(loss)
    x, y = chain_data(chain, inputs, targets, cost)
    velocity = chain_row(chain, "velocities", velocities)
    friction = as_real("gamma", gamma)
    if not np.abs(velocity).max(initial=0.0) * max(1.0, abs(friction)) < _FASTEST:
        raise AnalysisError(
            f"energies leave double precision: velocities, and gamma times them, must be below "
            f"{_FASTEST:g}"
        )
    moving = np.zeros_like(x)
    if input_velocities is not None:
        moving = finite("input_velocities", input_velocities)
        if moving.size != x.size or len(moving) != len(x):
            raise ArgumentError(
                f"input_velocities must have the shape of the inputs, {np.shape(inputs)}, got "
                f"{moving.shape}"
            )
        moving = moving.reshape(x.shape)
    if neurons is None:
        found: Passage | Strain = pass_through(chain, x, y, cost, velocity, moving)
        extra = None
    else:
        as_kind("neurons", neurons, SoftNeurons)
        found = strain(chain, x, y, cost, velocity, moving, neurons, neurons.velocities)
        rates, m = neurons.velocities, neurons.mass
        extra = NeuronEnergy(
            energy=of_layers(m * v * v / 2 for v in rates),
            power=of_layers(
                v * (f - friction * m * v) for v, f in zip(rates, found.forces, strict=True)
            ),
            lost=of_layers(friction * m * v * v for v in rates),
        )
    if accelerations is None:
        acceleration = -friction * velocity - found.gradient(chain)
        note = "by the equation of motion"
    else:
        acceleration = chain_row(chain, "accelerations", accelerations)
        note = "measured accelerations"
    return balance(
        chain,
        velocity,
        velocity**2 / 2,
        velocity * acceleration,
        friction * velocity**2,
        found,
        f"gamma {friction:g}, {note}",
        extra,
    )


def step_continuity(
    network: FeedForward | LayerChain,
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    step: npt.ArrayLike | None = None,
    *,
    learning_rate: npt.ArrayLike,
    momentum: npt.ArrayLike = 0.0,
    neurons: SoftNeurons | None = None,
    loss: str | Loss = "mse",
) -> DepthContinuity:
    r"""Return energies and currents of one step of training, exact at any length of it.

    Parameters
    ----------
    network : FeedForward or LayerChain
        Parameters where the gradient of the step is taken.
    inputs, targets : array
        The mini-batch of the step.
    step : array of shape (n_parameters,), optional
        w_t - w_{t-1}, the step before; left out for gradient descent, which has no memory.
    learning_rate, momentum : float or array of shape (n_parameters,)
        eta and mu, of all parameters or of each.
    neurons : SoftNeurons, optional
        Their velocities are their last steps; they make one of the same eta and mu, which then
        must be one number each.
    loss : {"mse", "cross_entropy"} or Loss

    Returns
    -------
    DepthContinuity
        Time counts steps: rates are changes over this one. Energies v^2 / (2 eta) are those that
        sqrt(eta) as a unit of time gives.

    Raises
    ------
    ArgumentError
        If shapes do not fit or a number is out of range.

    Notes
    -----
    With v' = mu v - eta g and the mean velocity (v + v') / 2, along which the currents are taken,
    (v'^2 - v^2) / 2 eta = -(1 - mu) v (v + v') / (2 eta) - g (v + v') / 2 exactly: the
    continuity equation holds at any step, however long, to rounding; g may be taken ahead, and eta
    and mu may differ between weights. Gradient descent is first order: no kinetic energy, and the
    power -g v of the currents is lost to friction at once.

    Examples
    --------
    A step far beyond the stability limit:

    >>> import numpy as np
    >>> from nnrg.theory.synaptic import FeedForward, step_continuity
    >>> rng = np.random.default_rng(1)
    >>> net = FeedForward.of([rng.normal(size=(4, 3)), rng.normal(size=(1, 4))])
    >>> x, y, step = rng.normal(size=(8, 3)), rng.normal(size=8), rng.normal(size=net.n_parameters)
    >>> flow = step_continuity(net, x, y, step, learning_rate=9.0, momentum=0.5)
    >>> flow.relative_residual < 1e-14
    True
    """
    chain, cost = LayerChain.of(network), as_loss(loss)
    x, y = chain_data(chain, inputs, targets, cost)
    eta = _rates("learning_rate", learning_rate, chain)
    mu = _rates("momentum", momentum, chain)
    if not eta.min() > 0 or not mu.min() >= 0:
        raise ArgumentError(
            f"learning_rate > 0 and momentum of 0 or more are needed, got {eta.min():g} and "
            f"{mu.min():g}"
        )
    if step is None and mu.max() > 0:
        raise ArgumentError("with momentum the step before is needed: give step")
    still = np.zeros_like(x)
    before = np.zeros(len(eta)) if step is None else chain_row(chain, "step", step)
    if neurons is not None:
        as_kind("neurons", neurons, SoftNeurons)
        if step is None or eta.min() != eta.max() or mu.min() != mu.max():
            raise ArgumentError(
                "soft neurons move as the weights do: give step, and one learning rate and momentum"
            )
        return _soft_step(chain, x, y, cost, before, neurons, float(eta[0]), float(mu[0]))
    gradient = pass_through(chain, x, y, cost, before, still).gradient(chain)
    after = mu * before - eta * gradient
    middle = after if step is None else (before + after) / 2
    found = pass_through(chain, x, y, cost, middle, still)
    if step is None:
        none = np.zeros_like(eta)
        return balance(
            chain, middle, none, none, middle**2 / eta, found, "one step of gradient descent"
        )
    return balance(
        chain,
        middle,
        middle**2 / (2 * eta),
        (after - before) * middle / eta,
        (1 - mu) * before * middle / eta,
        found,
        f"one step, eta {_span(eta)}, mu {_span(mu)}",
    )


def _soft_step(
    chain: LayerChain,
    x: Array,
    y: Array,
    loss: Loss,
    before: Array,
    neurons: SoftNeurons,
    eta: float,
    mu: float,
) -> DepthContinuity:
    """Return the balance of one step of weights and soft neurons together."""
    still, m = np.zeros_like(x), neurons.mass
    acting = strain(chain, x, y, loss, before, still, neurons, neurons.velocities)
    after = mu * before - eta * acting.gradient(chain)
    old = neurons.velocities
    new = [mu * v + eta / m * f for v, f in zip(old, acting.forces, strict=True)]
    middle = (before + after) / 2
    rates = [(a + b) / 2 for a, b in zip(old, new, strict=True)]
    return balance(
        chain,
        middle,
        middle**2 / (2 * eta),
        (after - before) * middle / eta,
        (1 - mu) * before * middle / eta,
        strain(chain, x, y, loss, middle, still, neurons, rates),
        f"one step of soft neurons, kappa {neurons.stiffness:g}, eta {eta:g}, mu {mu:g}",
        NeuronEnergy(
            energy=of_layers(m * v * v / (2 * eta) for v in rates),
            power=of_layers(m * (b - a) * v / eta for a, b, v in zip(old, new, rates, strict=True)),
            lost=of_layers((1 - mu) * m * a * v / eta for a, v in zip(old, rates, strict=True)),
        ),
    )


def _rates(name: str, values: npt.ArrayLike, chain: LayerChain) -> Array:
    array = finite(name, values)
    if array.shape not in ((), (chain.n_parameters,)):
        raise ArgumentError(
            f"{name} must be one number or one for each of {chain.n_parameters} parameters, got "
            f"shape {array.shape}"
        )
    return np.broadcast_to(array, (chain.n_parameters,))


def _span(values: Array) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:g}" if low == high else f"{low:.3g} .. {high:.3g}"
