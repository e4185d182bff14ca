"""Readings of all matrices of a network that lead from a population of neurons to itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.networks._label import label
from nnrg.networks.network import Network
from nnrg.provenance import describe_run, utc_now
from nnrg.stats.multiple_testing import adjust_p_values, student_p_values
from nnrg.theory.hamiltonian.matrices import Refused, SquareMatrix, square_matrices
from nnrg.theory.hamiltonian.reading import read_weights
from nnrg.theory.hamiltonian.weight_reading import WeightReading

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NetworkReading", "read_network"]

Floats = npt.NDArray[np.float64]


_NEIGHBOURS = ("file", "similarity", "seriation")
_OPTIONS = ("factor", "levels", "components", "demean", "draws", "spectrum")
_SCREEN = 16
_ASSUMED = (
    "the two ends of each matrix are one population in one order, as the network's topology has it",
    "p of all matrices together: normal null draws, Holm's correction",
)


@dataclass(frozen=True, slots=True)
class NetworkReading:
    """Readings of all square matrices of a network.

    Attributes
    ----------
    network : str
    readings : tuple of WeightReading
    refused : tuple of Refused
    assumptions : tuple of str
    attrs : mapping
        Provenance: version, seed, SHA-256 of the file, times.
    """

    network: str
    readings: tuple[WeightReading, ...]
    refused: tuple[Refused, ...]
    assumptions: tuple[str, ...] = _ASSUMED
    attrs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def short_names(self) -> tuple[str, ...]:
        """Names of the matrices without the parts that all of them begin with."""
        names = [reading.name.split(".") for reading in self.readings]
        most = min(map(len, names), default=1) - 1 if len(names) > 1 else 0
        shared = 0
        while shared < most and len({name[shared] for name in names}) == 1:
            shared += 1
        cut = "…" if shared else ""
        return tuple(cut + ".".join(name[shared:]) for name in names)

    def chances(
        self, quantity: str = "symmetric", null: str = "independent", scale: float = 1
    ) -> Floats:
        """Return p of each matrix against a null, for all matrices together (Holm).

        Shape (n_matrices,); NaN where the null has the value by construction, or the matrix was
        not read at that scale.

        Raises
        ------
        ArgumentError
            If there is no such quantity or null.
        """
        single = [
            float(student_p_values(r.z(quantity, scale, null), len(r.nulls[null])))
            if scale in r.scales
            else np.nan
            for r in self.readings
        ]
        return np.asarray(adjust_p_values(single, "holm"), dtype=np.float64)

    def to_dataframe(self) -> pd.DataFrame:
        """Return the tables of all readings with a first column ``name``."""
        import pandas as pd

        frames = [r.to_dataframe() for r in self.readings]
        for frame, reading in zip(frames, self.readings, strict=True):
            frame.insert(0, "name", reading.name)
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def __str__(self) -> str:
        lines = [
            f"{self.network}: {len(self.readings)} matrices from a population to itself, "
            f"{len(self.refused)} tensors refused",
            f"  {'matrix':<26s} {'N':>5s} {'symmetric':<11s} {'z':>6s} {'p':>7s}  "
            f"{'reciprocity':<11s} {'z':>6s}  {'henrici':<10s} {'z':>6s} "
            f"{'kinetic z':>9s} {'flow z':>6s}",
        ]
        together = self.chances()
        rows = list(zip(self.readings, self.short_names, together, strict=True))
        for r, name, chance in rows[:_SCREEN]:
            even, both, normal = map(r.estimate, ("symmetric", "reciprocity", "henrici"))
            unlike, waves = r.z("henrici", 1, "unaligned"), r.z("kinetic", 1, "relabelled")
            lines.append(
                f"  {label(name, 26):<26s} {r.n_neurons[0]:>5d} {even!s:<11s} "
                f"{r.z('symmetric'):>+6.1f} {chance:>7.2g}  {both!s:<11s} "
                f"{r.z('reciprocity', 1, 'signs'):>+6.1f}  "
                f"{'' if np.isnan(normal.value) else str(normal):<10s} "
                f"{'' if np.isnan(unlike) else f'{unlike:+.1f}':>6s} {waves:>+9.1f} "
                f"{r.z('symmetric', r.scales[-1], 'relabelled'):>+6.1f}"
            )
        if len(self.readings) > _SCREEN:
            lines.append(f"  ... {len(self.readings) - _SCREEN} more: to_dataframe() has them")
        lines.append(
            "z and p of symmetric: from shuffled weights; of reciprocity: from random signs; of "
            "henrici: from one axis permuted; of the kinetic share and of symmetric at the last b: "
            "from relabelled neurons"
        )
        lines += [f"refused {r.name}: {r.reason}" for r in self.refused[:8]]
        if len(self.refused) > 8:
            lines.append(f"... {len(self.refused) - 8} more refused")
        return "\n".join([*lines, *(f"assumed: {line}" for line in self.assumptions)])


def read_network(
    network: Network,
    names: Sequence[str] | None = None,
    *,
    joins: Sequence[Sequence[tuple[str, str | int]]] = (),
    heads: int | bool | None = None,
    graphs: Mapping[str, ConnectionGraph] | None = None,
    neighbours: str = "file",
    rng: object = None,
    progress: Callable[[str, int, int], object] | None = None,
    **options: Any,
) -> NetworkReading:
    """Read all matrices of a network that lead from a population to itself.

    Parameters
    ----------
    network, names, joins, heads
        See `square_matrices`.
    graphs : mapping of str to ConnectionGraph, optional
        Which neurons of a population are neighbours, made of other tensors.
    neighbours : {"file", "similarity", "seriation"}
        Of populations without such a graph: neurons next to one another in the file, an order that
        means nothing to the network; those whose weights in all other tensors are alike
        (`Network.similarity_graph`); or the order of the slowest mode of that graph, a line, on
        which there is a Dirac form.
    rng : int, Generator or None
    progress : callable, optional
        Called with a label, steps done and their number.
    **options
        Of `read_weights`: factor, levels, components, demean, draws, spectrum.

    Returns
    -------
    NetworkReading

    Raises
    ------
    ArgumentError
        If a name or option is none of those above.
    AnalysisError
        If no matrix leads from a population to itself; the message says why one does not.
    """
    if neighbours not in _NEIGHBOURS:
        raise ArgumentError(f"neighbours must be one of {_NEIGHBOURS}, got {shown(neighbours)}")
    unknown = set(options) - set(_OPTIONS)
    if unknown:
        raise ArgumentError(f"options must be among {_OPTIONS}, got {shown(sorted(unknown)[0])}")
    if graphs is not None and not isinstance(graphs, Mapping):
        raise ArgumentError(f"graphs must be by name of the population, got {shown(graphs)}")
    matrices, refused = square_matrices(network, names, joins=joins, heads=heads)
    if not matrices:
        why = f"; {refused[0].name}: {refused[0].reason}" if refused else ""
        raise AnalysisError(
            f"no matrix of {network.name} leads from a population to itself, so none has a "
            f"symmetric part{why}"
        )
    there = sorted({matrix.population for matrix in matrices})
    for population in graphs or {}:
        if population not in there:
            raise ArgumentError(
                f"graphs: no matrix leads from {shown(population)} to itself; there are "
                f"{', '.join(there)}"
            )
    started, seed_of_all = utc_now(), as_seed(rng)
    seeds = seed_of_all.spawn(len(matrices))
    readings, small = [], []
    like = _Alike(network, neighbours, joins, heads)
    for number, (matrix, seed) in enumerate(zip(matrices, seeds, strict=True)):
        if progress is not None:
            progress(matrix.name, number, len(matrices))
        try:
            about: dict[str, Any] = {"name": matrix.name, "sources": matrix.sources, "rng": seed}
            about["graph"] = (graphs or {}).get(matrix.population)
            notes: tuple[str, ...] = ()
            if about["graph"] is None and neighbours != "file":
                more, notes = like.of(matrix)
                about |= more
            reading = read_weights(matrix.values, **about, **options)
            readings.append(replace(reading, notes=(*reading.notes, *notes)))
        except AnalysisError as error:
            small.append(Refused(matrix.name, str(error)))
    if progress is not None:
        progress("matrices", len(matrices), len(matrices))
    attrs = {
        **describe_run("read_network", started),
        "sha256": network.sha256(),
        "seed": str(seed_of_all.entropy),
    }
    return NetworkReading(network.name, tuple(readings), (*refused, *small), attrs=attrs)


class _Alike:
    """Neighbours whose weights in other tensors are alike, made once for each set of tensors."""

    def __init__(
        self,
        network: Network,
        neighbours: str,
        joins: Sequence[Sequence[tuple[str, str | int]]],
        heads: int | bool | None,
    ) -> None:
        self._network, self._line = network, neighbours == "seriation"
        self._joins, self._heads = joins, heads
        self._made: dict[tuple[str, ...], tuple[dict[str, Any], tuple[str, ...]]] = {}

    def of(self, matrix: SquareMatrix) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return what `read_weights` is told of the neighbours, and notes on them."""
        key = (matrix.population, *matrix.tensors)
        if key not in self._made:
            self._made[key] = self._make(matrix)
        return self._made[key]

    def _make(self, matrix: SquareMatrix) -> tuple[dict[str, Any], tuple[str, ...]]:
        graph = self._network.similarity_graph(
            matrix.population,
            excluding=matrix.tensors,
            topology=self._network.topology(joins=self._joins, heads=self._heads),
        )
        if not self._line:
            return {"graph": graph}, ()
        from nnrg.rg.neighbourhoods.seriation import seriation_order

        runs, notes = seriation_order(graph)
        made = f"the order is that of the slowest mode of the graph: {graph.provenance}"
        return {"order": np.concatenate(runs)}, (made, *notes)
