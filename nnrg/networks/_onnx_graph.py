"""The tensors of an ONNX graph and what its nodes use them for.

Names of an export say little; the node that consumes a tensor says what its axes are: the second
input of MatMul is in x out, of Gemm with transB out x in, of Conv out x in x taps. The gates of an
LSTM are ``"iofc"``, those of a GRU ``"zrh"``; W and R have the directions as first axis (N).
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Constant", "collect"]

_TAPS = {3: "K", 4: "HW", 5: "DHW"}
# Inputs that set how an operation works: numbers, but not weights.
_SETTINGS = {
    "Resize": (1, 2, 3),
    "Upsample": (1,),
    "Clip": (1, 2),
    "Pad": (1, 2, 3),
    "Pow": (1,),
    "Dropout": (1, 2),
    "OneHot": (1, 2),
    "NonMaxSuppression": (2, 3, 4),
    "Expand": (1,),
    "Range": (0, 1, 2),
    "QuantizeLinear": (1, 2),
    "DequantizeLinear": (1, 2),
}
_GATES = {"LSTM": "iofc", "GRU": "zrh", "RNN": ""}
_SAME = ("Identity", "Cast", "Dropout")


@dataclass(slots=True)
class Constant:
    """A tensor of numbers in a graph, and every use of it."""

    name: str
    tensor: Any
    origin: str
    uses: list[tuple[Any, int]] = field(default_factory=list)
    flipped: bool = False

    @property
    def axes(self) -> int:
        """Number of axes."""
        return len(self.tensor.dims)

    def reason(self) -> str:
        """Return why the tensor is not a weight, as far as its uses tell."""
        kinds = {(node.op_type, place) for node, place in self.uses}
        if any(op == "BatchNormalization" and place in (3, 4) for op, place in kinds):
            return "running statistics of a normalisation layer, not trained"
        if kinds and all(place in _SETTINGS.get(op, ()) for op, place in kinds):
            return f"a setting of {sorted(kinds)[0][0]}, not a weight"
        return ""

    def axes_and_gates(self) -> tuple[str, str]:
        """Return the layout and the gates on which all uses agree, ``""`` where they do not."""
        found = {_meaning(node, place, self.axes) for node, place in self.uses}
        found.discard(("", ""))
        layout, gates = found.pop() if len(found) == 1 else ("", "")
        if "N" in layout and self.tensor.dims[0] != 1:
            layout = layout.replace("N", "?")
        return (layout[::-1] if self.flipped else layout), gates


def _meaning(node: Any, place: int, axes: int) -> tuple[str, str]:
    """Return what the axes of an input of a node are."""
    kind = node.op_type
    taps = _TAPS.get(axes)
    if kind == "MatMul" and axes == 2:
        return ("IO" if place == 1 else "OI"), ""
    if kind == "Gemm" and axes == 2 and place < 2:
        turned = _integer(node, "transB" if place == 1 else "transA")
        return ("OI" if turned == place else "IO"), ""
    if kind in ("Conv", "ConvTranspose") and place == 1 and taps:
        return ("OI" if kind == "Conv" else "IO") + taps, ""
    if kind in ("Conv", "ConvTranspose", "Gemm") and place == 2 and axes == 1:
        return "O", ""
    if kind in _GATES and place in (1, 2) and axes == 3:
        return "NOI", _GATES[kind]
    if kind in _GATES and place == 3 and axes == 2:
        return "NO", ""
    if kind == "Gather" and place == 0 and axes == 2 and _integer(node, "axis") == 0:
        return "VC", ""
    if kind.endswith("Normalization") and place in (1, 2) and axes == 1:
        return "C", ""
    return "", ""


def _integer(node: Any, name: str) -> int:
    return next((int(a.i) for a in node.attribute if a.name == name), 0)


def _turns(node: Any) -> bool:
    """Whether a Transpose swaps the two axes of a matrix."""
    order = next((list(a.ints) for a in node.attribute if a.name == "perm"), [1, 0])
    return order == [1, 0]


Scope = ChainMap[str, Constant | None]


def collect(model: Any) -> tuple[list[Constant], list[str]]:
    """Walk through all graphs of a model.

    Parameters
    ----------
    model : onnx.ModelProto
        A parsed model.

    Returns
    -------
    constants : list of Constant
        Initialisers and Constant nodes of the graph and of the graphs inside its nodes, in order.
    sparse : list of str
        Names of sparse initialisers.
    """
    constants: list[Constant] = []
    sparse: list[str] = []
    _walk(model.graph, ChainMap(), constants, sparse)
    for function in model.functions:
        _walk_nodes(function.node, ChainMap(), constants, sparse)
    return constants, sparse


def _walk(graph: Any, scope: Scope, constants: list[Constant], sparse: list[str]) -> None:
    for value in graph.input:
        scope[value.name] = None
    for tensor in graph.initializer:
        scope[tensor.name] = Constant(tensor.name, tensor, "initialiser")
        constants.append(scope[tensor.name])  # type: ignore[arg-type]
    sparse.extend(tensor.values.name for tensor in graph.sparse_initializer)
    _walk_nodes(graph.node, scope, constants, sparse)


def _walk_nodes(nodes: Any, scope: Scope, constants: list[Constant], sparse: list[str]) -> None:
    turned: dict[str, Constant] = {}
    for node in nodes:
        for place, name in enumerate(node.input):
            constant = scope.get(name)
            if name in turned:
                turned[name].uses.append((node, place))
                turned[name].flipped = True
            elif constant is not None:
                constant.uses.append((node, place))
        for name in node.output:
            scope[name] = None
        _define(node, scope, turned, constants)
        for graph in _graphs(node):
            _walk(graph, scope.new_child(), constants, sparse)


def _define(
    node: Any, scope: Scope, turned: dict[str, Constant], constants: list[Constant]
) -> None:
    """Note what a node makes of constants: itself one, the same one, or its transpose."""
    if not node.output:
        return
    name = node.output[0]
    source = scope.get(node.input[0]) if node.input else None
    if node.op_type == "Constant":
        for attribute in node.attribute:
            if attribute.name == "value" and attribute.HasField("t"):
                scope[name] = Constant(name, attribute.t, "Constant node")
                constants.append(scope[name])  # type: ignore[arg-type]
    elif source is not None and node.op_type in _SAME:
        source.uses.pop()
        scope[name] = source
    elif source is not None and node.op_type == "Transpose" and source.axes == 2 and _turns(node):
        source.uses.pop()
        turned[name] = source


def _graphs(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs
