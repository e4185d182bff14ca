"""Weights of dense layers in TensorFlow Lite files: a bounds-checked reader of flatbuffers.

Only what a chain of fully connected layers in float32 needs; anything else is an error. Layout of
the tables: tensorflow/compiler/mlir/lite/schema/schema.fbs of TensorFlow.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np

_IDENTIFIER = b"TFL3"
_FULLY_CONNECTED = 9
_FLOAT32 = 0


class _Table:
    """A table of a flatbuffer: fields by number, each at an offset that its vtable holds."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._vtable = at - self._number("<i", at)
        self._length = self._number("<H", self._vtable)

    def _number(self, kind: str, at: int) -> int:
        size = struct.calcsize(kind)
        if not 0 <= at <= len(self._data) - size:
            raise ValueError(f"offset {at} lies outside of {len(self._data)} bytes")
        return int(struct.unpack_from(kind, self._data, at)[0])

    def _field(self, number: int) -> int:
        """Return where a field is; 0 where it is left out."""
        slot = 4 + 2 * number
        offset = self._number("<H", self._vtable + slot) if slot + 2 <= self._length else 0
        return self._at + offset if offset else 0

    def number(self, field: int, kind: str = "<i", default: int = 0) -> int:
        """Return a number that is stored in place."""
        at = self._field(field)
        return self._number(kind, at) if at else default

    def bytes(self, field: int, width: int = 1) -> bytes:
        """Return a vector of numbers of `width` bytes each."""
        at = self._field(field)
        if not at:
            return b""
        start = at + self._number("<I", at)
        size = width * self._number("<I", start)
        if size > len(self._data) - start - 4:
            raise ValueError(f"a vector of {size} bytes ends outside of {len(self._data)}")
        return self._data[start + 4 : start + 4 + size]

    def integers(self, field: int) -> list[int]:
        """Return a vector of 32-bit integers."""
        return [int(i) for i in np.frombuffer(self.bytes(field, 4), "<i4")]

    def tables(self, field: int) -> list[_Table]:
        """Return a vector of tables."""
        at = self._field(field)
        if not at:
            return []
        start = at + self._number("<I", at)
        count = len(self.bytes(field, 4)) // 4
        slots = range(start + 4, start + 4 + 4 * count, 4)
        return [_Table(self._data, slot + self._number("<I", slot)) for slot in slots]


def dense_layers(path: Path) -> dict[str, np.ndarray]:
    """Return fc1.weight (outputs, inputs), fc1.bias, fc2.weight, .. in the order of the network.

    Raises
    ------
    ValueError
        If it is no such file, or a layer's weights are no constants in float32 of its shape.
    """
    data = path.read_bytes()
    if data[4:8] != _IDENTIFIER:
        raise ValueError(f"{path.name} is no TensorFlow Lite file")
    model = _Table(data, int.from_bytes(data[:4], "little"))
    codes = [max(c.number(0, "<b"), c.number(3)) for c in model.tables(1)]
    graphs, buffers = model.tables(2), model.tables(4)
    if len(graphs) != 1:
        raise ValueError(f"{path.name} has {len(graphs)} graphs, expected one")
    tensors = graphs[0].tables(0)

    def constant(number: int) -> np.ndarray:
        tensor = _item(tensors, number)
        shape = tensor.integers(0)
        if tensor.number(1, "<b") != _FLOAT32:
            raise ValueError(f"tensor {number} of {path.name} is not float32")
        raw = _item(buffers, tensor.number(2, "<I")).bytes(0)
        if min(shape, default=1) < 1 or len(raw) != 4 * prod(shape):
            raise ValueError(f"tensor {number} of {path.name}: {len(raw)} bytes for {shape}")
        return np.frombuffer(raw, "<f4").reshape(shape)

    return _numbered(graphs[0].tables(3), codes, constant)


def _item(items: list[_Table], number: int) -> _Table:
    if not 0 <= number < len(items):
        raise ValueError(f"no item {number} among {len(items)}")
    return items[number]


def _numbered(
    operators: list[_Table], codes: list[int], constant: Callable[[int], np.ndarray]
) -> dict[str, np.ndarray]:
    layers: dict[str, np.ndarray] = {}
    units: int | None = None
    for operator in operators:
        code = operator.number(0, "<I")
        if not 0 <= code < len(codes):
            raise ValueError(f"no operator code {code} among {len(codes)}")
        if codes[code] != _FULLY_CONNECTED:
            continue
        inputs = operator.integers(1)
        if len(inputs) < 2:
            raise ValueError("a fully connected layer has no weights")
        weight = constant(inputs[1])
        if weight.ndim != 2 or units not in (None, weight.shape[1]):
            raise ValueError(f"weights of shape {weight.shape} do not follow {units} units")
        units = weight.shape[0]
        name = f"fc{len(layers) // 2 + 1}"
        layers[f"{name}.weight"] = weight
        bias = constant(inputs[2]).reshape(-1) if len(inputs) > 2 and inputs[2] >= 0 else None
        if bias is not None and bias.size != units:
            raise ValueError(f"{bias.size} biases for {units} units")
        layers[f"{name}.bias"] = np.zeros(units, np.float32) if bias is None else bias
    if not layers:
        raise ValueError("there is no fully connected layer")
    return layers
