"""The balance of energies, powers and currents of layers, out of numbers of each parameter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.training.losses import Loss
from nnrg.theory.synaptic._passages import Passage
from nnrg.theory.synaptic._samples import averages, data_arrays, finite
from nnrg.theory.synaptic.continuity import DepthContinuity
from nnrg.theory.synaptic.layer_chain import LayerChain
from nnrg.theory.synaptic.soft_neurons import Strain

__all__ = ["NeuronEnergy", "balance", "chain_data", "chain_row", "of_layers"]

Array = npt.NDArray[np.float64]

# Sums of so large numbers are still finite.
_LARGEST = 1e290


def chain_data(
    chain: LayerChain, inputs: npt.ArrayLike, targets: npt.ArrayLike, loss: Loss
) -> tuple[Array, Array]:
    """Return inputs (P, n_in), flat, and targets (P, n_out)."""
    x, _ = data_arrays(inputs, None)
    if x.shape[1] != chain.n_inputs:
        raise ArgumentError(
            f"inputs must be {chain.n_inputs} numbers of each sample, got {np.shape(inputs)}"
        )
    return x, np.asarray(loss.targets(targets, len(x), chain.n_outputs), dtype=np.float64)


def chain_row(chain: LayerChain, name: str, values: npt.ArrayLike) -> Array:
    """Return one number for each parameter."""
    row = finite(name, values)
    if row.shape != (chain.n_parameters,):
        raise ArgumentError(f"{name} must have shape ({chain.n_parameters},), got {row.shape}")
    return row


def balance(
    chain: LayerChain,
    velocity: Array,
    energy: Array,
    power: Array,
    lost: Array,
    found: Passage | Strain,
    note: str,
    neurons: NeuronEnergy | None = None,
) -> DepthContinuity:
    """Return the balance of rows of energy, power and loss of parameters, shared out to layers."""
    layers = range(1, chain.depth + 1)

    def by_layer(row: Array) -> Array:
        return np.array([row[chain.bounds(i)].sum() / chain.copies(i) for i in layers])

    rows = np.concatenate([energy, power, lost])
    if not np.abs(rows).max(initial=0.0) < _LARGEST:
        raise AnalysisError("energies leave double precision; take smaller velocities or friction")
    mean = averages(found.currents)
    # Of each sample by the currents, for the errors; by the gradients, for the means.
    drive = -np.diff(found.currents, axis=1) + found.inflow
    kinetic, rate, taken = by_layer(energy), by_layer(power), by_layer(lost)
    spread = np.zeros(chain.depth)
    if neurons is not None and isinstance(found, Strain):
        rates = neurons.power + found.stored_rate
        stored = averages(neurons.energy + found.stored)
        kinetic, spread = kinetic + stored.values, stored.errors()
        rate, taken = rate + rates.mean(axis=0), taken + neurons.lost.mean(axis=0)
        # What is left of each sample's balance is what it gives to the weights.
        drive = drive - rates - neurons.lost
    own = np.array(
        [-g @ velocity[chain.bounds(i)] for i, g in zip(layers, found.gradients, strict=True)]
    )
    shared = averages(np.hstack([np.zeros((len(drive), 1)), _handed_on(chain, drive)]))
    return DepthContinuity(
        names=chain.names,
        energy=kinetic,
        energy_error=spread,
        energy_rate=rate,
        dissipation=taken,
        current=mean.values.copy(),
        current_error=mean.errors(),
        shared=np.append(0.0, _handed_on(chain, own[None])[0]),
        shared_error=shared.errors(),
        inflow=found.inflow.mean(axis=0),
        boundary=found.cost,
        n_samples=len(found.currents),
        note=note,
    )


@dataclass(frozen=True, slots=True, eq=False)
class NeuronEnergy:
    """Kinetic energy, its rate and its loss to friction of soft neurons, (P, L)."""

    energy: Array
    power: Array
    lost: Array


def of_layers(parts: Iterable[Array]) -> Array:
    """Return sums over the neurons of each layer, (P, L)."""
    return np.stack([part.sum(axis=1) for part in parts], axis=1)


def _handed_on(chain: LayerChain, drive: Array) -> Array:
    """Return K_1 .. K_L of the power (., L) that each layer gives to a field it may share."""
    out = np.zeros_like(drive)
    fields = np.array(chain.fields)
    for field in set(chain.fields):
        at = np.flatnonzero(fields == field)
        if len(at) > 1:
            part = drive[:, at] - drive[:, at].mean(axis=1, keepdims=True)
            out[:, at[:-1]] = np.cumsum(part, axis=1)[:, :-1]
    return out
