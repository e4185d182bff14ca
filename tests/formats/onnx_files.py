"""Writes small ONNX models."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper, numpy_helper


def node(kind: str, *inputs: str, output: str = "", **attributes) -> onnx.NodeProto:
    return helper.make_node(kind, list(inputs), [output or f"{kind}_out"], **attributes)


def graph(nodes, tensors, name="graph") -> onnx.GraphProto:
    initialisers = [
        tensor if isinstance(tensor, TensorProto) else numpy_helper.from_array(tensor, key)
        for key, tensor in tensors.items()
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])]
    return helper.make_graph(nodes, name, inputs, [], initialisers)


def write_model(path: Path, nodes, tensors) -> Path:
    path.write_bytes(helper.make_model(graph(nodes, tensors)).SerializeToString())
    return path


def external(location, shape=(5, 3), **entries) -> TensorProto:
    tensor = TensorProto(name="w", dims=shape, data_type=TensorProto.FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor
