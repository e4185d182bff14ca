"""Samples of networks that were engineered to be a phi^4 theory, and of its exact limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.progress import Told
from nnrg.simulate._engineered_target import ModeTarget, NetworkTarget
from nnrg.simulate._hamiltonian import DIAGNOSTICS, Chains, Target
from nnrg.simulate._markov import run
from nnrg.simulate._trajectories import Trajectories
from nnrg.simulate.engineered_network import EngineeredNetwork
from nnrg.simulate.engineered_sample import EngineeredSample, LimitSample, node_fields

__all__ = ["sample_engineered", "sample_engineered_limit"]

Floats = npt.NDArray[np.float64]


def sample_engineered(
    network: EngineeredNetwork,
    n_samples: int = 300,
    *,
    n_chains: int = 32,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    burn_in: int = 100,
    stride: int = 1,
    n_workers: int = 1,
    checkpoint: str | PathLike[str] | None = None,
    progress: Told | None = None,
) -> EngineeredSample:
    r"""Draw networks from an engineered density by Hamiltonian Monte Carlo.

    Parameters
    ----------
    network : EngineeredNetwork
        The density, from `nnrg.theory.engineering.engineer`.
    n_samples : int
        Networks from each chain, at least 4.
    n_chains : int
        Independent chains, moved together; at least 2.
    rng : numpy.random.Generator, numpy.random.SeedSequence, int or None
        Source of randomness.
    burn_in : int
        Trajectories before the first sample, at least 10. They begin with draws of the free
        theory, and set the step of the integrator, which is fixed from then on.
    stride : int
        Trajectories from one sample to the next.
    n_workers : int
        Threads; the result is the same for any number.
    checkpoint : path, optional
        A file to go on from where it exists, and to keep once a minute, when interrupted, and at
        the end.
    progress : callable, optional
        Called with (samples of each chain done, n_samples). By default a bar on stderr after
        two seconds, if that is a terminal.

    Returns
    -------
    EngineeredSample

    Raises
    ------
    ArgumentError
        If a count is too small, or the checkpoint is of another chain.
    FormatError
        If the checkpoint is damaged.
    SourceError
        If the checkpoint cannot be read or written.

    Notes
    -----
    Hamiltonian Monte Carlo (S. Duane et al., Phys. Lett. B 195 (1987) 216,
    doi:10.1016/0370-2693(87)91197-X). One step is half a kick by the exact gradient of the
    interaction, the exact motion of the rest, half a kick: amplitudes turn harmonically, phases
    go round, and momenta fly in the ball and are reflected at its surface. Both parts preserve
    phase space and can be reversed, so the density is sampled exactly for any step; where momenta
    are reflected the energy error is of first order in it instead of second. A trajectory
    takes a quarter of the period of the amplitudes, half as long to half as long again at
    random. Reweighting of free networks is no alternative: the variance of the weights grows
    as :math:`e^{O(\lambda^2 V)}`.

    Momenta diffuse over the ball in about :math:`(\Lambda L / 14)^2` trajectories, while the field
    is new after about two. They begin with the density of the free theory, from which that of
    the interacting one differs at order 1/N; the diagnostics tell how they mix.

    Examples
    --------
    >>> network = EngineeredNetwork(mass=1.0, coupling=2.0, cutoff=4.0, box=4.0, width=16)
    >>> sample = sample_engineered(network, 20, n_chains=8, burn_in=20, rng=1)
    >>> sample.amplitudes.shape, sample.momenta.shape
    ((20, 8, 16), (20, 8, 1, 16))
    >>> sample.trajectories.reversal < 1e-10
    True
    """
    _check(network)
    values, chains, seed = _run(
        "engineered networks", lambda: NetworkTarget(network), network, n_samples,
        n_chains, rng, burn_in, stride, n_workers, checkpoint, progress,
    )  # fmt: skip
    parameters = values[:, :, :-DIAGNOSTICS].reshape(
        len(values), -1, network.dimension + 2, network.width
    )
    fields = node_fields(network, parameters)
    momenta = np.square(parameters[:, :, 1:-1]).sum(axis=2).mean(axis=2).T
    trajectories = _trajectories(network, values, fields, chains, burn_in, stride, momenta)
    return EngineeredSample(network, parameters, trajectories, seed)


def sample_engineered_limit(
    network: EngineeredNetwork,
    n_samples: int = 1000,
    *,
    n_chains: int = 32,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    burn_in: int = 100,
    stride: int = 1,
    n_workers: int = 1,
    checkpoint: str | PathLike[str] | None = None,
    progress: Told | None = None,
) -> LimitSample:
    r"""Draw fields of the theory that a network has in the limit of infinite width.

    Parameters
    ----------
    network : EngineeredNetwork
        Mass, coupling, cutoff and box; width and split do not matter.
    n_samples, n_chains, rng, burn_in, stride, n_workers, checkpoint, progress
        As for `sample_engineered`.

    Returns
    -------
    LimitSample

    Raises
    ------
    ArgumentError
        If a count is too small, or the checkpoint is of another chain.
    FormatError
        If the checkpoint is damaged.
    SourceError
        If the checkpoint cannot be read or written.

    Notes
    -----
    The Gaussian field of propagator G in the box is a sum of Karhunen-Loeve modes with
    independent normal coefficients; those and the interaction are sampled as in
    `sample_engineered`. Modes of less than 1e-13 of the largest variance are left out.

    Examples
    --------
    >>> network = EngineeredNetwork(mass=1.0, coupling=2.0, cutoff=4.0, box=4.0, width=16)
    >>> limit = sample_engineered_limit(network, 20, n_chains=8, burn_in=20, rng=1)
    >>> limit.values.shape
    (8, 20, 34)
    """
    _check(network)
    targets: list[ModeTarget] = []

    def target() -> ModeTarget:
        targets.append(ModeTarget(network))
        return targets[-1]

    values, chains, seed = _run(
        "phi^4 theory with a cutoff", target, network, n_samples,
        n_chains, rng, burn_in, stride, n_workers, checkpoint, progress,
    )  # fmt: skip
    basis = targets[-1].basis
    fields = np.ascontiguousarray((values[:, :, :-DIAGNOSTICS] @ basis).swapaxes(0, 1))
    trajectories = _trajectories(network, values, fields, chains, burn_in, stride)
    return LimitSample(network, fields, len(basis), trajectories, seed)


def _check(network: object) -> None:
    if not isinstance(network, EngineeredNetwork):
        raise ArgumentError(
            f"expected an EngineeredNetwork, got {shown(network)}; make one with engineer(...)"
        )


def _run(
    sampler: str,
    target: Callable[[], Target],
    network: EngineeredNetwork,
    n_samples: int,
    n_chains: int,
    rng: np.random.Generator | np.random.SeedSequence | int | None,
    burn_in: int,
    stride: int,
    n_workers: int,
    checkpoint: str | PathLike[str] | None,
    progress: Told | None,
) -> tuple[Floats, Chains, tuple[str, ...]]:
    n_samples = as_count("n_samples", n_samples, 4, 1 << 31)
    n_chains = as_count("n_chains", n_chains, 2)
    burn_in, stride = as_count("burn_in", burn_in, 10), as_count("stride", stride)
    n_workers = as_count("n_workers", n_workers)
    begun: list[Chains] = []
    seed = as_seed(rng)

    def begin(source: np.random.SeedSequence) -> Chains:
        begun.append(Chains(target(), n_chains, stride, n_workers, burn_in, source))
        return begun[-1]

    # That of a checkpoint is known to nobody here.
    unknown = rng is None and isinstance(checkpoint, str | PathLike) and Path(checkpoint).exists()
    values = run(
        begin,
        n_samples,
        burn_in,
        identity={
            "sampler": sampler,
            "network": {
                name: value.hex() if isinstance(value, float) else value
                for name, value in asdict(network).items()
            },
            "n_chains": n_chains,
            "burn_in": burn_in,
            "stride": stride,
        },
        seed=seed,
        seeded=rng is not None,
        checkpoint=checkpoint,
        progress=progress,
    )  # fmt: skip
    text = () if unknown else (str(seed.entropy), *map(str, seed.spawn_key))
    return values, begun[-1], text


def _trajectories(
    network: EngineeredNetwork,
    values: Floats,
    fields: Floats,
    chains: Chains,
    burn_in: int,
    stride: int,
    momenta: Floats | None = None,
) -> Trajectories:
    weights = network.quadrature()[1]
    square = fields**2
    return Trajectories(
        energy_errors=values[:, :, -2],
        accepted=values[:, :, -1],
        steps=chains.steps,
        reversal=chains.reversal(),
        burn_in=burn_in,
        stride=stride,
        observables={"int phi^2": square @ weights, "int phi^4": square**2 @ weights},
        momenta=momenta,
    )
