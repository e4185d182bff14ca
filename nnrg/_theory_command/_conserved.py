"""What steps of Hamiltonian lattices conserve and what others do not, for ``nnrg theory``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nnrg.theory.hamiltonian import DiracLattice, KleinGordonLattice

__all__ = ["conserved"]

_STEPS = 10_000


def conserved(
    lattice: KleinGordonLattice | DiracLattice,
    rng: np.random.Generator,
    lines: list[str],
    body: dict[str, Any],
) -> dict[str, Any]:
    """Take many steps of a small lattice of the same numbers by each scheme."""
    from dataclasses import replace

    from nnrg.theory.hamiltonian import DiracLattice

    small = (4,) * lattice.dimension
    if isinstance(lattice, DiracLattice):
        return _conserved_norm(replace(lattice, shape=small), rng, lines, body)
    return _conserved_energy(replace(lattice, shape=small), rng, lines, body)


def _conserved_energy(
    lattice: KleinGordonLattice, rng: np.random.Generator, lines: list[str], body: dict[str, Any]
) -> dict[str, Any]:
    from nnrg.theory.hamiltonian import HamiltonianNet

    sites, dt = int(np.prod(lattice.shape)), lattice.dt
    net = HamiltonianNet.linear(lattice.weights().toarray())
    start = rng.normal(size=(2, sites))
    run = net.run(*start, dt=dt, steps=_STEPS, every=10)
    steps = _growing_steps(dt, float(lattice.eigenvalues().max()))
    grown = net.run(*start, dt=dt, steps=steps, scheme="simultaneous")
    swing = float(np.abs(run.energy / run.energy[0] - 1).max())
    growth = float(grown.energy[-1] / grown.energy[0])
    lines.append(
        f"{_STEPS} alternating steps of {sites} neurons: energy swings by {swing:.2g}, "
        f"modified energy changes by {run.drift:.2g}; {steps} simultaneous steps multiply the "
        f"energy by {growth:.3g}"
    )
    body["conservation"] = {
        "steps": _STEPS,
        "energy_swing": swing,
        "modified_energy_drift": run.drift,
        "simultaneous_steps": steps,
        "simultaneous_growth": growth,
    }
    return {"alternating": run, "simultaneous": grown}


def _conserved_norm(
    lattice: DiracLattice, rng: np.random.Generator, lines: list[str], body: dict[str, Any]
) -> dict[str, Any]:
    from nnrg.theory.hamiltonian import FieldHistory

    dt, weights = lattice.dt, lattice.weights()
    psi = rng.normal(size=(lattice.components, *lattice.shape))
    runs = {
        name: lattice.evolve(psi, records=_STEPS + 1, method=method)
        for name, method in (("Cayley", "cayley"), ("exponential", "exponential"))
    }
    steps = _growing_steps(dt, float(lattice.frequency().max()) ** 2)
    euler = np.empty((steps + 1, psi.size))
    euler[0] = psi.ravel()
    for i in range(steps):
        euler[i + 1] = euler[i] + dt * (weights @ euler[i])
    runs["Euler"] = FieldHistory(euler[:, None], dt)
    change = {
        name: float(np.abs(_norms(run) / _norms(run)[0] - 1).max()) for name, run in runs.items()
    }
    lines.append(
        f"largest relative change of the squared norm of {psi[0].size} sites: Cayley "
        f"{change['Cayley']:.2g} and exponential {change['exponential']:.2g} in "
        f"{_STEPS} steps, Euler {change['Euler']:.3g} in {steps}"
    )
    body["conservation"] = {"steps": _STEPS, "euler_steps": steps, "norm_change": change}
    return runs


def _growing_steps(dt: float, fastest: float) -> int:
    """Return a number of steps after which a growing mode has doubled some thirty times."""
    return max(2, min(_STEPS, int(20 / (dt**2 * fastest)) + 1))


def _norms(run: Any) -> Any:
    return np.sum(run.values**2, axis=tuple(range(1, run.values.ndim)))
