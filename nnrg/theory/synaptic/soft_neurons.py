"""Neurons as dynamical fields, tied to their layers by springs: the local theory along depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.training.losses import Loss
from nnrg.theory.synaptic._arguments import as_items, as_scale
from nnrg.theory.synaptic._passages import sample_slopes, total_gradient
from nnrg.theory.synaptic._samples import data_arrays, finite
from nnrg.theory.synaptic.feed_forward import FeedForward
from nnrg.theory.synaptic.layer_chain import LayerChain

__all__ = ["SoftNeurons", "Strain", "strain"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SoftNeurons:
    r"""Neurons z_l with :math:`m |\dot z_l|^2 / 2 - \kappa |z_l - f_l(w_l, z_{l-1})|^2 / 2`.

    In place of multipliers, which hold z_l = f_l exactly: those are the limit of large stiffness.

    Parameters
    ----------
    values : sequence of arrays of shape (P, n_l), l = 1 .. L
    velocities : sequence of arrays of the same shapes
        At rest if left out.
    stiffness : float
        kappa > 0, cost over squared activity.
    mass : float
        m > 0.

    Raises
    ------
    ArgumentError
        If shapes differ or a number is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.synaptic import FeedForward, LayerChain, SoftNeurons
    >>> chain = LayerChain.of(FeedForward.of([np.eye(2), np.ones((1, 2))]))
    >>> soft = SoftNeurons.on(chain, np.eye(2), stiffness=10.0)
    >>> [z.shape for z in soft.values], soft.mass
    ([(2, 2), (2, 1)], 1.0)
    """

    values: tuple[Array, ...]
    velocities: tuple[Array, ...]
    stiffness: float
    mass: float

    def __init__(
        self,
        values: Sequence[npt.ArrayLike],
        velocities: Sequence[npt.ArrayLike] | None = None,
        *,
        stiffness: float,
        mass: float = 1.0,
    ) -> None:
        z = tuple(
            finite(f"neurons of layer {i + 1}", a) for i, a in enumerate(as_items("values", values))
        )
        if velocities is None:
            dz = tuple(np.zeros_like(a) for a in z)
        else:
            given = as_items("velocities", velocities)
            dz = tuple(finite(f"velocities of layer {i + 1}", a) for i, a in enumerate(given))
        shapes = [a.shape for a in z], [a.shape for a in dz]
        if not z or any(a.ndim != 2 for a in z) or shapes[0] != shapes[1]:
            raise ArgumentError(
                "values and velocities must be arrays (P, n_l), one for each layer, got shapes "
                f"{shapes[0]} and {shapes[1]}"
            )
        kappa, m = as_scale("stiffness", stiffness), as_scale("mass", mass)
        for name, value in (("values", z), ("velocities", dz), ("stiffness", kappa), ("mass", m)):
            object.__setattr__(self, name, value)

    @classmethod
    def on(
        cls,
        network: FeedForward | LayerChain,
        inputs: npt.ArrayLike,
        *,
        stiffness: float,
        mass: float = 1.0,
    ) -> SoftNeurons:
        """Return neurons at rest where the forward pass has them."""
        chain, (x, _) = LayerChain.of(network), data_arrays(inputs, None)
        if x.shape[1] != chain.n_inputs:
            raise ArgumentError(
                f"inputs must be {chain.n_inputs} numbers of each sample, got {np.shape(inputs)}"
            )
        return cls(chain.activities(x)[1:], stiffness=stiffness, mass=mass)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Strain:
    """Forces on weights and neurons, and what passes between layers, of each sample.

    Attributes
    ----------
    gradients : tuple of arrays
        -kappa r_l . df_l / dw_l of each layer as a row, mean over samples.
    forces : tuple of arrays of shape (P, n_l)
        On the neurons of each layer.
    currents : array of shape (P, L + 1)
        -kappa dz_l/dt . (df_{l+1} / dz_l)^T r_{l+1}; the last one into the cost.
    inflow : array of shape (P, L)
    stored, stored_rate : array of shape (P, L)
        kappa |r_l|^2 / 2 and its rate.
    cost : float
    """

    gradients: tuple[Array, ...]
    forces: tuple[Array, ...]
    currents: Array
    inflow: Array
    stored: Array
    stored_rate: Array
    cost: float

    def gradient(self, chain: LayerChain) -> Array:
        """Return the gradient of the action's potential by all parameters, shared ones once."""
        return total_gradient(self.gradients, chain)


def strain(
    chain: LayerChain,
    x: Array,
    y: Array,
    loss: Loss,
    velocity: Array,
    moving: Array,
    neurons: SoftNeurons,
    rates: Sequence[Array],
) -> Strain:
    """Return forces and currents of soft neurons moving at `rates`.

    Raises
    ------
    ArgumentError
        If the neurons are not those of the chain.
    AnalysisError
        If they leave double precision.
    """
    wanted = [(len(x), layer.n_outputs) for layer in chain.layers]
    if [a.shape for a in neurons.values] != wanted:
        raise ArgumentError(
            f"soft neurons must have shapes {wanted}, got {[a.shape for a in neurons.values]}"
        )
    kappa = neurons.stiffness
    before, before_rate = chain.start(x), chain.start(moving)
    gradients, stored, stored_rate, inflow, pulls, currents = [], [], [], [], [], []
    springs = []
    with np.errstate(over="ignore", invalid="ignore"):
        for i, layer in enumerate(chain.layers):
            into, rate = (
                chain.entering(i + 1, x, before),
                chain.entering(i + 1, moving, before_rate),
            )
            h = layer.preactivations(into)
            slope = layer.activation.derivative(h)
            z, dz = neurons.values[i], rates[i]
            r = z - layer.activation(h)
            dr = dz - slope * layer.tangent(into, rate, velocity[chain.bounds(i + 1)])
            delta = kappa * r * slope
            back = layer.back(delta)
            own = back.shape[1] - before.shape[1]
            gradients.append(-layer.gradient(into, delta) / len(x))
            stored.append(kappa * (r * r).sum(axis=1) / 2)
            stored_rate.append(kappa * (r * dr).sum(axis=1))
            inflow.append(-(back[:, :own] * rate[:, :own]).sum(axis=1))
            pulls.append(back[:, own:])
            currents.append(-(back[:, own:] * before_rate).sum(axis=1))
            springs.append(-kappa * r)
            before, before_rate = z, dz
        slopes, cost = sample_slopes(loss, before, y)
    currents.append((slopes * before_rate).sum(axis=1))
    forces = [s + p for s, p in zip(springs, [*pulls[1:], -slopes], strict=True)]
    found = Strain(
        gradients=tuple(gradients),
        forces=tuple(forces),
        currents=np.stack(currents, axis=1),
        inflow=np.stack(inflow, axis=1),
        stored=np.stack(stored, axis=1),
        stored_rate=np.stack(stored_rate, axis=1),
        cost=cost,
    )
    parts = (*found.gradients, *forces, found.currents, found.stored, found.stored_rate)
    if not all(np.isfinite(a).all() for a in parts):
        raise AnalysisError("the neurons leave double precision here; take an earlier time")
    return found
