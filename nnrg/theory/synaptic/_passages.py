"""One passage forward and back through a chain: neurons in motion, gradients and currents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.simulate.training.losses import Loss
from nnrg.theory.synaptic.layer_chain import LayerChain

__all__ = ["Passage", "pass_through", "sample_slopes", "total_gradient"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Passage:
    """What moves and what is carried, with lambda_l the multipliers of the forward pass.

    Attributes
    ----------
    gradients : tuple of arrays
        -lambda_l . df_l / dw_l of each layer as a row, mean over samples.
    currents : array of shape (P, L + 1)
        -lambda_l . dz_l / dt.
    inflow : array of shape (P, L)
        The part of the change of the current that inputs bring in beside the layer before.
    cost : float
    """

    gradients: tuple[Array, ...]
    currents: Array
    inflow: Array
    cost: float

    def gradient(self, chain: LayerChain) -> Array:
        """Return the gradient by all parameters, shared ones once."""
        return total_gradient(self.gradients, chain)


def total_gradient(parts: Sequence[Array], chain: LayerChain) -> Array:
    """Return the sum of the gradients of layers, as a row of all parameters, shared ones once."""
    out = np.zeros(chain.n_parameters)
    for i, part in enumerate(parts):
        out[chain.bounds(i + 1)] += part
    return out


def sample_slopes(loss: Loss, outputs: Array, y: Array) -> tuple[Array, float]:
    """Return the derivative of each sample's cost by its outputs, (P, n), and the mean cost."""
    delta = np.empty_like(outputs)[None]
    cost = loss.evaluate(outputs[None], y, delta)
    return np.asarray(delta[0] * len(outputs)), float(cost[0])


def pass_through(
    chain: LayerChain, x: Array, y: Array, loss: Loss, velocity: Array, moving: Array
) -> Passage:
    """Follow inputs (P, n_in) whose rates are `moving`, under a velocity of all parameters.

    Raises
    ------
    AnalysisError
        If the network leaves double precision.
    """
    z, dz = chain.start(x), chain.start(moving)
    entered, slopes, rates = [], [], [dz]
    # Values that leave double precision are told of by their own error.
    with np.errstate(over="ignore", invalid="ignore"):
        for i, layer in enumerate(chain.layers):
            into, rate = chain.entering(i + 1, x, z), chain.entering(i + 1, moving, dz)
            h = layer.preactivations(into)
            slope = layer.activation.derivative(h)
            dz = slope * layer.tangent(into, rate, velocity[chain.bounds(i + 1)])
            z = layer.activation(h)
            entered.append(into)
            slopes.append(slope)
            rates.append(dz)
        error, cost = sample_slopes(loss, z, y)
        carried = -error
        currents = [-(carried * dz).sum(axis=1)]
        gradients, inflow = [], []
        for i in reversed(range(chain.depth)):
            delta = carried * slopes[i]
            gradients.append(-chain.layers[i].gradient(entered[i], delta) / len(x))
            carried = chain.layers[i].back(delta)
            columns = chain.columns[i]
            own = 0 if columns is None else columns.stop - columns.start
            brought = np.zeros(len(x))
            if columns is not None:
                brought = -(carried[:, :own] * moving[:, columns]).sum(axis=1)
            carried = carried[:, own:]
            inflow.append(brought)
            currents.append(-(carried * rates[i]).sum(axis=1))
    found = Passage(
        gradients=tuple(gradients[::-1]),
        currents=np.stack(currents[::-1], axis=1),
        inflow=np.stack(inflow[::-1], axis=1),
        cost=cost,
    )
    if not all(np.isfinite(a).all() for a in (*found.gradients, found.currents, found.inflow)):
        raise AnalysisError("the network leaves double precision here; take an earlier step")
    return found
