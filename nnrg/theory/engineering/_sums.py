"""Moments of the field that the Schwinger-Dyson equations of a phi^4 theory are made of."""

from __future__ import annotations

from math import ceil

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.simulate._engineered_target import node_propagator
from nnrg.simulate.engineered_network import EngineeredNetwork
from nnrg.simulate.engineered_sample import EngineeredSample
from nnrg.stats.replicates import Replicates

__all__ = [
    "N_FIELD",
    "blocked",
    "couplings_of",
    "couplings_of_parameters",
    "field_sums",
    "network_sums",
    "propagator_matrix",
    "residual_of",
]

Floats = npt.NDArray[np.float64]

# Numbers that `field_sums` gives for each sample.
N_FIELD = 8
# Independent groups that an error is made of, at least.
_GROUPS = 16
_FEWEST_CHAINS = 2


def propagator_matrix(network: EngineeredNetwork) -> Floats:
    """Return w G w between the nodes of the box, shape (K, K)."""
    weights = network.quadrature()[1]
    return np.asarray(weights[:, None] * node_propagator(network) * weights)


def field_sums(network: EngineeredNetwork, fields: Floats) -> Floats:
    """Return integrals of each field: phi^2, phi^4, phi^6, and phi^j G phi^k, shape (..., 8).

    (j, k) is (1, 1), (1, 3), (3, 3), (1, 5), (3, 5). No inverse of G is needed.
    """
    weights, matrix = network.quadrature()[1], propagator_matrix(network)
    square = fields**2
    cube = square * fields
    fifth = cube * square
    first, third = fields @ matrix, cube @ matrix
    parts = [square @ weights, square**2 @ weights, cube**2 @ weights]
    pairs = ((first, fields), (first, cube), (third, cube), (first, fifth), (third, fifth))
    parts += [(a * b).sum(axis=-1) for a, b in pairs]
    return np.stack(parts, axis=-1)


def couplings_of(sums: Floats, network: EngineeredNetwork) -> Floats:
    """Return (mass shift, coupling, coupling at the mass shift asked for) of averaged sums."""
    tadpole, volume = network.tadpole, network.box**network.dimension
    s2, s4, _, p11, p13, p33, *_ = sums
    matrix = np.array([[p11, p13 / 6], [p13 / 6, p33 / 36]])
    given = np.array([tadpole * volume - s2, 0.5 * tadpole * s2 - s4 / 6])
    return _solved(matrix, given, network)


def residual_of(sums: Floats, found: Floats, network: EngineeredNetwork) -> float:
    """Return what the equation of the test function phi^5 lacks; zero for a phi^4 action."""
    _, s4, s6, _, _, _, p15, p35 = sums
    tadpole = network.tadpole
    return float(tadpole * s4 / 24 - s6 / 120 - found[0] * p15 / 120 - found[1] * p35 / 720)


def network_sums(sample: EngineeredSample, fields: Floats) -> Floats:
    """Return the same five integrals with the covariance of each network's own waves, (C, S, 5).

    For given momenta and phases the field is Gaussian in the amplitudes but for the interaction, so
    that their Schwinger-Dyson equations hold at any width.
    """
    network = sample.network
    nodes, weights = network.quadrature()
    n_samples, n_chains = sample.parameters.shape[:2]
    out = np.empty((n_chains, n_samples, 5))
    for s in range(n_samples):
        b, c = sample.momenta[s], sample.phases[s]
        unit = network.strengths(np.ones_like(c), b)
        waves = np.cos(np.swapaxes(b, 1, 2) @ nodes.T + c[..., None])
        waves *= unit[..., None]
        phi = fields[:, s]
        variance = np.einsum("cnk,cnk->ck", waves, waves)
        pulls = waves @ np.stack([weights * phi, weights * phi**3], axis=2)
        out[:, s, 0] = (variance - phi**2) @ weights
        out[:, s, 1] = (0.5 * variance * phi**2 - phi**4 / 6) @ weights
        out[:, s, 2:] = np.stack(
            [(pulls[..., i] * pulls[..., j]).sum(axis=1) for i, j in ((0, 0), (0, 1), (1, 1))],
            axis=1,
        )
    return out


def couplings_of_parameters(sums: Floats, network: EngineeredNetwork) -> Floats:
    """Return (mass shift, coupling, coupling at the mass shift asked for) of `network_sums`."""
    first, second, p11, p13, p33 = sums
    matrix = np.array([[p11, p13 / 6], [p13 / 6, p33 / 36]])
    return _solved(matrix, np.array([first, second]), network)


def _solved(matrix: Floats, given: Floats, network: EngineeredNetwork) -> Floats:
    mass, coupling = np.linalg.solve(matrix, given)
    alone = (given[1] - network.counterterm * matrix[1, 0]) / matrix[1, 1]
    return np.array([mass, coupling, alone])


def blocked(sums: Floats) -> Replicates:
    """Return means of (C, S, p), leaving out whole chains, or parts of them where they are few.

    Raises
    ------
    AnalysisError
        If chains are too few and too short.
    """
    n_chains, n_samples, size = sums.shape
    parts = 1 if n_chains >= _GROUPS else ceil(_GROUPS / n_chains)
    length = n_samples // parts
    if n_chains < _FEWEST_CHAINS or length < 1:
        raise AnalysisError(
            f"{n_chains} chain(s) of {n_samples} samples make no {_GROUPS} groups; "
            "take more chains or longer ones"
        )
    kept = sums[:, : parts * length].reshape(n_chains * parts, length, size)
    return Replicates.of_mean(kept.mean(axis=1), max_groups=n_chains * parts)
