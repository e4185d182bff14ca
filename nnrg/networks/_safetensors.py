"""Reader for safetensors files.

The header is parsed here, not by the library, which lets one of two equal keys win in silence and
cannot hand out 16-bit and 8-bit floats as arrays. Layout of a file: 8 bytes, little endian, the
length n of the header; n bytes of JSON; the numbers, without gaps, up to the end of the file.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from nnrg.errors import FormatError
from nnrg.networks._label import file_label, human_bytes, label
from nnrg.networks._limits import (
    MAX_HEADER,
    MAX_NAME,
    MAX_TENSORS,
    Stamp,
    as_format_error,
    open_regular,
)
from nnrg.networks._raw import Extent, numpy_dtype
from nnrg.networks._source import Array, Skipped, TensorSpec

__all__ = ["SafetensorsSource", "parse_json", "read"]

# Bits of one number and its NumPy or ml_dtypes name; "" where no array type exists.
_DTYPES = {
    "F64": (64, "float64"),
    "F32": (32, "float32"),
    "F16": (16, "float16"),
    "BF16": (16, "bfloat16"),
    "F8_E4M3": (8, "float8_e4m3fn"),
    "F8_E5M2": (8, "float8_e5m2"),
    "F8_E8M0": (8, "float8_e8m0fnu"),
    "F8_E4M3FNUZ": (8, "float8_e4m3fnuz"),
    "F8_E5M2FNUZ": (8, "float8_e5m2fnuz"),
    "F6_E2M3": (6, ""),
    "F6_E3M2": (6, ""),
    "F4": (4, ""),
    "I64": (64, "int64"),
    "I32": (32, "int32"),
    "I16": (16, "int16"),
    "I8": (8, "int8"),
    "U64": (64, "uint64"),
    "U32": (32, "uint32"),
    "U16": (16, "uint16"),
    "U8": (8, "uint8"),
    "BOOL": (8, "bool"),
    "C64": (64, "complex64"),
}
_DAMAGED = "download or save it again"
# Commas in the header: a tensor has three, and one for each further axis.
_MAX_COMMAS = 12 * MAX_TENSORS


@dataclass(slots=True)
class SafetensorsSource:
    """The tensors of one safetensors file, or of all shards of one model."""

    path: Path | None
    specs: Mapping[str, TensorSpec]
    extents: Mapping[str, Extent]
    skipped: tuple[Skipped, ...]
    metadata: Mapping[str, str]
    format: str = "safetensors"

    def read(self, name: str) -> Array:
        """Read one tensor whole."""
        return self.extents[name].read()

    def chunks(self, name: str, rows: int) -> Iterator[Array]:
        """Read one tensor in runs of `rows` entries of its first axis."""
        return self.extents[name].chunks(rows)


def read(path: Path) -> SafetensorsSource:
    """Parse the header of a safetensors file.

    Parameters
    ----------
    path : Path
        A regular file.

    Returns
    -------
    SafetensorsSource
        Specs of all tensors; their numbers are read on demand.

    Raises
    ------
    SourceError
        The file cannot be read.
    FormatError
        The header is damaged, contradicts itself or the size of the file, or is too large.
    """
    header, start, stamp = _header(path)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _bad(path, "__metadata__ is not a map from text to text")
    if len(header) > MAX_TENSORS:
        raise _bad(path, f"{len(header)} tensors, more than the {MAX_TENSORS} allowed")
    specs: dict[str, TensorSpec] = {}
    extents: dict[str, Extent] = {}
    skipped: list[Skipped] = []
    places: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        spec, begin, end = _entry(path, name, entry)
        places.append((begin, end, name))
        if spec.size == 0:
            skipped.append(Skipped(name, f"no elements: shape {list(spec.shape)}"))
        elif not spec.dtype:
            reason = f"{entry['dtype']} numbers are packed, not readable as an array"
            skipped.append(Skipped(name, reason, spec.size))
        else:
            specs[name] = spec
            dtype = numpy_dtype(spec.dtype)
            extents[name] = Extent(path, stamp, start + begin, dtype, spec.shape)
    _check_places(path, sorted(places), stamp.size - start)
    for name, kept in metadata.items():
        # safetensors.torch.save_model stores tied tensors once and notes their other names.
        if kept in specs and name not in specs:
            skipped.append(Skipped(name, f"tied to {kept}: the same numbers, counted once"))
    return SafetensorsSource(path, specs, extents, tuple(skipped), metadata)


def parse_json(path: Path, text: bytes) -> dict[str, Any]:
    """Return the JSON object in `text`, refusing equal keys.

    Raises
    ------
    FormatError
        It is not JSON, not an object, has equal keys, or would take too much memory.
    """
    if text.count(b",") > _MAX_COMMAS or text.count(b"[") > _MAX_COMMAS:
        raise _bad(path, f"the header has more entries than {MAX_TENSORS} tensors need")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
            raise _bad(path, f"the key {label(twice)!r} occurs twice")
        return found

    with as_format_error(path, "the header is not valid JSON", _DAMAGED):
        parsed = json.loads(text, object_pairs_hook=unique)
    if not isinstance(parsed, dict):
        raise _bad(path, "the header is not a JSON object")
    return parsed


def _header(path: Path) -> tuple[dict[str, Any], int, Stamp]:
    file, stamp = open_regular(path)
    with file, as_format_error(path, "cannot be read", _DAMAGED):
        prefix = file.read(8)
        if len(prefix) < 8:
            raise _bad(path, f"{stamp.size} bytes, too short for a safetensors header")
        length = int.from_bytes(prefix, "little")
        if length > MAX_HEADER:
            raise _bad(
                path,
                f"the header claims {human_bytes(length)}, above the {human_bytes(MAX_HEADER)} "
                "allowed",
            )
        if length > stamp.size - 8:
            raise _bad(path, f"the header claims {length} bytes, the file has {stamp.size - 8}")
        text = file.read(length)
    return parse_json(path, text), 8 + length, stamp


def _entry(path: Path, name: str, entry: object) -> tuple[TensorSpec, int, int]:
    if len(name) > MAX_NAME:
        raise _bad(path, f"a tensor's name has {len(name)} characters, above {MAX_NAME}")
    if not isinstance(entry, dict):
        raise _bad(path, f"the entry of {label(name)!r} is not a JSON object")
    kind, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not isinstance(kind, str) or kind not in _DTYPES:
        known = " ".join(_DTYPES)
        raise _bad(path, f"{label(name)!r} has the unknown dtype {label(kind)!r}; known: {known}")
    if not _naturals(shape) or len(shape) > 64:
        raise _bad(path, f"{label(name)!r} has no valid shape")
    if not _naturals(offsets) or len(offsets) != 2:
        raise _bad(path, f"{label(name)!r} has no valid data_offsets")
    bits, dtype = _DTYPES[kind]
    begin, end = offsets
    need = -(-bits * math.prod(shape) // 8)
    if end - begin != need:
        raise _bad(
            path,
            f"{label(name)!r} has data_offsets {begin}..{end} for {need} bytes of "
            f"{kind} {label(shape)}",
        )
    return TensorSpec(name, tuple(shape), dtype), begin, end


def _naturals(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**63 for n in value)


def _check_places(path: Path, places: list[tuple[int, int, str]], size: int) -> None:
    at = 0
    for begin, end, name in places:
        if begin != at:
            what = "overlaps the tensor before it" if begin < at else f"leaves a hole at byte {at}"
            raise _bad(path, f"{label(name)!r} {what}")
        at = end
    if at > size:
        raise _bad(path, f"the header describes {at} bytes of numbers, the file has {size}")
    if at < size:
        raise _bad(path, f"{size - at} bytes follow the last tensor that the header describes")


def _bad(path: Path, what: str) -> FormatError:
    return FormatError(f"{file_label(path)}: not a valid safetensors file: {what}; {_DAMAGED}")
