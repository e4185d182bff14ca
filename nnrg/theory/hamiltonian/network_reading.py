"""Readings of all matrices of a network that lead from a population of neurons to itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nnrg._random import as_seed
from nnrg.errors import AnalysisError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.networks.network import Network
from nnrg.theory.hamiltonian.matrices import Refused, square_matrices
from nnrg.theory.hamiltonian.reading import read_weights
from nnrg.theory.hamiltonian.weight_reading import WeightReading

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NetworkReading", "read_network"]


@dataclass(frozen=True, slots=True)
class NetworkReading:
    """Readings of all square matrices of a network.

    Attributes
    ----------
    network : str
    readings : tuple of WeightReading
    refused : tuple of Refused
    """

    network: str
    readings: tuple[WeightReading, ...]
    refused: tuple[Refused, ...]

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
            f"  {'matrix':<36s} {'N':>5s} {'symmetric':<13s} {'iid':>8s} {'z':>7s} "
            f"{'z last b':>8s} {'henrici':<13s} {'z':>7s}",
        ]
        for r in self.readings[:16]:
            name = r.name if len(r.name) <= 36 else f"...{r.name[-33:]}"
            even, henrici = r.estimate("symmetric"), r.estimate("henrici")
            flow = r.z("symmetric", r.scales[-1], "relabelled")
            lines.append(
                f"  {name:<36s} {r.n_neurons[0]:>5d} {even!s:<13s} {r.expected[0]:>8.5f} "
                f"{r.z('symmetric'):>+7.1f} {flow:>+8.1f} {henrici!s:<13s} {r.z('henrici'):>+7.1f}"
            )
        if len(self.readings) > 16:
            lines.append(f"  ... {len(self.readings) - 16} more: to_dataframe() has them")
        lines.append("z: from shuffled weights; last b: from relabelled neurons at the last scale")
        lines += [f"refused {r.name}: {r.reason}" for r in self.refused[:8]]
        if len(self.refused) > 8:
            lines.append(f"... {len(self.refused) - 8} more refused")
        return "\n".join(lines)


def read_network(
    network: Network,
    names: Sequence[str] | None = None,
    *,
    joins: Sequence[Sequence[tuple[str, str | int]]] = (),
    heads: int | bool | None = None,
    graphs: Mapping[str, ConnectionGraph] | None = None,
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
    rng : int, Generator or None
    progress : callable, optional
        Called with a label, steps done and their number.
    **options
        Of `read_weights`.

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
    matrices, refused = square_matrices(network, names, joins=joins, heads=heads)
    if not matrices:
        why = f"; {refused[0].name}: {refused[0].reason}" if refused else ""
        raise AnalysisError(
            f"no matrix of {network.name} leads from a population to itself, so none has a "
            f"symmetric part{why}"
        )
    seeds = as_seed(rng).spawn(len(matrices))
    readings, small = [], []
    for number, (matrix, seed) in enumerate(zip(matrices, seeds, strict=True)):
        if progress is not None:
            progress(matrix.name, number, len(matrices))
        try:
            about: dict[str, Any] = {"name": matrix.name, "sources": matrix.sources, "rng": seed}
            graph = (graphs or {}).get(matrix.population)
            readings.append(read_weights(matrix.values, graph=graph, **about, **options))
        except AnalysisError as error:
            small.append(Refused(matrix.name, str(error)))
    if progress is not None:
        progress("matrices", len(matrices), len(matrices))
    return NetworkReading(network.name, tuple(readings), (*refused, *small))
