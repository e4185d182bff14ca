r"""The Schwinger-Dyson equations of one scale of a field on a graph.

The action is that on a lattice, with the sum over offsets replaced by the sum over neighbours:

.. math:: S = \sum_x V(\phi_x) + \frac Z2 \sum_{\langle xy \rangle} |w_{xy}|
          (\phi_x - \mathrm{sgn}(w_{xy}) \phi_y)^2
          + \sum_r \frac{J(r)}{2} \sum_{d(x,y) = r} (\phi_x - \phi_y)^2
          + \sum_r \frac{U(r)}{4} \sum_x \sum_{y: d(x,y) = r} \phi_x^2 \phi_y^2 ,

the second term 1/2 phi L phi with the signed Laplacian L, d(x, y) the number of edges on the
shortest path, and w the weights of the graph of that scale divided by the mean of their absolute
values. The mean strength of a node then is the mean degree, Z has no unit of weight, and on a ring
or a torus all numbers are those of the periodic lattice. Every node has all its neighbours: none is
left out.
"""

from __future__ import annotations

from nnrg.rg.basis import Basis
from nnrg.rg.flow import Flow
from nnrg.rg.graph_action.shells import neighbours
from nnrg.rg.graph_action.terms import Graphs, NodeTerm, derivative_row, functions_outside
from nnrg.rg.schwinger_dyson import LinearSystem, assemble, root_mean_square, support
from nnrg_kernels.graph_schwinger_dyson import GraphTerm, Neighbours, accumulate_on_graph

__all__ = ["linear_system_on_graph"]


def linear_system_on_graph(
    flow: Flow, level: int, basis: Basis, *, test: bool, hard_edge: bool = False
) -> LinearSystem:
    """Accumulate A and h of one scale in one pass over the unrescaled block field.

    Parameters
    ----------
    flow : Flow
        Of a field on a graph, or on the product of several.
    level : int
    basis : Basis
        The operators that the graphs of that scale can tell.
    test : bool
        Whether functions outside the basis are summed too.
    hard_edge : bool
        Whether test functions are weighted to vanish at the least and the greatest value.
    """
    values, graphs = flow.means[level], flow.graphs[level]
    unit = root_mean_square(flow, level)
    tests = functions_outside(basis, graphs)
    rows = [derivative_row(o) for o in basis]
    outside = list(tests.values()) if test else []
    terms = tuple(dict.fromkeys(t for _, parts in (*rows, *outside) for t in parts))
    near, channels = _channels(terms, graphs)
    sums = accumulate_on_graph(
        values,
        1 / unit,
        power=max([1, *(k for powers, _ in (*rows, *outside) for k in powers)]),
        neighbours=near,
        terms=channels,
        sample_group=flow.groups.sample_group,
        edges=flow.edges_at(level),
        window=support(values, unit) if hard_edge else None,
    )
    return assemble(sums, terms, rows, outside, tuple(tests) if test else (), unit)


def _channels(
    terms: tuple[NodeTerm, ...], graphs: Graphs
) -> tuple[tuple[Neighbours, ...], tuple[GraphTerm, ...]]:
    """Return lists of neighbours, each once, and the kernel's terms that read them."""
    shells = tuple(dict.fromkeys((t.axis, t.hops) for t in terms if t.axis >= 0))
    lists = []
    for axis, hops in shells:
        graph = graphs[axis]
        assert graph is not None
        lists.append(neighbours(graph, hops, axis))
    channels = []
    for term in terms:
        place = shells.index((term.axis, term.hops)) if term.axis >= 0 else -1
        channels.append(GraphTerm(term.kind, place, term.function))
    return tuple(lists), tuple(channels)
