"""Which ends an ONNX graph joins: its nodes say whose output is whose input.

The neurons that a value runs along are followed from node to node. Where a value is reshaped they
are kept as long as sizes agree; where it is cut or put together they are lost, and the order of
layers has to tell.
"""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nnrg.networks._limits import as_format_error, open_regular
from nnrg.networks._topology_ends import Joiner, Segment

if TYPE_CHECKING:
    from nnrg.networks.network import Network

__all__ = ["join_onnx"]

_WHY = "ONNX graph"
_CONTRACTING = ("Conv", "ConvTranspose", "MatMul", "Gemm")
_ADDING = ("Add", "Sub", "Mul", "Div", "Sum", "PRelu", "Max", "Min", "Where")
_REARRANGING = (
    "Identity",
    "Cast",
    "Transpose",
    "Dropout",
    "Slice",
    "Concat",
    "Unsqueeze",
    "Squeeze",
)
_LOSING = (
    "Concat",
    "Slice",
    "Split",
    "Gather",
    "Expand",
    "Tile",
    "Shape",
    "Einsum",
    "Loop",
    "Scan",
)


@dataclass(frozen=True, slots=True)
class Trace:
    """The neurons that a value runs along, and whether its axes were moved on the way."""

    segment: Segment
    moved: bool = False


Traces = ChainMap[str, Trace]
# The tensor that a value is, and whether all of it: gates are cut and put in ONNX's order.
Constants = ChainMap[str, tuple[str, bool]]


def join_onnx(joiner: Joiner, net: Network) -> set[str]:
    """Join what the nodes of an ONNX graph join; return the tensors whose input is understood."""
    if net.format != "onnx" or net.path is None:
        return set()
    import onnx

    file, _ = open_regular(net.path)
    with file, as_format_error(net.path, "not a valid ONNX model", "load it again"):
        model = onnx.ModelProto()
        model.ParseFromString(file.read())
    walk = _Walk(joiner)
    walk.graph(model.graph, ChainMap(), ChainMap())
    return walk.known


