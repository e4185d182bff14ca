"""GraphModes: the slow modes of a graph's Laplacian, the momentum-space Laplacian RG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.fields import Lattice, SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.neighbourhoods._contiguous import as_length
from nnrg.rg.neighbourhoods._graph_rule import as_graph, check_size
from nnrg.rg.neighbourhoods._heat_kernel import dense_laplacian
from nnrg.rg.neighbourhoods.independence import check_independence

__all__ = ["GraphModes"]

Array = npt.NDArray[np.float64]

# Eigenvalues this close, relative to the largest one, are one: its modes are kept or cut together.
_SAME = 1e-10


@dataclass(frozen=True, slots=True)
class GraphModes:
    r"""Keep the N / b slowest modes of the Laplacian of a graph, and put them back on the N sites.

    Parameters
    ----------
    graph : ConnectionGraph
        One node for each site, at most 3000. Where weights are negative the Laplacian is the signed
        one. A field that lives on a graph is taken as a row of its nodes.
    b : int
        Sites for each mode that is kept, at each step.

    Raises
    ------
    ArgumentError
        If it is no graph, or `b` no integer of at least 2.

    Notes
    -----
    With eigenvectors :math:`u_\mu` of L, eigenvalues :math:`\lambda_1 \le \lambda_2 \le \dots`, and
    m the mean of the field,

    .. math:: \phi'_i = m + w_i \sum_{\mu \le K} u_{i\mu} \sum_j u_{j\mu} (\phi_j - m), \qquad
              w_i^2 = \frac{K / N}{\sum_{\mu \le K} u_{i\mu}^2}.

    A constant field keeps its value. Independent sites of variance v have variance v K / N on every
    site, as block means of N / K of them have: without :math:`w_i` sites would keep unequal shares,
    and a mixture of variances fakes a fourth cumulant. On a graph whose nodes are all alike
    :math:`w_i = 1`, and on a ring the field at the centres of blocks is that of `MomentumShell`.

    K is the largest number up to :math:`N / b^l` that cuts no eigenvalue in two, so that the field
    does not depend on which eigenvectors of it were found: this is the cut :math:`\lambda <
    \lambda^*` of P. Villegas et al., Nature Physics 19 (2023) 445, doi:10.1038/s41567-022-01866-8.
    It is not the same as blocks of nodes that diffusion has made one, `DiffusionBlocks`: on a ring
    a block mean damps every mode by :math:`\sin(kb/2) / [b \sin(k/2)]`, the cut none or all.

    All sites stay: at scale b the field has K modes on N sites, and no density on them. One-site
    couplings are those of the law of one site; couplings between sites have no meaning. Errors
    leave out samples, regions cannot be left out.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> import nnrg
    >>> from nnrg.graph.connection_graph import ConnectionGraph
    >>> from nnrg.rg.neighbourhoods.modes import GraphModes
    >>> ring = ConnectionGraph.from_networkx(nx.cycle_graph(45))
    >>> values = np.random.default_rng(1).normal(size=(4000, 45))
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(45)), GraphModes(ring, 3))
    >>> [round(float(v), 2) for v in flow.variances()]
    [1.0, 0.33, 0.11]
    """

    graph: ConnectionGraph
    b: int = 2

    def __post_init__(self) -> None:
        as_graph(self.graph)
        object.__setattr__(self, "b", as_length(self.b))

    @property
    def provenance(self) -> str:
        """Which numbers chose the modes."""
        return f"Laplacian modes of a graph ({self.graph.provenance})"

    @property
    def singular(self) -> str:
        """Why a block field has no density on its sites."""
        return "fewer modes than sites"

    def factors(self, sites: Lattice) -> tuple[int, ...]:
        """Sites for each mode at one step."""
        return (self.b,) * sites.dimension

    def arrange(self, field: SynapticField) -> SynapticField:
        """Return `field`, if the graph has a node for each site and does not come from its values.

        Raises
        ------
        ArgumentError
            If the graph is of another size.
        AnalysisError
            If the numbers that choose are those that are measured.
        """
        check_size(field, self.graph.n_nodes, self.graph.populations)
        check_independence(field, self.graph.sources)
        return field

    def on_row(self, field: SynapticField) -> SynapticField:
        """Return a field that lives on a graph on a row of its nodes, whose order means nothing."""
        row = Lattice(field.sites.n_sites, axes=("node",))
        return replace(field, sites=row, natural=False)

    def counts(self, n_levels: int) -> tuple[int, ...]:
        """Return how many modes are kept at b, b^2, ..

        Raises
        ------
        AnalysisError
            If the graph is too large for its modes, or no mode can be kept without cutting an
            eigenvalue in two.
        """
        n = self.graph.n_nodes
        values, _ = _slow_modes(self.graph, n // self.b)
        # Rounding is relative to the largest eigenvalue, which is within this.
        gap = _SAME * 2 * float(self.graph.strengths().max())
        return tuple(_whole(values, n // self.b**level, n, gap) for level in range(1, n_levels))

    def coarsen(
        self, field: SynapticField, n_levels: int
    ) -> Iterator[tuple[npt.NDArray[np.floating[Any]], Lattice]]:
        """Yield the field of the slow modes, on the sites of the field, at b, b^2, .."""
        n = self.graph.n_nodes
        _, vectors = _slow_modes(self.graph, n // self.b)
        mean = float(field.values.mean(dtype=np.float64))
        amplitudes = (field.values.astype(np.float64) - mean) @ vectors
        for count in self.counts(n_levels):
            kept = vectors[:, :count]
            share = np.einsum("ik,ik->i", kept, kept)
            # A site that none of the modes touches has nothing to weigh.
            weight = np.sqrt(np.divide(count / n, share, out=np.ones(n), where=share > 1e-12))
            yield mean + amplitudes[:, :count] @ (kept.T * weight), field.lattice

    def about_regions(self) -> str:
        """Refuse: a mode extends over all sites.

        Raises
        ------
        AnalysisError
            Always.
        """
        raise AnalysisError(
            "modes of a graph extend over all its nodes, so that no region can be left out: errors "
            "need ten independent samples or more, or Jackknife(over='samples')"
        )

    def notes(self, field: SynapticField, n_levels: int) -> tuple[str, ...]:
        """Return what a reader of the flow must know."""
        n = self.graph.n_nodes
        kept = ", ".join(map(str, (n, *self.counts(n_levels))))
        signed = ("signed graph: modes of the signed Laplacian",) if self.graph.signed else ()
        return (
            f"all {n} sites are kept, with the slowest {kept} modes of the graph",
            f"{self.singular}: only one-site couplings have a meaning at b > 1",
            *(() if field.natural else ("the row of nodes has no order: grad2 is of its index",)),
            *signed,
            *check_independence(field, self.graph.sources),
        )


@lru_cache(maxsize=1)  # null draws ask for the modes of one graph again and again
def _slow_modes(graph: ConnectionGraph, count: int) -> tuple[Array, Array]:
    """Return the eigenvalues of the Laplacian up to one past `count`, and as many modes."""
    from scipy.linalg import eigh

    last = min(count, graph.n_nodes - 1)
    values, vectors = eigh(dense_laplacian(graph), overwrite_a=True, subset_by_index=(0, last))
    return values, vectors


def _whole(values: Array, count: int, n: int, gap: float) -> int:
    """Return the largest number of modes up to `count` that cuts no eigenvalue in two."""
    kept = count
    while kept and kept < values.size and values[kept] - values[kept - 1] <= gap:
        kept -= 1
    if kept == 0:
        raise AnalysisError(
            f"the {count} slowest of {n} modes cannot be told from the next: the graph has more "
            "components, or more nodes that are alike, than modes are kept; give fewer levels or "
            "a smaller b"
        )
    return kept
