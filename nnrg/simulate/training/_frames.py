"""Frames of a record: all that is known at one step, in bytes that are the same in memory and file.

A file is one safetensors file. Its header lists the tensors of every step that is asked for, called
``STEP/NAME``; frames follow in the order of the steps. One that training has not come to is missing
at the end, so that a file that was cut off is complete up to its last whole frame.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError, FormatError, SourceError

__all__ = ["Frames", "Layout", "Sink", "read_frames", "read_header", "room"]

Array = npt.NDArray[Any]

_KEY = "nnrg.training"
_LONGEST_HEADER = 100_000_000
_TYPES = {"float64": "F64", "float32": "F32", "uint64": "U64", "uint8": "U8"}


@dataclass(frozen=True, slots=True)
class Layout:
    """The tensors of a frame, in order.

    Parameters
    ----------
    entries : tuple of (name, dtype, shape)
    """

    entries: tuple[tuple[str, str, tuple[int, ...]], ...]
    offsets: dict[str, int] = field(init=False)
    nbytes: int = field(init=False)

    def __post_init__(self) -> None:
        at, offsets = 0, {}
        for name, dtype, shape in self.entries:
            offsets[name] = at
            at += math.prod(shape) * np.dtype(dtype).itemsize
        object.__setattr__(self, "offsets", offsets)
        object.__setattr__(self, "nbytes", at)

    @classmethod
    def of(cls, entries: Sequence[tuple[str, str, tuple[int, ...]]]) -> Layout:
        """Return the layout of tensors, which are followed by a checksum."""
        wide = [e for e in entries if np.dtype(e[1]).itemsize == 8]
        rest = [e for e in entries if np.dtype(e[1]).itemsize != 8]
        found = [*wide, *rest]
        odd = -sum(math.prod(s) * np.dtype(d).itemsize for _, d, s in found) % 8
        if odd:  # every frame begins where 8-byte numbers may
            found.append(("padding", "uint8", (odd,)))
        return cls((*found, ("checksum", "uint64", (1,))))

    def views(self, raw: Array, n_frames: int) -> dict[str, Array]:
        """Return the tensors in the bytes of so many frames, each (n_frames, *shape)."""
        found = {}
        for name, dtype, shape in self.entries:
            size = np.dtype(dtype).itemsize
            inner = [size * math.prod(shape[i + 1 :]) for i in range(len(shape))]
            found[name] = np.ndarray(
                (n_frames, *shape), dtype, raw, self.offsets[name], (self.nbytes, *inner)
            )
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Frames of the first steps of a record."""

    layout: Layout
    steps: tuple[int, ...]
    raw: Array

    def tensors(self) -> dict[str, Array]:
        """Return the tensors, each of shape (n_frames, *shape)."""
        return self.layout.views(self.raw, len(self.steps))


class Sink:
    """Where frames go, one after the other: memory, or a file.

    Parameters
    ----------
    layout : Layout
    steps : sequence of int
        Steps to come.
    path : Path or None
        Of the file; None for memory.
    configuration : mapping
        What the header says, as JSON.
    kept : Frames, optional
        Frames of the first steps that are there already.
    place : int, optional
        Where the first frame begins in a file whose header may stay as it is.

    Raises
    ------
    ArgumentError
        If memory does not hold all frames.
    SourceError
        If the file cannot be written.
    """

    def __init__(
        self,
        layout: Layout,
        steps: Sequence[int],
        path: Path | None,
        configuration: Mapping[str, object],
        kept: Frames | None = None,
        place: int | None = None,
    ) -> None:
        self._layout, self._steps, self._path = layout, tuple(steps), path
        self._configuration = dict(configuration)
        self._frame = np.zeros(layout.nbytes, np.uint8)
        self._slots = {name: v[0] for name, v in layout.views(self._frame, 1).items()}
        self._done = 0 if kept is None else len(kept.steps)
        if kept is not None:
            self._frame[:] = kept.raw[-layout.nbytes :]
        self._file: IO[bytes] | None = None
        self._raw = np.empty(0, np.uint8)
        if path is None:
            self._raw = room(layout.nbytes * len(self._steps))
            if kept is not None:
                self._raw[: kept.raw.size] = kept.raw
        elif place is None:
            self._rewrite(kept.raw if kept is not None else self._raw)
        else:
            self._cut(place + self._done * layout.nbytes)

    @property
    def done(self) -> int:
        """Frames that are complete."""
        return self._done

    @property
    def last(self) -> Mapping[str, Array]:
        """Tensors of the last frame."""
        return self._slots

    def append(self, values: Mapping[str, npt.ArrayLike]) -> None:
        """Write the frame of the next step."""
        for name, value in values.items():
            self._slots[name][...] = value
        end = self._layout.nbytes
        self._slots["checksum"][...] = zlib.crc32(self._frame[: end - 8].data)
        if self._file is None:
            self._raw[self._done * end : (self._done + 1) * end] = self._frame
        else:
            rest = self._frame.data
            while rest:
                rest = rest[self._file.write(rest) :]
        self._done += 1

    def finish(self, configuration: Mapping[str, object]) -> Frames:
        """Leave a file that lists only what it holds, and return the frames."""
        steps = self._steps[: self._done]
        if self._path is None:
            return Frames(self._layout, steps, self._raw[: self._done * self._layout.nbytes])
        self.close()
        if self._done < len(self._steps) or dict(configuration) != self._configuration:
            known = read_frames(self._path)[1]
            self._steps, self._configuration = steps, dict(configuration)
            self._rewrite(known.raw)
            self.close()
        return read_frames(self._path)[1]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _cut(self, size: int) -> None:
        """Go on at the end of the last complete frame."""
        assert self._path is not None
        try:
            os.truncate(self._path, size)
            self._file = open(self._path, "ab", buffering=0)
        except OSError as error:
            raise SourceError(
                f"cannot write the record {self._path}: {error.strerror or error}"
            ) from None

    def _rewrite(self, frames: Array) -> None:
        """Replace the file by one of the present steps that holds such frames, or leave it."""
        assert self._path is not None
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        try:
            with open(draft, "wb") as file:
                file.write(_header(self._layout, self._steps, self._configuration))
                file.write(frames.data)
            os.replace(draft, self._path)
            self._file = open(self._path, "ab", buffering=0)
        except OSError as error:
            raise SourceError(
                f"cannot write the record {self._path}: {error.strerror or error}"
            ) from None
        finally:
            draft.unlink(missing_ok=True)


