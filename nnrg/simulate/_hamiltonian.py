"""Hybrid Monte Carlo: many chains at once, with the solvable part of the motion made exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from math import pi
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from nnrg.simulate._checkpoint import Arrays

__all__ = ["DIAGNOSTICS", "Chains", "Motion", "Target"]

Floats = npt.NDArray[np.float64]

# Columns after the coordinates in a configuration: energy error, and whether it was accepted.
DIAGNOSTICS = 2
# A quarter of the period of the harmonic part, after which it has forgotten where it began.
_TRAJECTORY = 0.5 * pi
# Lengths of trajectories vary by so much, so that no period of the motion is met twice.
_JITTER = 0.5
_ACCEPTANCE = 0.85
# Chains that share a step size and a stream of random numbers.
_GROUP = 16
_FIRST_STEP = 0.15
_SMALLEST, _LARGEST = 1e-4, 0.8


class Target(Protocol):
    """A density exp(-H) in coordinates q whose part without the potential moves exactly."""

    def draw(self, rng: np.random.Generator, n_chains: int) -> Floats:
        """Return coordinates to begin with, shape (n_chains, ...)."""
        ...

    def evaluate(self, q: Floats) -> tuple[Floats, Floats]:
        """Return the potential (C,) and the rate at which it changes the momenta, like q."""
        ...

    def harmonic(self, q: Floats) -> Floats:
        """Return the energy (C,) that is part of the exact motion."""
        ...

    def drift(self, q: Floats, p: Floats, time: float) -> tuple[Floats, Floats]:
        """Return coordinates and momenta after the exact motion."""
        ...


class Motion(NamedTuple):
    """State of some chains, with the potential and force that belong to the coordinates."""

    q: Floats
    p: Floats
    potential: Floats
    force: Floats

    def energy(self, target: Target) -> Floats:
        """Return the Hamiltonian, shape (C,)."""
        kinetic = 0.5 * np.square(self.p).reshape(len(self.p), -1).sum(axis=1)
        return np.asarray(kinetic + target.harmonic(self.q) + self.potential)

    def follow(self, target: Target, step: float, count: int) -> Motion:
        """Make `count` steps: half a kick by the force, the exact motion, half a kick."""
        q, p, potential, force = self
        for _ in range(count):
            p = p + 0.5 * step * force
            q, p = target.drift(q, p, step)
            potential, force = target.evaluate(q)
            p = p + 0.5 * step * force
        return Motion(q, p, potential, force)

    def back(self) -> Motion:
        """Turn the momenta round."""
        return self._replace(p=-self.p)


class _Group:
    """Chains that move together."""

    def __init__(self, target: Target, seed: np.random.SeedSequence, n_chains: int) -> None:
        self._target = target
        self.key = seed.generate_state(4, np.uint64)
        q = target.draw(self._rng(0), n_chains)
        self.energy_error = np.zeros(n_chains)
        self.accepted = np.ones(n_chains)
        self.state = Motion(q, np.zeros_like(q), *target.evaluate(q))
        self.step = _FIRST_STEP
        self.logarithms = np.zeros(2)

    def _rng(self, count: int) -> np.random.Generator:
        """Numbers of one trajectory: they depend on nothing but its place in the chain."""
        return np.random.default_rng([*map(int, self.key), count])

    def trajectory(self, count: int) -> float:
        """Make trajectory number `count`; return the mean probability of acceptance."""
        rng, target = self._rng(count + 1), self._target
        old = self.state._replace(p=rng.standard_normal(self.state.q.shape))
        length = _TRAJECTORY * (1 + _JITTER * (2 * rng.random() - 1))
        steps = max(1, round(length / self.step))
        # A trajectory may run away where the step is too long: it is then refused.
        with np.errstate(over="ignore", invalid="ignore"):
            new = old.follow(target, self.step, steps)
            change = new.energy(target) - old.energy(target)
            chance = np.where(np.isfinite(change), np.exp(-np.maximum(change, 0.0)), 0.0)
        taken = rng.random(len(change)) < chance
        wide = taken.reshape(-1, *(1,) * (old.q.ndim - 1))
        self.state = Motion(
            np.where(wide, new.q, old.q),
            old.p,
            np.where(taken, new.potential, old.potential),
            np.where(wide, new.force, old.force),
        )
        self.energy_error, self.accepted = change, taken.astype(np.float64)
        return float(chance.mean())

    def adapt(self, count: int, of: int) -> None:
        """Make a trajectory and move the step towards the acceptance aimed at.

        The step of the run is the geometric mean over the second half.
        """
        gain = self.trajectory(count) - _ACCEPTANCE
        step = self.step * np.exp(2.0 * gain / (count + 4) ** 0.6)
        self.step = float(np.clip(step, _SMALLEST, _LARGEST))
        if 2 * count >= of:
            self.logarithms += np.log(self.step), 1.0
        if count + 1 == of:
            self.step = float(np.exp(self.logarithms[0] / self.logarithms[1]))

    def reversal(self) -> float:
        """Return how far a trajectory there and back misses its start, beside its size."""
        rng = np.random.default_rng(self.key)
        old = self.state._replace(p=rng.standard_normal(self.state.q.shape))
        steps = max(1, round(_TRAJECTORY / self.step))
        there = old.follow(self._target, self.step, steps)
        again = there.back().follow(self._target, self.step, steps).back()
        size = max(float(np.abs(old.q).max()), 1.0)
        missed = (np.abs(again.q - old.q).max(), np.abs(again.p - old.p).max())
        return float(max(missed)) / size


class Chains:
    """All chains of a run, in groups that may be worked on by several threads.

    Parameters
    ----------
    target : Target
    n_chains : int
    stride : int
        Trajectories from one configuration to the next.
    n_workers : int
        Threads; the numbers do not depend on it.
    burn_in : int
        Trajectories in which the step is adapted.
    seed : SeedSequence
    """

    def __init__(
        self,
        target: Target,
        n_chains: int,
        stride: int,
        n_workers: int,
        burn_in: int,
        seed: np.random.SeedSequence,
    ) -> None:
        sizes = [min(_GROUP, n_chains - start) for start in range(0, n_chains, _GROUP)]
        self._groups = [
            _Group(target, child, size)
            for child, size in zip(seed.spawn(len(sizes)), sizes, strict=True)
        ]
        self._target = target
        self._stride, self._n_workers, self._burn_in = stride, n_workers, burn_in
        self._thermalised, self._trajectories = 0, 0

    @property
    def thermalised(self) -> int:
        return self._thermalised

    @property
    def steps(self) -> Floats:
        """Step size of each group, as a share of the unit of time of the harmonic part."""
        return np.array([group.step for group in self._groups])

    def thermalise(self, stop: int) -> None:
        """Make a trajectory of the burn-in."""
        self._each(lambda group: group.adapt(self._thermalised, self._burn_in))
        self._thermalised += 1
        self._trajectories += 1

    def advance(self) -> None:
        for _ in range(self._stride):
            self._each(lambda group: group.trajectory(self._trajectories))
            self._trajectories += 1

    def reversal(self) -> float:
        """Return how well trajectories of all chains can be reversed."""
        return max(group.reversal() for group in self._groups)

    def configuration(self) -> Floats:
        """Return coordinates, energy error and acceptance of each chain, shape (C, n + 2)."""
        return np.concatenate(
            [
                np.column_stack([g.state.q.reshape(len(g.state.q), -1), g.energy_error, g.accepted])
                for g in self._groups
            ]
        )

    def state(self) -> Arrays:
        return {
            "chains": self.configuration(),
            "steps": self.steps,
            "logarithms": np.array([group.logarithms for group in self._groups]),
            "keys": np.array([group.key for group in self._groups]),
            "counts": np.array([self._thermalised, self._trajectories]),
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        start = 0
        for i, group in enumerate(self._groups):
            size = len(group.accepted)
            rows = state["chains"][start : start + size]
            q = np.ascontiguousarray(rows[:, :-DIAGNOSTICS]).reshape(group.state.q.shape)
            group.state = Motion(q, np.zeros_like(q), *self._target.evaluate(q))
            group.energy_error, group.accepted = rows[:, -2].copy(), rows[:, -1].copy()
            group.step, group.logarithms = float(state["steps"][i]), state["logarithms"][i].copy()
            group.key = state["keys"][i].copy()
            start += size
        self._thermalised, self._trajectories = map(int, state["counts"])

    def _each(self, work: Callable[[_Group], object]) -> None:
        if self._n_workers == 1 or len(self._groups) == 1:
            for group in self._groups:
                work(group)
        else:
            with ThreadPoolExecutor(self._n_workers) as pool:
                list(pool.map(work, self._groups))
