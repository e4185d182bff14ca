"""DiffusionBlocks: units that diffusion on a graph has made one, at ever longer times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real, shown
from nnrg.errors import ArgumentError
from nnrg.fields import SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.neighbourhoods._graph_rule import GraphRule, more_edges
from nnrg.rg.neighbourhoods._heat_kernel import HeatKernel, laplacian_kind
from nnrg.rg.neighbourhoods._levels import STEP, nested_levels
from nnrg.rg.neighbourhoods.hierarchy import Choice, Hierarchy

__all__ = ["DiffusionBlocks"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, repr=False)
class DiffusionBlocks(GraphRule):
    r"""Join the units that diffusion on a graph no longer tells apart: the Laplacian RG.

    Parameters
    ----------
    graph : ConnectionGraph, optional
        One node for each site, at most 3000; by default the graph that the field lives on. Where
        weights are negative the Laplacian is the signed one.
    times : sequence of float or "peaks", optional
        Diffusion times tau, ascending, in units of the inverse weight of an edge: each makes a
        level if it joins anything. ``"peaks"`` takes the maxima of the heat capacity C(tau), see
        `nnrg.graph.spectral.characteristic_times`. By default tau doubles from 1/lambda_max on
        until diffusion has come to rest.
    split : float, optional
        Without a graph: share of the samples that choose, by the correlations of the sites in them;
        the others are measured.
    neighbours : int
        How many most correlated sites each site is joined to where samples choose.
    seed : int
        Seed of the split, at least 0.

    Raises
    ------
    ArgumentError
        If an argument is out of range, or there are both a graph and a split.

    Notes
    -----
    With :math:`\rho(\tau) = e^{-\tau L} / \operatorname{tr} e^{-\tau L}` two nodes are linked if
    :math:`\rho_{ij} \ge \min(\rho_{ii}, \rho_{jj})`, and blocks are the connected components of the
    links: P. Villegas, T. Gili, G. Caldarelli and A. Gabrielli, Nature Physics 19 (2023) 445,
    doi:10.1038/s41567-022-01866-8. The links at a longer time need not include those at a shorter
    one; blocks of one level therefore stay together at the next, which makes them nested.

    On a graph whose nodes are all alike (a ring, a torus) :math:`\rho_{ij} < \rho_{ii}` at every
    time and the rule joins nothing until, to rounding, it joins all: an error that says so.
    Blocks are of unequal size; the flow equalises their variances. They are not the cut of the
    Laplacian's modes, which is `GraphModes`.

    Examples
    --------
    Two cliques with one edge between them:

    >>> import networkx as nx
    >>> import numpy as np
    >>> import nnrg
    >>> from nnrg.graph.connection_graph import ConnectionGraph
    >>> from nnrg.rg.neighbourhoods.diffusion import DiffusionBlocks
    >>> graph = ConnectionGraph.from_networkx(nx.barbell_graph(4, 0))
    >>> field = nnrg.SynapticField(np.random.default_rng(1).normal(size=(20, 8)), graph)
    >>> DiffusionBlocks().choose(field, None, 2).hierarchies[0].labels[-1].tolist()
    [0, 0, 0, 0, 1, 1, 1, 1]
    """

    _: KW_ONLY
    times: Sequence[float] | Literal["peaks"] | None = None

    def __post_init__(self) -> None:
        GraphRule.__post_init__(self)
        if self.times is not None and not _are_peaks(self.times):
            object.__setattr__(self, "times", _as_times(self.times))

    @property
    def provenance(self) -> str:
        """Which numbers chose the blocks."""
        return f"diffusion on {self.chosen_by}"

    def choose(self, field: SynapticField, levels: int | None, fewest: int) -> Choice:
        """Choose nested blocks of the field's sites; see `Neighbourhoods.choose`.

        Raises
        ------
        ArgumentError
            If the graph does not fit the field, or there are not as many levels as asked for.
        AnalysisError
            If the numbers that choose are those that are measured, the graph is too large for its
            heat kernel, or no level can be formed.
        """
        measured, graph, notes = self.prepared(field)
        kernel = HeatKernel(graph)
        times = self._times(graph, kernel)
        used: list[float] = []
        step = STEP if self.times is None else 1.0
        kept = nested_levels(
            _supernodes(kernel, times, step, used),
            graph.n_nodes,
            levels,
            fewest,
            name=field.name,
            step=1.0,
            hint="the rule joins nothing, or all at once, where nodes are alike, as on a ring: "
            "try nnrg.MatchingBlocks"
            if graph.n_edges
            else more_edges(graph),
        )
        notes += (
            f"supernodes of the heat kernel at tau = {_listed(used[: len(kept) - 1])}; blocks of "
            "one level stay together at the next",
        )
        if self.times is not None:
            idle = [tau for tau in times if tau not in used and tau < max(used, default=0.0)]
            notes += (f"no block is joined at tau = {_listed(idle)}",) if idle else ()
        if graph.signed:
            notes += ("signed graph: diffusion by the signed Laplacian",)
        return Choice(measured, (Hierarchy(kept, notes),), (graph,))

    def _times(self, graph: ConnectionGraph, kernel: HeatKernel) -> Sequence[float]:
        if self.times is None:
            return list(kernel.times())
        if not _are_peaks(self.times):
            return cast(tuple[float, ...], self.times)
        if graph.n_edges == 0:
            return ()
        from nnrg.graph.spectral import characteristic_times

        return list(characteristic_times(graph, kind=laplacian_kind(graph)).tau)


def _listed(times: Sequence[float]) -> str:
    return ", ".join(f"{tau:.3g}" for tau in times)


def _are_peaks(times: object) -> bool:
    return isinstance(times, str) and times == "peaks"


def _supernodes(
    kernel: HeatKernel, times: Sequence[float], step: float, used: list[float]
) -> Iterator[Ints]:
    """Yield supernodes that make a level, and put down their times in `used`."""
    together = np.arange(kernel.n_nodes, dtype=np.int64)
    for tau in times:
        labels = kernel.supernodes(tau, together)
        before, count = int(together.max()) + 1, int(labels.max()) + 1
        if count < before and count <= step * before:
            used.append(tau)
            together = labels
            yield labels


def _as_times(times: object) -> tuple[float, ...]:
    hint = "try 'peaks', or None for a series that doubles"
    if isinstance(times, str) or not np.iterable(times):
        raise ArgumentError(f"times must be 'peaks' or ascending times, got {shown(times)}; {hint}")
    values = tuple(as_real("a time", tau, hint=hint) for tau in times)
    if not values or values[0] <= 0 or np.any(np.diff(values) <= 0):
        raise ArgumentError(f"times must be positive and ascending, got {shown(times)}; {hint}")
    return values
