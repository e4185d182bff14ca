"""Figures of Hamiltonian lattices: measured dispersion on the formula, and what is conserved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.plot._theory_panels import legend, look, new_axes, points
from nnrg.theory.hamiltonian.brillouin import BrillouinPath
from nnrg.theory.hamiltonian.dirac import DiracLattice
from nnrg.theory.hamiltonian.dispersion import Dispersion
from nnrg.theory.hamiltonian.dynamics import HamiltonianRun
from nnrg.theory.hamiltonian.klein_gordon import FieldHistory, KleinGordonLattice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["conservation", "dispersion_distance", "lattice_dispersion"]

Array = npt.NDArray[np.float64]
Lattice: TypeAlias = KleinGordonLattice | DiracLattice

_NAMES = {"Γ": r"$\Gamma$"}
# Where a change that rounding makes exactly zero is drawn.
_FLOOR = 1e-17
_MOST_FLAT = 1.2


def lattice_dispersion(
    measured: Dispersion | Mapping[str, Dispersion],
    lattice: Lattice | Mapping[str, Lattice],
    *,
    path: BrillouinPath | None = None,
    method: str = "exponential",
    ax: Axes | None = None,
) -> Axes:
    r"""Plot measured frequencies with their errors on the formula of the lattice.

    Parameters
    ----------
    measured : Dispersion, or mapping of str to Dispersion
        Points with one standard deviation, open where flagged; one set for each name.
    lattice : KleinGordonLattice or DiracLattice, or mapping with the same names
        Its formula is the line, the continuum's :math:`\omega^2 = m^2 + k^2` dashed.
    path : BrillouinPath, optional
        Modes in the order of `brillouin_path`; needed in two and three dimensions. By default
        against k of one axis.
    method : {"exponential", "cayley"}
        Steps of a `DiracLattice`.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        If names do not match, or there is no path in more than one dimension.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.hamiltonian import KleinGordonLattice, brillouin_path, measure_dispersion
    >>> plane = KleinGordonLattice((8, 8), mass=0.5, dt=0.2)
    >>> start = np.random.default_rng(1).normal(size=(2, 8, 8))
    >>> path = brillouin_path((8, 8))
    >>> found = measure_dispersion(plane.evolve(*start, records=200), path.modes)
    >>> ax = nnrg.plot.lattice_dispersion(found, plane, path=path)
    """
    sets = _named(measured, lattice)
    ax = new_axes(ax)
    top = 0.0
    for i, (name, (found, one)) in enumerate(sets.items()):
        at, k = _curve(one, path)
        omega = _formula(one, k, method)
        top = max(top, float(omega.max()))
        alone = len(sets) == 1
        ax.plot(
            at, omega, marker="", lw=0.9, color="black" if alone else look(i)["color"],
            label="formula" if alone else None,
        )  # fmt: skip
        x, kept = _places(found, one, path)
        points(
            ax, x, found.omega[kept], found.error[kept], look(i),
            name=name or "measured", doubtful=~found.good[kept],
        )  # fmt: skip
    masses = {one.mass for _, one in sets.values()}
    for mass in sorted(masses):
        first = next(one for _, one in sets.values() if one.mass == mass)
        at, k = _curve(first, path)
        along = np.sqrt(mass**2 + (k**2).sum(axis=0))
        named = "continuum" if mass == min(masses) else None
        ax.plot(at, along, color="0.5", ls="--", lw=0.7, marker="", zorder=1, label=named)
    ax.set_ylim(0, _MOST_FLAT * top or 1.0)
    _abscissa(ax, path)
    ax.set_ylabel(r"$\omega$")
    legend(ax, 3 if len(sets) == 1 else 2)
    return ax


def dispersion_distance(
    measured: Dispersion | Mapping[str, Dispersion],
    lattice: Lattice | Mapping[str, Lattice],
    *,
    path: BrillouinPath | None = None,
    method: str = "exponential",
    tolerance: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    r"""Plot how far measured frequencies are from the formula, and what their errors are.

    Parameters
    ----------
    measured, lattice, path, method
        As of `lattice_dispersion`. Modes with a flag are left out.
    tolerance : float, optional
        Drawn dotted.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Points: :math:`|\omega - \omega_\text{formula}|`; lines: one standard deviation.

    Raises
    ------
    ArgumentError
        If names do not match, or there is no path in more than one dimension.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.hamiltonian import KleinGordonLattice, measure_dispersion
    >>> ring = KleinGordonLattice(16, mass=0.5, dt=0.2)
    >>> start = np.random.default_rng(1).normal(size=(2, 16))
    >>> found = measure_dispersion(ring.evolve(*start, records=200))
    >>> ax = nnrg.plot.dispersion_distance(found, ring, tolerance=1e-6)
    """
    sets = _named(measured, lattice)
    ax = new_axes(ax)
    ax.set_yscale("log")
    for i, (name, (found, one)) in enumerate(sets.items()):
        x, kept = _places(found, one, path)
        good = found.good[kept]
        x, kept = x[good], kept[good]
        away = np.abs(found.omega[kept] - _formula(one, found.k[kept].T, method))
        appearance = {**look(i), "ls": "", "ms": 3}
        ax.plot(x, np.maximum(away, _FLOOR), label=name or "distance", **appearance)
        order = np.argsort(x, kind="stable")
        ax.plot(
            x[order], np.maximum(found.error[kept][order], _FLOOR),
            color=look(i)["color"], marker="", lw=0.7,
            label="error" if i == 0 else None,
        )  # fmt: skip
    if tolerance is not None:
        ax.axhline(tolerance, color="black", ls=":", lw=0.8, label=f"{tolerance:g}")
    low, high = ax.get_ylim()
    ax.set_ylim(low / 2, max(high, 2 * (tolerance or 0)))
    _abscissa(ax, path)
    ax.set_ylabel(r"$|\omega-\omega_{\mathrm{formula}}|$")
    legend(ax, 3)
    return ax


def conservation(
    runs: Mapping[str, HamiltonianRun | FieldHistory], *, ax: Axes | None = None
) -> Axes:
    """Plot the largest relative change so far of what should be conserved, against time.

    Parameters
    ----------
    runs : mapping of str to HamiltonianRun or FieldHistory
        Of a run the energy H, dashed, and with alternating steps the modified energy that they
        conserve, solid; of a history the squared norm of the field, solid.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Both logarithmic; a change of exactly zero is drawn at 1e-17.

    Raises
    ------
    ArgumentError
        If there is nothing to draw, or what is given has no energy, or one of zero at the start.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.hamiltonian import HamiltonianNet
    >>> net = HamiltonianNet.linear([[2.0, -1.0], [-1.0, 2.0]])
    >>> run = net.run([1.0, 0.0], [0.0, 0.0], dt=0.1, steps=100)
    >>> ax = nnrg.plot.conservation({"alternate": run})
    """
    if not isinstance(runs, Mapping) or not runs:
        raise ArgumentError('runs must be named, such as {"alternate": run}')
    ax = new_axes(ax)
    ax.set_xscale("log")
    ax.set_yscale("log")
    for i, (name, run) in enumerate(runs.items()):
        colour = look(i)["color"]
        if isinstance(run, FieldHistory):
            norm = np.sum(np.abs(run.values) ** 2, axis=tuple(range(1, run.values.ndim)))
            time = run.interval * np.arange(len(norm))
            drawn = [(norm, "-", name)]
        elif isinstance(run, HamiltonianRun) and np.isfinite(run.energy).all():
            time = run.time
            drawn = [(run.energy, "--", f"{name}, $H$")]
            if run.scheme == "alternate":
                drawn.append((run.modified_energy, "-", f"{name}, modified $H$"))
        else:
            raise ArgumentError(f"{name}: expected a run with energies or a FieldHistory")
        for values, line, title in drawn:
            if not values[0]:
                raise ArgumentError(f"{name}: starts from zero, no relative change; excite it")
            change = np.maximum.accumulate(np.abs(values[1:] / values[0] - 1))
            shown = np.maximum(change, _FLOOR)
            ax.plot(time[1:], shown, color=colour, ls=line, lw=0.9, marker="", label=title)
    ax.set_xlabel("$t$")
    norms = all(isinstance(run, FieldHistory) for run in runs.values())
    energies = not any(isinstance(run, FieldHistory) for run in runs.values())
    what = r" of $|\psi|^2$" if norms else " of the energy" if energies else ""
    ax.set_ylabel(f"largest relative change{what}")
    legend(ax, 2)
    return ax


def _named(
    measured: Dispersion | Mapping[str, Dispersion], lattice: Lattice | Mapping[str, Lattice]
) -> dict[str, tuple[Dispersion, Lattice]]:
    found = {"": measured} if isinstance(measured, Dispersion) else measured
    given = {"": lattice} if isinstance(lattice, Lattice) else lattice
    if not isinstance(found, Mapping) or not isinstance(given, Mapping):
        raise ArgumentError(
            f"expected dispersions and their lattices, got {shown(measured)} and {shown(lattice)}"
        )
    if not found or list(found) != list(given):
        raise ArgumentError(
            f"measured and lattice must have the same names, got {list(found)} and {list(given)}"
        )
    return {name: (found[name], given[name]) for name in found}


def _formula(lattice: Lattice, k: Array, method: str) -> Array:
    if isinstance(lattice, DiracLattice):
        return lattice.frequency(k, method)
    return lattice.frequency(k)


def _curve(lattice: Lattice, path: BrillouinPath | None) -> tuple[Array, Array]:
    """Return where a fine line is drawn, and its momenta."""
    if path is not None:
        if path.shape != lattice.shape or path.spacing != lattice.spacing:
            raise ArgumentError(f"the path must be that of {lattice.shape}, got {path.shape}")
        distance, k = path.between()
        return distance * lattice.spacing, k
    if lattice.dimension != 1:
        raise ArgumentError(
            f"{lattice.dimension} dimensions need a path; try path=brillouin_path(lattice.shape)"
        )
    k = np.linspace(0, np.pi / lattice.spacing, 400)[None]
    return k[0] * lattice.spacing, k


def _places(
    found: Dispersion, lattice: Lattice, path: BrillouinPath | None
) -> tuple[Array, npt.NDArray[np.intp]]:
    """Return where measured modes are drawn, and which those are."""
    a = lattice.spacing
    if path is None:
        return np.abs(found.k[:, 0]) * a, np.arange(len(found.omega))
    lengths = np.array(lattice.shape)
    numbers = np.rint(found.k * a * lengths / (2 * np.pi)).astype(np.int64) % lengths
    known = {tuple(number): i for i, number in enumerate(numbers.tolist())}
    pairs = [
        (distance * a, known[tuple(mode)])
        for mode, distance in zip(path.modes.tolist(), path.distance, strict=True)
        if tuple(mode) in known
    ]
    if not pairs:
        raise ArgumentError("no measured mode is on the path; give measure_dispersion path.modes")
    x, index = zip(*pairs, strict=True)
    return np.array(x), np.array(index, dtype=np.intp)


def _abscissa(ax: Axes, path: BrillouinPath | None) -> None:
    if path is None:
        ax.set_xlim(-0.05, np.pi + 0.05)
        ax.set_xticks([0, np.pi / 2, np.pi], ["0", r"$\pi/2$", r"$\pi$"])
        ax.set_xlabel("$ka$")
        return
    ends = [place * path.spacing for _, place in path.corners]
    for place in ends[1:-1]:
        ax.axvline(place, color="0.8", lw=0.5, zorder=0)
    ax.set_xlim(-0.02 * ends[-1], 1.02 * ends[-1])
    ax.set_xticks(ends, [_NAMES.get(name, name) for name, _ in path.corners])
    ax.set_xlabel("$k$, from corner to corner")
