"""Reader for ONNX models: initialisers and Constant nodes of all graphs, external data bounded.

`onnx` parses the file; numbers outside the file are read here, only from a plain file beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnrg.errors import FormatError, SourceError
from nnrg.networks._label import file_label, human_bytes, label
from nnrg.networks._limits import (
    MAX_NAME,
    MAX_TENSORS,
    as_format_error,
    open_regular,
)
from nnrg.networks._onnx_bounds import count_fields
from nnrg.networks._onnx_graph import Constant, collect
from nnrg.networks._raw import Extent, numpy_dtype
from nnrg.networks._source import Array, Skipped, TensorSpec

__all__ = ["OnnxSource", "read"]

MAX_FILE = 2**31 - 1
"""Bytes of a protocol buffer by its own rules; larger models keep their numbers outside."""

_HINT = "download or export it again"

# Element types of the ONNX standard, and the field of a tensor that holds them if not raw.
_DTYPES = {
    1: ("float32", "float_data"),
    2: ("uint8", "int32_data"),
    3: ("int8", "int32_data"),
    4: ("uint16", "int32_data"),
    5: ("int16", "int32_data"),
    6: ("int32", "int32_data"),
    7: ("int64", "int64_data"),
    9: ("bool", "int32_data"),
    10: ("float16", "int32_data"),
    11: ("float64", "double_data"),
    12: ("uint32", "uint64_data"),
    13: ("uint64", "uint64_data"),
    16: ("bfloat16", "int32_data"),
    17: ("float8_e4m3fn", "int32_data"),
    18: ("float8_e4m3fnuz", "int32_data"),
    19: ("float8_e5m2", "int32_data"),
    20: ("float8_e5m2fnuz", "int32_data"),
}
_OTHERS = {8: "text", 14: "complex64", 15: "complex128", 21: "uint4", 22: "int4", 23: "float4"}


@dataclass(slots=True)
class OnnxSource:
    """The weights of one ONNX model."""

    path: Path | None
    specs: Mapping[str, TensorSpec]
    tensors: Mapping[str, Any]
    skipped: tuple[Skipped, ...]
    metadata: Mapping[str, str]
    format: str = "onnx"

    def read(self, name: str) -> Array:
        """Read one tensor whole."""
        held, spec = self.tensors[name], self.specs[name]
        if isinstance(held, Extent):
            return held.read()
        return _numbers(held, spec)

    def chunks(self, name: str, rows: int) -> Iterator[Array]:
        """Read one tensor in runs of `rows` entries of its first axis."""
        held = self.tensors[name]
        if isinstance(held, Extent):
            yield from held.chunks(rows)
            return
        whole = np.atleast_1d(self.read(name))
        for start in range(0, whole.shape[0], rows):
            yield whole[start : start + rows]


def read(path: Path) -> OnnxSource:
    """Parse an ONNX model.

    Parameters
    ----------
    path : Path
        A regular file.

    Returns
    -------
    OnnxSource
        Specs of all tensors of floating-point numbers that the graph works with; layouts and
        gates are told from the nodes that use them.

    Raises
    ------
    SourceError
        The file, or the file beside it with its numbers, cannot be read, or the `onnx` package
        is missing.
    FormatError
        The file is no ONNX model, has no weights, shapes and numbers do not agree, or its numbers
        are outside its folder.
    """
    path = Path(path)
    onnx = _package(path)
    file, stamp = open_regular(path)
    with file, as_format_error(path, "not a valid ONNX model", _HINT):
        if stamp.size > MAX_FILE:
            raise _bad(path, f"{human_bytes(stamp.size)}, more than a protocol buffer can have")
        data = file.read()
        count_fields(memoryview(data), onnx.ModelProto.DESCRIPTOR)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # protobuf's DecodeError is a bare Exception
        raise _bad(path, label(error, 120)) from error
    with as_format_error(path, "not a valid ONNX model", _HINT):
        constants, sparse = collect(model)
        source = _source(path, constants)
    for name in sparse:
        source.skipped += (Skipped(name, "sparse tensor: make it dense first"),)
    source.metadata = {"producer": label(model.producer_name), "ir_version": str(model.ir_version)}
    if not source.specs:
        reasons = sorted({item.reason for item in source.skipped})
        others = f" (only: {label(', '.join(reasons), 200)})" if reasons else ""
        raise FormatError(
            f"{file_label(path)}: no weights found{others}; export the model with its parameters"
        )
    return source


def _package(path: Path) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise SourceError(
            f"{file_label(path)}: reading ONNX models needs the package onnx; "
            "pip install 'nnrg[onnx]'"
        ) from error
    return onnx


def _source(path: Path, constants: list[Constant]) -> OnnxSource:
    specs: dict[str, TensorSpec] = {}
    tensors: dict[str, Any] = {}
    skipped: list[Skipped] = []
    settings: dict[str, list[Skipped]] = {}
    if len(constants) > MAX_TENSORS:
        raise _bad(path, f"{len(constants)} tensors, more than the {MAX_TENSORS} allowed")
    for constant in constants:
        name = _free_name(path, constant.name, specs)
        shape = _shape(path, constant)
        size = math.prod(shape)
        layout, gates = constant.axes_and_gates()
        reason = _reason(constant, size, layout)
        if reason:
            # Exporters write hundreds of one-number Constant nodes: one line for all of a kind.
            named = constant.origin == "initialiser"
            (skipped if named else settings.setdefault(reason, [])).append(
                Skipped(name, reason, size)
            )
            continue
        spec = TensorSpec(name, shape, _DTYPES[constant.tensor.data_type][0], layout, gates)
        tensors[name] = _checked(path, constant.tensor, spec)
        specs[name] = spec
    for reason, items in settings.items():
        more = f" and {len(items) - 1} more" if len(items) > 1 else ""
        total = sum(item.size for item in items)
        skipped.append(Skipped(f"{items[0].name}{more}", reason, total))
    return OnnxSource(path, specs, tensors, tuple(skipped), {})


def _free_name(path: Path, name: str, specs: Mapping[str, TensorSpec]) -> str:
    """Return a tensor's name; graphs inside nodes may use the names of others again."""
    if len(name) > MAX_NAME:
        raise _bad(path, f"a name of {len(name)} characters")
    free, number = name, 2
    while free in specs:
        free, number = f"{name}#{number}", number + 1
    return free


