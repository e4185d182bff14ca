"""Operators on a graph: the derivative of each at a node, and which of them a graph can tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import factorial
from typing import NamedTuple

from nnrg.errors import ArgumentError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.basis import Basis
from nnrg.rg.custom_operator import CustomOperator
from nnrg.rg.graph_action.shells import EDGES, cheap, has_uniform_weights, missing_shell
from nnrg.rg.operators import Operator

__all__ = ["NodeRow", "NodeTerm", "derivative_row", "functions_outside", "out_of_room"]

Graphs = Sequence[ConnectionGraph | None]

_KINDS = {"grad2": "quadratic", "J": "quadratic", "U": "quartic", "phi3phi": "cubic"}


class NodeTerm(NamedTuple):
    """A row of derivatives: its kind, the axis and hops of the neighbours, a user's functions."""

    kind: str
    axis: int = -1
    hops: int = EDGES
    function: tuple[Callable[..., float], Callable[..., float]] | None = None


# dO/dphi_x as a sum of c_k phi_x^k and of c_t T_t.
NodeRow = tuple[dict[int, float], dict[NodeTerm, float]]


def derivative_row(operator: Operator | CustomOperator) -> NodeRow:
    """Return dO/dphi_x of an operator on a graph.

    Raises
    ------
    ArgumentError
        If the operator is defined on lattices alone.
    """
    if isinstance(operator, CustomOperator):
        if not operator.local:
            raise ArgumentError(
                f"{operator.name} couples sites of a lattice: on a graph operators of one's own "
                "are those of a single site; leave out distance, or take U:1, phi3phi:1 or J:2"
            )
        return {}, {NodeTerm("site", function=(operator.derivative, operator.second)): 1.0}
    if operator.local:
        return {operator.fields - 1: 1 / factorial(operator.fields - 1)}, {}
    kind, _, place = operator.name.partition(":")
    if kind not in _KINDS:
        raise ArgumentError(
            f"{operator.name} is not defined on a graph, whose nodes differ in degree; "
            "take U:1 and phi3phi:1"
        )
    if kind == "grad2":
        return {}, {NodeTerm("quadratic", int(place), EDGES): 1.0}
    return {}, {NodeTerm(_KINDS[kind], 0, round(float(place))): 1.0}


def out_of_room(basis: Basis, graphs: Graphs) -> Mapping[str, str]:
    """Return the operators that these graphs cannot tell, each with the reason.

    Raises
    ------
    ArgumentError
        If an operator is defined on lattices alone.
    """
    reasons = {}
    for operator in basis:
        terms = derivative_row(operator)[1]
        if operator.local:
            continue
        for term in terms:
            reason = _reason(term, operator.name, graphs)
            if reason:
                reasons[operator.name] = reason
    return reasons


def _reason(term: NodeTerm, name: str, graphs: Graphs) -> str:
    graph = graphs[term.axis]
    if term.hops != EDGES and len(graphs) > 1:
        return f"hops: {name} needs a field on one graph, of a matrix each axis has its own"
    if graph is None:
        return f"no graph: the units of axis {term.axis} have no neighbours"
    if graph.n_edges == 0:
        return f"no edges between the {graph.n_nodes} nodes of axis {term.axis}"
    if term.hops == EDGES or (term.hops == 1 and term.kind == "quadratic"):
        return ""
    return missing_shell(graph, term.hops)


def functions_outside(basis: Basis, graphs: Graphs) -> dict[str, NodeRow]:
    """Return functions that are in no operator's derivative.

    As on a lattice: the lowest even power of phi outside the basis, a bounded odd function, the
    shortest J(r) and U(r) outside the basis. Where edges have unequal weights that is J:1, the
    edges without their weights: it tests whether the weights are those of the action. Of the
    product of several graphs neighbours along each axis, U:0 and so on, are in place of U(r).
    """
    even = {o.fields for o in basis if isinstance(o, Operator) and o.local}
    power = next(k for k in range(2, 10, 2) if k + 1 not in even)
    tests: dict[str, NodeRow] = {f"phi^{power}": ({power: 1 / factorial(power)}, {})}
    if len(graphs) == 1 and (graph := graphs[0]) is not None and graph.n_edges:
        # Pairs that the basis asks for are looked at anyway.
        asked = [t.hops for o in basis for t in derivative_row(o)[1]]
        farthest = max([2 if cheap(graph) else 1, *asked])
        for kind, nearest in (("J", 2 if has_uniform_weights(graph) else 1), ("U", 1)):
            for hops in range(nearest, farthest + 1):
                operator = Operator(f"{kind}:{hops}")
                row = derivative_row(operator)
                told = not any(_reason(term, operator.name, graphs) for term in row[1])
                if told and operator.name not in basis.names:
                    tests[operator.name] = row
                    break
    elif len(graphs) > 1:
        for axis, graph in enumerate(graphs):
            if graph is not None and graph.n_edges:
                tests[f"U along axis {axis}"] = {}, {NodeTerm("quartic", axis, 1): 1.0}
    tests["bounded"] = ({}, {NodeTerm("bounded"): 1.0})
    return tests