class _Walk:
    def __init__(self, joiner: Joiner) -> None:
        self.joiner = joiner
        self.known: set[str] = set()

    def graph(self, graph: Any, traces: Traces, constants: Constants) -> list[Trace | None]:
        """Follow all nodes; return the neurons of the outputs."""
        for tensor in graph.initializer:
            constants[tensor.name] = (tensor.name, True)
        for node in graph.node:
            found = self._node(node, traces, constants)
            for name, trace in zip(node.output, found, strict=False):
                if trace is not None:
                    traces[name] = trace
        return [traces.get(value.name) for value in graph.output]

    def _node(self, node: Any, traces: Traces, constants: Constants) -> list[Trace | None]:
        kind = node.op_type
        weights = [self._tensor(name, constants) for name in node.input]
        coming = [traces.get(name) for name in node.input]
        first = next((trace for trace in coming if trace is not None), None)
        if kind == "Constant" and node.output:
            constants[node.output[0]] = (node.output[0], True)
        elif kind in _REARRANGING and node.input and node.input[0] in constants:
            used = node.input if kind == "Concat" else node.input[:1]
            tensors = {constants[name][0] if name in constants else "" for name in used}
            if len(tensors) == 1:
                whole = constants[node.input[0]][1] and kind not in ("Slice", "Concat")
                constants[node.output[0]] = (tensors.pop(), whole)
        elif kind in _CONTRACTING:
            return [self._contract(node, weights, coming)]
        elif kind in ("LSTM", "GRU", "RNN"):
            gates = [self._tensor(name, constants, whole=False) for name in node.input]
            return [self._recurrent(gates, coming)] * len(node.output)
        elif kind == "Gather" and weights[0]:
            return [self._leaving(weights[0])]
        elif kind == "If":
            branches = [
                self.graph(a.g, traces.new_child(), constants.new_child())
                for a in node.attribute
                if a.HasField("g")
            ]
            return branches[0] if branches else []
        elif kind in _LOSING:
            return []
        elif first is not None:
            return [self._pass(kind, node, first, weights, coming)]
        return []

    def _tensor(self, name: str, constants: Constants, *, whole: bool = True) -> str | None:
        """Return the trained tensor that a value is; names used twice are nobody's."""
        tensor, complete = constants.get(name, ("", False))
        if tensor not in self.joiner.roles or f"{tensor}#2" in self.joiner.roles:
            return None
        return tensor if complete or not whole else None

    def _pass(
        self,
        kind: str,
        node: Any,
        first: Trace,
        weights: list[str | None],
        coming: list[Trace | None],
    ) -> Trace | None:
        """Follow neurons through what acts on each of them alone, or adds values up."""
        if kind in _ADDING:
            for other in coming:
                if other is not None and other is not first:
                    self.joiner.join(first.segment, other.segment, f"{_WHY}: added up")
        for tensor in weights:
            for vector in self.joiner.segments(tensor, "unit") if tensor else ():
                if vector.end.side == "unit":
                    self.joiner.join(first.segment, vector, f"{_WHY}: {kind}")
        return Trace(first.segment, first.moved or kind == "Transpose")

    def _contract(
        self, node: Any, weights: list[str | None], coming: list[Trace | None]
    ) -> Trace | None:
        places = [i for i in (1, 0) if i < len(weights) and weights[i]]
        if not places:
            return None
        tensor = weights[places[0]]
        assert tensor is not None
        entries = self.joiner.segments(tensor, "in")
        trace = coming[1 - places[0]]
        leaving = self._leaving(tensor)
        if trace is not None and len(entries) == 1 and entries[0].end.side == "in":
            self._enter(tensor, entries[0], trace)
        elif trace is not None and node.op_type == "Conv":
            leaving = self._depthwise(tensor, trace) or leaving
        for bias in weights[2:3]:
            for vector in self.joiner.segments(bias, "unit") if bias and leaving else ():
                self.joiner.join(leaving.segment, vector, f"{_WHY}: bias")  # type: ignore[union-attr]
        return leaving

    def _enter(self, tensor: str, entry: Segment, trace: Trace) -> None:
        spec = self.joiner.roles[tensor].spec
        copies, rest = divmod(entry.end.units, trace.segment.end.units)
        grouped = entry.end.units == 1 < trace.segment.end.units
        if grouped and self._depthwise(tensor, trace):
            return
        if copies > 1 and not rest and not trace.moved and len(spec.shape) == 2:
            self.joiner.repeat(entry, copies, first=False)
            why = f"{_WHY}: {copies} pixels of each channel, channels first"
        else:
            why = _WHY
        if self.joiner.join(trace.segment, entry, why):
            self.known.add(tensor)

    def _depthwise(self, tensor: str, trace: Trace) -> Trace | None:
        leave = self.joiner.segments(tensor, "out")[0]
        if leave.end.units != trace.segment.end.units:
            return None
        self.joiner.make_depthwise(tensor)
        self.joiner.join(trace.segment, leave, f"{_WHY}: depthwise")
        self.known.add(tensor)
        return trace

    def _recurrent(self, weights: list[str | None], coming: list[Trace | None]) -> Trace | None:
        into, own = weights[1], weights[2]
        if not into or not own:
            return None
        state = self.joiner.segments(own, "in")[0]
        for tensor in (into, own):
            leave = self.joiner.segments(tensor, "out")[0]
            gates, rest = divmod(leave.end.units, state.end.units)
            if gates > 1 and not rest:
                self.joiner.repeat(leave, gates, first=True)
            self.joiner.join(state, leave, f"{_WHY}: hidden state")
        state.group.name = f"{self.joiner.roles[own].layer}:hidden"
        if coming[0] is not None:
            self._enter(into, self.joiner.segments(into, "in")[0], coming[0])
        return Trace(state)

    def _leaving(self, tensor: str) -> Trace | None:
        leaves = self.joiner.segments(tensor, "out")
        return Trace(leaves[0]) if len(leaves) == 1 else None