def room(nbytes: int) -> Array:
    """Return memory for all frames."""
    try:
        return np.empty(nbytes, np.uint8)
    except (MemoryError, ValueError):
        raise ArgumentError(
            f"the record takes {nbytes / 1e9:.3g} GB, more than there is memory; record fewer "
            "steps, or give a path to write it to"
        ) from None


def _header(layout: Layout, steps: Sequence[int], configuration: Mapping[str, object]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {_KEY: json.dumps(configuration)}}
    at = 0
    for step in steps:
        for name, dtype, shape in layout.entries:
            size = math.prod(shape) * np.dtype(dtype).itemsize
            entries[f"{step}/{name}"] = {
                "dtype": _TYPES[dtype],
                "shape": shape,
                "data_offsets": (at, at + size),
            }
            at += size
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def read_header(path: Path) -> tuple[dict[str, Any], Layout, tuple[int, ...], int]:
    """Return configuration, layout, steps asked for, and where the first frame begins.

    Raises
    ------
    SourceError
        If the file cannot be read.
    FormatError
        If it is no record of training, or its header is damaged.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _LONGEST_HEADER:
                raise ValueError(f"a header of {length} bytes")
            text = file.read(length)
            if len(text) < length:
                raise ValueError("its header is cut off")
        header = json.loads(text)
        configuration = json.loads(header.pop("__metadata__")[_KEY])
        frames: dict[int, list[tuple[str, str, tuple[int, ...]]]] = {}
        kinds = {short: name for name, short in _TYPES.items()}
        for key, entry in header.items():
            step, _, name = key.partition("/")
            shape = tuple(int(n) for n in entry["shape"])
            frames.setdefault(int(step), []).append((name, kinds[entry["dtype"]], shape))
        layouts = {tuple(entries) for entries in frames.values()}
        if len(layouts) != 1 or not isinstance(configuration, dict):
            raise ValueError("its steps differ")
        layout = Layout(layouts.pop())
    except OSError as error:
        raise SourceError(f"cannot read the record {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(
            f"{path} is no record of training, or is damaged ({shown(str(error))}); delete it to "
            "start afresh, or give another name"
        ) from None
    return configuration, layout, tuple(frames), 8 + length


def read_frames(path: Path) -> tuple[dict[str, Any], Frames, tuple[int, ...]]:
    """Return configuration, the complete frames, mapped from the file, and all steps asked for.

    Raises
    ------
    SourceError
        If the file cannot be read.
    FormatError
        If it is no record of training, or its header is damaged.
    """
    configuration, layout, steps, start = read_header(path)
    whole = min((path.stat().st_size - start) // layout.nbytes, len(steps))
    raw: Array = np.empty(0, np.uint8)
    if whole > 0:
        raw = np.memmap(path, np.uint8, "r", start, (whole * layout.nbytes,))
    # Only the last can be incomplete, if the machine and not just the program was stopped.
    while whole:
        frame = raw[(whole - 1) * layout.nbytes : whole * layout.nbytes]
        if zlib.crc32(frame[:-8].data) == int(frame[-8:].view(np.uint64)[0]):
            break
        whole -= 1
    return configuration, Frames(layout, steps[:whole], raw[: whole * layout.nbytes]), steps
