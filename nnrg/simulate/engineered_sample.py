"""What sampling an engineered network gives: parameters, fields, and whether to trust them."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, pi

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real
from nnrg.errors import ArgumentError
from nnrg.fields import Lattice, SynapticField
from nnrg.simulate._trajectories import Trajectories
from nnrg.simulate.engineered_network import EngineeredNetwork

__all__ = ["EngineeredSample", "LimitSample"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class EngineeredSample:
    """Networks drawn from an engineered density.

    Attributes
    ----------
    network : EngineeredNetwork
        The density.
    parameters : array of shape (n_samples, n_chains, 1 + d + 1, N)
        Amplitudes, components of the momenta, and phases.
    trajectories : Trajectories
        Acceptance, energy test, reversibility, autocorrelation times, R-hat.
    seed : tuple of str
        Entropy and spawn key of the seed, from which the numbers can be made again; empty where a
        checkpoint was continued without asking for one.
    """

    network: EngineeredNetwork
    parameters: Floats
    trajectories: Trajectories
    seed: tuple[str, ...]

    def __post_init__(self) -> None:
        self.parameters.flags.writeable = False

    def __str__(self) -> str:
        return f"{self.network}\n{self.trajectories}"

    @property
    def amplitudes(self) -> Floats:
        """a, shape (n_samples, n_chains, N)."""
        return self.parameters[:, :, 0]

    @property
    def momenta(self) -> Floats:
        """b, shape (n_samples, n_chains, d, N)."""
        return self.parameters[:, :, 1:-1]

    @property
    def phases(self) -> Floats:
        """c, shape (n_samples, n_chains, N)."""
        return self.parameters[:, :, -1]

    @property
    def flag(self) -> str:
        """Why the sample should not be trusted; empty if there is no reason."""
        return self.trajectories.flag

    def node_fields(self) -> Floats:
        """Return the outputs at the nodes of the box, shape (n_chains, n_samples, K)."""
        return node_fields(self.network, self.parameters)

    def fields(self, points: npt.ArrayLike) -> Floats:
        """Return the outputs at points (K, d), shape (n_chains, n_samples, K).

        Raises
        ------
        ArgumentError
            If the shape does not fit.
        """
        n_samples, n_chains, _, width = self.parameters.shape
        a, c = (x.reshape(-1, width) for x in (self.amplitudes, self.phases))
        b = self.momenta.reshape(-1, self.network.dimension, width)
        values = self.network.fields(a, b, c, points).reshape(n_samples, n_chains, -1)
        return np.ascontiguousarray(values.swapaxes(0, 1))

    def synaptic_field(self, spacing: float | None = None) -> SynapticField:
        """Return the outputs on a lattice in the box, one sample a network.

        Parameters
        ----------
        spacing : float, optional
            Unit of length; pi / cutoff if left out, at which the lattice holds all waves.

        Raises
        ------
        ArgumentError
            If fewer than two sites fit into the box.
        """
        network = self.network
        step = pi / network.cutoff if spacing is None else as_real("spacing", spacing)
        count = floor(network.box / step * (1 + 1e-12)) + 1 if step > 0 else 0
        if count < 2:
            raise ArgumentError(
                f"spacing must be positive and at most the box, {network.box:g}, got {step:g}"
            )
        line = step * (np.arange(count) - 0.5 * (count - 1))
        axes = np.meshgrid(*(line,) * network.dimension, indexing="ij")
        points = np.stack(axes, axis=-1).reshape(-1, network.dimension)
        sites = Lattice((count,) * network.dimension)
        values = self.fields(points).reshape(-1, *sites.shape)
        return SynapticField(
            values,
            sites,
            name="engineered phi^4",
            sample="network",
            natural=True,
            notes=(str(network), f"spacing {step:.6g}", "samples of one chain follow one another"),
        )


@dataclass(frozen=True, slots=True, eq=False)
class LimitSample:
    """Fields of the limit of infinite width, at the nodes of the box.

    Attributes
    ----------
    network : EngineeredNetwork
        What it is the limit of; its width and split do not matter.
    values : array of shape (n_chains, n_samples, K)
    n_modes : int
        Karhunen-Loeve modes that the field is made of.
    trajectories : Trajectories
    seed : tuple of str
    """

    network: EngineeredNetwork
    values: Floats
    n_modes: int
    trajectories: Trajectories
    seed: tuple[str, ...]

    def __post_init__(self) -> None:
        self.values.flags.writeable = False

    def __str__(self) -> str:
        return f"infinite width, {self.n_modes} modes, of {self.network}\n{self.trajectories}"

    @property
    def flag(self) -> str:
        """Why the sample should not be trusted; empty if there is no reason."""
        return self.trajectories.flag

    def node_fields(self) -> Floats:
        """Return the fields at the nodes of the box, shape (n_chains, n_samples, K)."""
        return self.values


def node_fields(network: EngineeredNetwork, parameters: Floats) -> Floats:
    n_samples, n_chains = parameters.shape[:2]
    out = np.empty((n_chains, n_samples, len(network.quadrature()[1])))
    # A few dozen networks at a time stay in the cache.
    size = max(1, ceil(32 / n_chains))
    for start in range(0, n_samples, size):
        some = parameters[start : start + size].reshape(-1, *parameters.shape[2:])
        found = network.waves(some[:, 0], some[:, 1:-1], some[:, -1]).field()
        out[:, start : start + size] = found.reshape(-1, n_chains, found.shape[1]).swapaxes(0, 1)
    return out
