"""Writes .pt files, zip and legacy, without torch: the opcodes that `torch.save` would write.

Values are plain Python data, NumPy arrays (tensors of their own storage), `View` (a strided view
of an array as storage), `Global`, `Reduce` and `Build` (whatever a hostile file may name, call and
set), and `Raw` opcodes.
"""

from __future__ import annotations

import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
STORAGE_TYPES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex64": "ComplexFloatStorage",
}


@dataclass(frozen=True)
class Global:
    module: str
    name: str


@dataclass(frozen=True)
class Reduce:
    function: Any
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Build:
    target: Any
    state: Any


@dataclass(frozen=True)
class Raw:
    opcodes: bytes


@dataclass
class View:
    """A tensor as its file describes it; every part can be wrong."""

    storage: np.ndarray
    shape: tuple[Any, ...]
    strides: tuple[Any, ...]
    offset: Any = 0
    metadata: Any = None
    n_elements: int | None = None
    storage_type: str | None = None
    dtype: str | None = None


@dataclass
class Pickle:
    """The bytes of one pickle, and the storages that it refers to."""

    data: bytearray = field(default_factory=lambda: bytearray(b"\x80\x02"))
    storages: dict[int, tuple[str, np.ndarray]] = field(default_factory=dict)
    legacy: bool = False

    def finish(self, value: Any) -> bytes:
        self.put(value)
        return bytes(self.data + b".")

    def put(self, value: Any) -> None:
        match value:
            case None:
                self.data += b"N"
            case bool():
                self.data += b"\x88" if value else b"\x89"
            case int():
                size = value.bit_length() // 8 + 1
                self.data += b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)
            case float():
                self.data += b"G" + struct.pack(">d", value)
            case str():
                text = value.encode("utf-8", "surrogatepass")
                self.data += b"X" + struct.pack("<I", len(text)) + text
            case bytes():
                self.data += b"B" + struct.pack("<I", len(value)) + value
            case tuple():
                self.data += b"("
                for item in value:
                    self.put(item)
                self.data += b"t"
            case list():
                self.data += b"]("
                for item in value:
                    self.put(item)
                self.data += b"e"
            case OrderedDict():
                self.put(Reduce(Global("collections", "OrderedDict"), ()))
                self._items(value)
            case dict():
                self.data += b"}"
                self._items(value)
            case Global():
                self.data += f"c{value.module}\n{value.name}\n".encode()
            case Reduce():
                self.put(value.function)
                self.put(value.arguments)
                self.data += b"R"
            case Build():
                self.put(value.target)
                self.put(value.state)
                self.data += b"b"
            case Raw():
                self.data += value.opcodes
            case View():
                self._tensor(value)
            case np.ndarray():
                steps = tuple(step // value.itemsize for step in value.strides)
                self._tensor(View(value, value.shape, steps))
            case _:
                raise TypeError(type(value))

    def _items(self, value: dict[Any, Any]) -> None:
        self.data += b"("
        for key, item in value.items():
            self.put(key)
            self.put(item)
        self.data += b"u"

    def _tensor(self, view: View) -> None:
        key, _ = self.storages.setdefault(id(view.storage), (str(len(self.storages)), view.storage))
        count = view.storage.size if view.n_elements is None else view.n_elements
        kind = view.storage_type or STORAGE_TYPES[view.storage.dtype.name]
        module = "torch.storage" if kind == "UntypedStorage" else "torch"
        label = ("storage", Global(module, kind), key, "cpu", count)
        self.put(Global("torch._utils", f"_rebuild_tensor_v{3 if view.dtype else 2}"))
        self.data += b"("
        self.put((*label, None) if self.legacy else label)
        self.data += b"Q"
        for part in (view.offset, view.shape, view.strides, False, OrderedDict()):
            self.put(part)
        if view.dtype:
            self.put(Global("torch", view.dtype))
        if view.metadata is not None:
            self.put(view.metadata)
        self.data += b"tR"


def zip_members(value: Any, prefix: str = "archive") -> dict[str, bytes]:
    """Return the members of the archive that `torch.save(value)` writes."""
    pickle = Pickle()
    members = {f"{prefix}/data.pkl": pickle.finish(value), f"{prefix}/byteorder": b"little"}
    for key, array in pickle.storages.values():
        members[f"{prefix}/data/{key}"] = array.tobytes()
    return members | {f"{prefix}/version": b"3\n"}


def write_zip(path: Path, value: Any, **changes: bytes) -> Path:
    """Write a zip checkpoint; `changes` replace the data of members by their last name."""
    return write_members(
        path,
        {
            name: changes.get(name.rpartition("/")[2].replace(".", "_"), data)
            for name, data in zip_members(value).items()
        },
    )


def write_members(path: Path, members: dict[str, bytes], compression: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def write_pickle(path: Path, opcodes: bytes) -> Path:
    """Write a zip checkpoint with a pickle given as it is."""
    return write_members(
        path, {"archive/data.pkl": opcodes, "archive/byteorder": b"little", "archive/version": b"3"}
    )


def write_legacy(path: Path, value: Any, little_endian: bool = True) -> Path:
    """Write the stream of pickles and storages of torch < 1.6."""
    system = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {"int": 4}}
    pickle = Pickle(legacy=True)
    body = pickle.finish(value)
    keys = [key for key, _ in pickle.storages.values()]
    parts = [Pickle().finish(item) for item in (LEGACY_MAGIC, 1001, system)]
    parts += [body, Pickle().finish(keys)]
    for _, array in pickle.storages.values():
        parts += [struct.pack("<q", array.size), array.tobytes()]
    path.write_bytes(b"".join(parts))
    return path
