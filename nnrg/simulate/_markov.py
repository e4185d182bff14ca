"""What every Markov chain of this package shares: samples in order, checkpoints, progress."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nnrg.progress import Told, reporter
from nnrg.simulate import _checkpoint

__all__ = ["SWEEPS_A_CALL", "Chain", "MetropolisChain", "run"]

# A run writes its checkpoint so often, in seconds, and spends at most this share of time on it.
_EVERY = 60.0
_SHARE = 0.02
SWEEPS_A_CALL = 25
"""Sweeps of one call of a kernel: an interrupt waits for no more."""
_TUNING_SWEEPS = 25
_ACCEPTANCE = 0.6


class Chain(Protocol):
    """A Markov chain that can be told to go on, and whose state is a few arrays."""

    @property
    def thermalised(self) -> int:
        """Steps of thermalisation made."""
        ...

    def thermalise(self, stop: int) -> None:
        """Make some steps of thermalisation, `stop` in all at most."""
        ...

    def advance(self) -> None:
        """Go on to the next configuration."""
        ...

    def configuration(self) -> npt.NDArray[Any]:
        """Return the configuration."""
        ...

    def state(self) -> _checkpoint.Arrays:
        """Return copies of all that decides how the chain goes on."""
        ...

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from such arrays."""
        ...


class MetropolisChain(ABC):
    """A chain of local steps, the width of which is set while it thermalises.

    Parameters
    ----------
    phi : float64 array
        The configuration to begin with, which is changed in place.
    curvature : float
        Of the action at a site: the square of the inverse width to begin with, but for a factor.
    keys : uint64 array
        Of the random numbers.
    stride : int
        Sweeps from one configuration to the next.
    """

    def __init__(
        self,
        phi: npt.NDArray[np.float64],
        curvature: float,
        keys: npt.NDArray[np.unsignedinteger[Any]],
        stride: int,
    ) -> None:
        self._phi, self._keys, self._stride = phi, keys, stride
        self._width = 2.0 / curvature**0.5
        self._thermalised, self._sweeps = 0, 0

    @abstractmethod
    def _update(self, stop: int) -> int:
        """Make sweeps up to the one numbered `stop`; return how many proposals were accepted."""

    @property
    def thermalised(self) -> int:
        """Steps of thermalisation made."""
        return self._thermalised

    def thermalise(self, stop: int) -> None:
        """Approach equilibrium, and the acceptance aimed at."""
        sweeps = min(_TUNING_SWEEPS, stop - self._thermalised)
        share = self._update(self._sweeps + sweeps) / (self._phi.size * sweeps)
        self._width *= min(2.0, max(0.5, share / _ACCEPTANCE))
        self._thermalised += sweeps

    def advance(self) -> None:
        """Go on to the next configuration."""
        self._update(self._sweeps + self._stride)

    def configuration(self) -> npt.NDArray[np.float64]:
        """Return the configuration."""
        return self._phi

    def state(self) -> _checkpoint.Arrays:
        """Return copies of all that decides how the chain goes on."""
        return {
            "field": self._phi.copy(),
            "keys": self._keys.copy(),
            "counts": np.array([self._thermalised, self._sweeps]),
            "width": np.array([self._width]),
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from such arrays."""
        self._phi[:], self._keys[:] = state["field"], state["keys"]
        self._thermalised, self._sweeps = map(int, state["counts"])
        self._width = float(state["width"][0])


def run(
    begin: Callable[[np.random.SeedSequence], Chain],
    n_samples: int,
    thermalise: int,
    *,
    identity: Mapping[str, object],
    seed: np.random.SeedSequence,
    seeded: bool,
    checkpoint: str | PathLike[str] | None,
    progress: Told | None,
) -> npt.NDArray[Any]:
    """Return `n_samples` configurations, going on from the checkpoint where there is one.

    Parameters
    ----------
    begin : callable
        Makes the chain from a seed.
    n_samples, thermalise : int
        Configurations, and steps of thermalisation before the first.
    identity : mapping
        What the numbers depend on besides the seed, as JSON.
    seed : SeedSequence
        Seed of a chain that begins.
    seeded : bool
        Whether the caller asked for this very seed: a checkpoint of another one is refused.
    checkpoint : path or None
        File to go on from, if it exists, and to keep.
    progress : callable or None
        Called with (configurations done, `n_samples`); None shows a bar on a terminal.
    """
    path = _checkpoint.as_path(checkpoint)
    chain = begin(seed)
    whole: dict[str, object] = {**identity, "seed": [str(seed.entropy), *map(str, seed.spawn_key)]}
    first = chain.configuration()
    found = np.empty((0, *first.shape), first.dtype)
    if path is not None and path.exists():
        known, arrays = _checkpoint.load(path, {**chain.state(), "samples": first[None]})
        if not seeded:
            whole["seed"] = known.get("seed")
        _checkpoint.require_same(path, known, whole)
        found = arrays.pop("samples")
        chain.restore(arrays)
    done = min(len(found), n_samples)
    out = np.empty((n_samples, *first.shape), first.dtype)
    out[:done] = found[:done]
    if done == n_samples:
        return out

    # State and count change in one step: whatever interrupts, they belong together.
    position = (chain.state(), done)
    saved, cost = time.monotonic(), 0.0
    told, close = reporter(str(identity["sampler"]), progress)
    try:
        while done < n_samples:
            if thermalising := chain.thermalised < thermalise:
                chain.thermalise(thermalise)
            else:
                chain.advance()
                out[done] = chain.configuration()
                done += 1
            if path is not None:
                position = (chain.state(), done)
                start = time.monotonic()
                if start - saved > max(_EVERY, cost / _SHARE):
                    _save(path, whole, position, out)
                    saved = time.monotonic()
                    cost = saved - start
            if not thermalising or progress is None:
                told(done, n_samples)
    finally:
        close()
        if path is not None:
            _save(path, whole, position, out)
    return out


def _save(
    path: Path,
    identity: Mapping[str, object],
    position: tuple[_checkpoint.Arrays, int],
    out: npt.NDArray[Any],
) -> None:
    state, done = position
    _checkpoint.save(path, identity, {**state, "samples": out[:done]})
