"""Frames of a record: all that is known at one step, in bytes that are the same in memory and file.

A file is one safetensors file. Its header lists the tensors of every step that is asked for, called
``STEP/NAME``; frames follow in the order of the steps. One that training has not come to is missing
at the end, so that a file that was cut off is complete up to its last whole frame.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from nnrg._files import behind_links
from nnrg.errors import ArgumentError, SourceError
from nnrg.simulate.training._header import read_header, write_header
from nnrg.simulate.training._layout import Layout
from nnrg.simulate.training._lock import hold

__all__ = ["Frames", "Sink", "read_frames", "room"]

Array = npt.NDArray[Any]


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
            self._steps, self._configuration = steps, dict(configuration)
            if not self._amend():
                self._rewrite(read_frames(self._path)[1].raw)
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
            self._file = open(self._path, "ab", buffering=0)
            hold(self._file, self._path)
            self._file.truncate(size)
        except OSError as error:
            raise SourceError(
                f"cannot write the record {self._path}: {error.strerror or error}"
            ) from None

    def _amend(self) -> bool:
        """Change a header that stays as long as it is, and leave the frames alone."""
        assert self._path is not None
        text = write_header(self._layout, self._steps, self._configuration)
        try:
            with open(self._path, "r+b", buffering=0) as file:
                if int.from_bytes(file.read(8), "little") != len(text) - 8:
                    return False
                file.seek(0)
                known = file.read(len(text))
                differ = [at for at, byte in enumerate(text) if byte != known[at]]
                if differ:
                    file.seek(differ[0])
                    file.write(text[differ[0] : differ[-1] + 1])
        except OSError as error:
            raise SourceError(
                f"cannot write the record {self._path}: {error.strerror or error}"
            ) from None
        return True

    def _rewrite(self, frames: Array) -> None:
        """Replace the file by one of the present steps that holds such frames, or leave it."""
        assert self._path is not None
        target = behind_links(self._path)  # a link stays, what it points to is replaced
        draft = target.with_name(f".{target.name}.{os.getpid()}.part")
        text = write_header(self._layout, self._steps, self._configuration)
        try:
            if self._path.exists():
                with open(self._path, "rb") as known:
                    hold(known, self._path)
            with open(draft, "wb") as file:
                file.write(text)
                file.write(frames.data)
            os.replace(draft, target)
            self._file = open(self._path, "ab", buffering=0)
            hold(self._file, self._path)
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
