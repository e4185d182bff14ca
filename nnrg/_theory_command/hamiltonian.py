"""``nnrg theory hamiltonian``: waves of a lattice, or the square matrices of a network read."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrg._commands import load_model
from nnrg._selection import choose
from nnrg._theory_command._conserved import conserved
from nnrg._theory_command.outcome import Outcome, assumed, numbers
from nnrg._theory_command.record import record
from nnrg.errors import AnalysisError, ArgumentError, FormatError, SourceError

if TYPE_CHECKING:
    from nnrg.networks.network import Network
    from nnrg.theory.hamiltonian import DiracLattice, Dispersion, KleinGordonLattice
    from nnrg.theory.hamiltonian.network_reading import NetworkReading

__all__ = ["hamiltonian"]

_OF_LATTICE = ("lattice", "size", "mass", "spacing", "dt", "wilson", "steps", "noise", "records")
_OF_MODEL = ("network", "tensors", "neighbours", "heads", "levels", "draws")
_TOLERANCE = 1e-6
# Numbers of a history that is kept in memory.
_MOST_NUMBERS = 1 << 27
_PANELS = ("symmetric", "klein_gordon_distance", "dirac_distance", "henrici", "kinetic")


def hamiltonian(arguments: argparse.Namespace) -> Outcome:
    """Measure the waves of a lattice, or read the matrices of a network."""
    refused = _OF_MODEL if arguments.model is None else _OF_LATTICE
    for name in refused:
        if getattr(arguments, name) is not None:
            whose = "a MODEL; give one" if arguments.model is None else "a lattice, without MODEL"
            raise ArgumentError(f"--{name} is of {whose}, or leave it out")
    return _lattice(arguments) if arguments.model is None else _network(arguments)


def _lattice(arguments: argparse.Namespace) -> Outcome:
    from nnrg.theory.hamiltonian import (
        DiracLattice,
        FieldHistory,
        KleinGordonLattice,
        brillouin_path,
        measure_dispersion,
    )

    shape = tuple(numbers(arguments.size or "64", "--size", int))
    given = {
        name: getattr(arguments, name)
        for name in ("mass", "spacing", "dt", "wilson")
        if getattr(arguments, name) is not None
    }
    given.setdefault("mass", 0.5)
    kind = (arguments.lattice or "kg").lower()
    if kind == "kg":
        if {"wilson"} & set(given) or arguments.steps:
            raise ArgumentError("--wilson and --steps are of --lattice dirac; leave them out")
        lattice: KleinGordonLattice | DiracLattice = KleinGordonLattice(shape, **given)
    else:
        lattice = DiracLattice(shape, **given)
    path = brillouin_path(lattice.shape, lattice.spacing)
    records = 512 if arguments.records is None else arguments.records
    parts = lattice.components if isinstance(lattice, DiracLattice) else 1
    if not 64 <= records or records * parts * int(np.prod(lattice.shape)) > _MOST_NUMBERS:
        raise ArgumentError(
            f"--records: expected at least 64, and with the lattice at most {_MOST_NUMBERS} "
            f"numbers, got {records} of {parts} x {lattice.shape}"
        )
    noise = 0.0 if arguments.noise is None else arguments.noise
    if not 0 <= noise < np.inf:
        raise ArgumentError(f"--noise: expected a standard deviation of at least 0, got {noise:g}")
    rng = np.random.default_rng(arguments.seed)
    method = arguments.steps or "cayley"
    if isinstance(lattice, DiracLattice):
        history = lattice.evolve(
            rng.normal(size=(parts, *lattice.shape)), records=records, method=method
        )
        expected: Callable[..., Any] = partial(lattice.frequency, method=method)
    else:
        history = lattice.evolve(*rng.normal(size=(2, *lattice.shape)), records=records)
        expected = lattice.frequency
    if noise:
        noisy = history.values + noise * rng.normal(size=history.values.shape)
        history = FieldHistory(noisy, history.interval, history.spacing)
    # The path ends where it began, and passes each mode once.
    modes = np.unique(path.modes, axis=0)
    found = measure_dispersion(history, modes, expected=expected)
    lines = [_title(lattice, method, noise), str(found)]
    body: dict[str, Any] = {"lattice": record(lattice, "dimension"), "dispersion": record(found)}
    _say_fit(lattice, found, method, lines, body)
    runs = conserved(lattice, rng, lines, body)
    from nnrg import plot

    common: dict[str, Any] = {"path": path, "method": method}
    panels: list[Callable[..., object]] = [
        lambda ax: plot.lattice_dispersion(found, lattice, ax=ax, **common),
        lambda ax: plot.dispersion_distance(
            found, lattice, tolerance=None if noise else _TOLERANCE, ax=ax, **common
        ),
    ]
    last: list[Callable[..., object]] = [lambda ax: plot.conservation(runs, ax=ax)]
    notes = [
        "frequencies: least squares over all times, errors by jackknife over runs of times",
        "the field starts from independent normal numbers",
    ]
    lines += [f"assumed: {line}" for line in notes]
    body["assumptions"] = notes
    pages = {"": panels, "-conservation": last}
    small = f"{' x '.join(['4'] * lattice.dimension)} sites, mass, spacing and dt as asked for"
    return Outcome(
        "\n".join(lines),
        body,
        found.to_dataframe(),
        pages,
        notes={"": assumed(notes), "-conservation": small},
    )


def _title(lattice: KleinGordonLattice | DiracLattice, method: str, noise: float) -> str:
    from nnrg.theory.hamiltonian import DiracLattice

    size = " x ".join(map(str, lattice.shape))
    text = f"mass {lattice.mass:g}, spacing {lattice.spacing:g}, dt {lattice.dt:g}"
    if isinstance(lattice, DiracLattice):
        text = f"Dirac field on {size}: {text}, Wilson r {lattice.wilson:g}, {method} steps"
    else:
        limit = f"stable below {lattice.stability_limit:.6g}"
        text = f"Klein-Gordon field on {size}: {text} ({limit})"
    return text + (f", noise {noise:g} added to each record" if noise else "")


def _say_fit(
    lattice: KleinGordonLattice | DiracLattice,
    found: Dispersion,
    method: str,
    lines: list[str],
    body: dict[str, Any],
) -> None:
    """Fit mass and speed by the lattice's relation, and say what a Dirac field has besides."""
    from nnrg.theory.hamiltonian import (
        DiracLattice,
        clifford_check,
        fit_dispersion,
        majorana_matrices,
    )

    relation = "klein_gordon"
    if isinstance(lattice, DiracLattice):
        relation = "dirac_cayley" if method == "cayley" else "dirac"
        doublers = lattice.doublers()
        clifford = clifford_check(*majorana_matrices(lattice.dimension))
        lines += [str(clifford), str(doublers)]
        body["doublers"] = {**record(doublers), "count": doublers.count}
        body["clifford"] = record(clifford, "residual")
        if lattice.wilson:
            lines.append("no fit: with a Wilson term omega^2 is not linear in m^2 and c^2")
            return
    try:
        fit = fit_dispersion(found, relation=relation, dt=lattice.dt)
    except AnalysisError as error:
        lines.append(f"no fit: {error}")
        return
    lines.append(f"{fit}; asked for m^2 = {lattice.mass**2:g}, c^2 = 1")
    body["fit"] = record(fit)


