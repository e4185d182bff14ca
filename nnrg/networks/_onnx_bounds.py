"""A count of the parts of a protocol buffer, before a parser makes an object of each.

Two bytes of an empty message become some 160 bytes of memory: a file of 3 MB could take 250 MB.
The fields that hold messages are those of the ONNX schema; all others are stepped over.
"""

from __future__ import annotations

from typing import Any

__all__ = ["MAX_FIELDS", "count_fields"]

MAX_FIELDS = 400_000
"""Names, attributes, shapes of one model: large exported ones have some 100 000."""


def count_fields(data: memoryview, descriptor: Any) -> int:
    """Return how many fields of variable length a message and its parts have.

    Parameters
    ----------
    data : memoryview
        The serialized message.
    descriptor : google.protobuf.descriptor.Descriptor
        Its schema.

    Raises
    ------
    ValueError
        The bytes are no message, or there are more than `MAX_FIELDS` fields.
    """
    schemas: dict[str, dict[int, Any]] = {}
    stack: list[tuple[int, int, Any]] = [(0, len(data), descriptor)]
    count = 0
    while stack:
        at, end, message = stack.pop()
        inner = schemas.get(message.full_name)
        if inner is None:
            inner = {f.number: f.message_type for f in message.fields if f.message_type}
            schemas[message.full_name] = inner
        while at < end:
            tag, at = _varint(data, at, end)
            kind = tag & 7
            if kind == 0:
                _, at = _varint(data, at, end)
            elif kind == 1:
                at += 8
            elif kind == 5:
                at += 4
            elif kind == 2:
                length, at = _varint(data, at, end)
                count += 1
                if count > MAX_FIELDS:
                    raise ValueError(f"more than {MAX_FIELDS} names, attributes and tensors")
                if length > end - at:
                    raise ValueError("a field is longer than the message around it")
                if tag >> 3 in inner:
                    stack.append((at, at + length, inner[tag >> 3]))
                at += length
            else:
                raise ValueError(f"a field of the unknown type {kind}")
        if at > end:
            raise ValueError("a number ends outside its message")
    return count


def _varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("a number ends outside its message")