def _shape(path: Path, constant: Constant) -> tuple[int, ...]:
    shape = tuple(int(n) for n in constant.tensor.dims)
    if len(shape) > 64 or any(n < 0 for n in shape) or math.prod(shape) >= 1 << 48:
        raise _bad(path, f"{label(constant.name)!r} has the shape {label(list(shape))}")
    return shape


def _reason(constant: Constant, size: int, layout: str) -> str:
    """Return why a constant is not a weight, empty if it may be one."""
    kind = constant.tensor.data_type
    if kind not in _DTYPES:
        return f"{_OTHERS.get(kind, f'type {kind}')} entries are not read"
    dtype = _DTYPES[kind][0]
    if not dtype.startswith(("float", "bfloat")):
        return f"{dtype} {constant.origin}: shapes, indices or quantised numbers"
    if size == 0:
        return "no elements"
    if size == 1 and not layout:
        return f"{constant.origin} of one number"
    return constant.reason()


def _checked(path: Path, tensor: Any, spec: TensorSpec) -> Any:
    """Compare a tensor's shape with the numbers that are there."""
    itemsize = numpy_dtype(spec.dtype).itemsize
    if tensor.data_location == 1:
        return _external(path, tensor, spec, itemsize)
    if tensor.HasField("raw_data"):
        held, wanted = len(tensor.raw_data), spec.size * itemsize
    else:
        held, wanted = len(getattr(tensor, _DTYPES[tensor.data_type][1])), spec.size
    if held != wanted:
        raise _bad(path, f"{label(spec.name)!r} of shape {list(spec.shape)} holds {held}/{wanted}")
    return tensor


def _external(path: Path, tensor: Any, spec: TensorSpec, itemsize: int) -> Extent:
    """Return where a tensor's numbers are in a plain file in the model's folder."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    shown = f"the numbers of {label(spec.name)!r} in {label(location)!r}"
    plain = location and location not in (".", "..") and not set(location) & set("/\\:\0")
    beside = path.parent / location
    if not plain or beside.is_symlink() or (beside.exists() and beside.stat().st_nlink > 1):
        raise FormatError(
            f"{file_label(path)}: {shown} are not in a plain file beside the model; copy that file "
            "next to the model, or save the model in one file"
        )
    file, stamp = open_regular(beside)
    file.close()
    offset = _count(entries.get("offset", "0"))
    length = _count(entries.get("length", str(stamp.size - offset)))
    wanted = spec.size * itemsize
    if offset < 0 or length != wanted or offset + length > stamp.size:
        raise _bad(path, f"{shown}: {wanted} bytes at {offset} of {stamp.size}, length {length}")
    return Extent(beside, stamp, offset, numpy_dtype(spec.dtype).newbyteorder("<"), spec.shape)


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1


def _numbers(tensor: Any, spec: TensorSpec) -> Array:
    dtype = numpy_dtype(spec.dtype)
    if tensor.HasField("raw_data"):
        return np.frombuffer(tensor.raw_data, dtype).reshape(spec.shape)
    values = getattr(tensor, _DTYPES[tensor.data_type][1])
    if dtype.itemsize < 4:  # the bits of a small float, in an int32 each
        bits = np.fromiter(values, "int32", len(values)).astype(f"uint{8 * dtype.itemsize}")
        return bits.view(dtype).reshape(spec.shape)
    return np.fromiter(values, dtype, len(values)).reshape(spec.shape)


def _bad(path: Path, what: str) -> FormatError:
    return FormatError(f"{file_label(path)}: not a valid ONNX model: {what}; {_HINT}")