def _network(arguments: argparse.Namespace) -> Outcome:
    from nnrg.progress import Progress
    from nnrg.theory.hamiltonian import read_network

    net, name = _loaded(arguments)
    names = choose(net, tuple(arguments.tensors)) if arguments.tensors else None
    bar = Progress(enabled=False if arguments.quiet or arguments.no_progress else None)
    try:
        found = read_network(
            net,
            names,
            heads=arguments.heads,
            neighbours=arguments.neighbours or "file",
            levels=arguments.levels,
            draws=48 if arguments.draws is None else arguments.draws,
            rng=arguments.seed,
            progress=bar,
        )
    except AnalysisError as error:
        # Weights out of a record do not know which file they are from.
        raise AnalysisError(str(error).replace(net.name, name)) from None
    finally:
        bar.close()
    found = replace(found, network=name)
    text = str(found)
    if len(found.readings) == 1:
        text += f"\n\n{found.readings[0]}"
    body = record(found)
    for one in body["readings"]:  # all of them are the rows of the network
        del one["rows"], one["replicates"]
    body["provenance_of_model"] = dict(found.attrs)
    pages = _pages(found)
    return Outcome(
        text, body, found.to_dataframe(), pages, assumed(found.assumptions), _page_notes(found)
    )


def _loaded(arguments: argparse.Namespace) -> tuple[Network, str]:
    """Return a model, or the network that a recorded training ended with, and its name."""
    from nnrg.simulate.training import open_record
    from nnrg.simulate.training._header import read_header

    try:
        read_header(Path(arguments.model))
    except (FormatError, SourceError):
        if arguments.network is not None:
            raise ArgumentError("--network is of a recorded training; leave it out") from None
        net = load_model(arguments)
        return net, net.name
    made, member = open_record(arguments.model), arguments.network or 0
    if not 0 <= member < made.n_seeds:
        raise ArgumentError(f"--network: expected 0 to {made.n_seeds - 1}, got {member}")
    name = f"{Path(arguments.model).name}, start {member}, step {int(made.steps[-1])}"
    return made.network(seed=member), name


def _farthest(found: NetworkReading) -> Any:
    """Return the reading whose symmetric fraction is farthest from independent weights."""
    scores = [abs(r.z("symmetric")) for r in found.readings]
    return found.readings[int(np.argmax(np.nan_to_num(scores)))]


def _pages(found: NetworkReading) -> dict[str, list[Callable[..., object]]]:
    from nnrg import plot

    if not found.readings:
        return {}
    chosen = _farthest(found)
    told = [q for q in _PANELS if np.isfinite(chosen.values[:, chosen.quantities.index(q)]).any()]
    panels: list[Callable[..., object]] = [partial(_flow, chosen, q) for q in told[:4]]
    panels += [
        lambda ax, null=null: plot.weight_scores(chosen, null=null, ax=ax)
        for null in ("independent", "relabelled")
    ]
    return {"": [lambda ax: plot.matrix_scores(found, ax=ax)], "-flow": panels}


def _flow(reading: Any, quantity: str, ax: Any) -> None:
    from nnrg import plot

    plot.weight_flow(reading, quantity, ax=ax)


def _page_notes(found: NetworkReading) -> dict[str, str]:
    if not found.readings:
        return {}
    which = f"{_farthest(found).name}, the matrix farthest from independent weights;"
    return {"-flow": f"{which} bands: the middle 95 % of null draws."}
