"""A Markov chain on disk: arrays and a description, in a zip file that holds no code.

The layout is that of ``numpy.savez`` plus one JSON text. Reading never unpickles, and never
allocates more than the arrays that the caller expects.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from nnrg._files import behind_links
from nnrg._validate import shown
from nnrg.errors import ArgumentError, FormatError, SourceError

__all__ = ["Arrays", "as_path", "load", "require_same", "save"]

Arrays = dict[str, npt.NDArray[Any]]

_TEXT = "chain.json"
_TEXT_LIMIT = 1 << 16
_TRY = "delete it to start afresh, or give another name"


def save(
    path: Path, identity: Mapping[str, object], arrays: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Write a checkpoint; one that is there already is replaced at once, or not at all."""
    target = behind_links(path)  # a link stays, and what it points to is replaced
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(draft, "w") as archive:
            archive.writestr(_TEXT, json.dumps(dict(identity)))
            for name, values in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, values, allow_pickle=False)
        os.replace(draft, target)
    except OSError as error:
        raise SourceError(
            f"cannot write the checkpoint {path}: {error.strerror or error}"
        ) from None
    finally:
        draft.unlink(missing_ok=True)


def load(path: Path, like: Mapping[str, npt.NDArray[Any]]) -> tuple[dict[str, object], Arrays]:
    """Read a checkpoint whose arrays have the types and shapes of those in `like`.

    The first axis of ``samples`` may have any length.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            with archive.open(_TEXT) as file:
                text = file.read(_TEXT_LIMIT + 1)
            identity = json.loads(text)
            if not isinstance(identity, dict):
                raise ValueError("its description is no object")
            arrays = {name: _array(archive, name, values) for name, values in like.items()}
    except OSError as error:
        raise SourceError(f"cannot read the checkpoint {path}: {error.strerror or error}") from None
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, RecursionError,
            NotImplementedError, RuntimeError, SyntaxError) as error:  # fmt: skip
        raise FormatError(
            f"{path} is no checkpoint of this chain, or is damaged ({shown(str(error))}); {_TRY}"
        ) from None
    return identity, arrays


def _array(archive: zipfile.ZipFile, name: str, like: npt.NDArray[Any]) -> npt.NDArray[Any]:
    with archive.open(f"{name}.npy") as file:
        shape, fortran, dtype = _header(file)
        free = name == "samples"
        wanted = like.shape[1:] if free else like.shape
        found = shape[1:] if free else shape
        entry = archive.getinfo(f"{name}.npy")
        size = entry.file_size
        count = int(np.prod(shape, dtype=object)) if shape else 1
        if fortran or dtype != like.dtype or found != wanted or (free and not shape):
            raise ValueError(f"{name} is {dtype} of shape {shape}, not {like.dtype} of {wanted}")
        # What is compressed may be any number of times as large as the file.
        if entry.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name} is compressed")
        if count * dtype.itemsize >= size:
            raise ValueError(f"{name} is cut off")
        data = file.read(count * dtype.itemsize)
        file.read(1)  # the end, where the checksum is compared
    return np.frombuffer(data, dtype).reshape(shape).copy()


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"array format {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    return tuple(shape), bool(fortran), dtype


def as_path(checkpoint: object) -> Path | None:
    """Return a path, or None for none."""
    if checkpoint is None or isinstance(checkpoint, str | PathLike):
        return None if checkpoint is None else Path(checkpoint)
    raise ArgumentError(f"checkpoint must be a path or None, got {shown(checkpoint)}")


def require_same(path: Path, known: Mapping[str, object], wanted: Mapping[str, object]) -> None:
    """Raise ArgumentError if a checkpoint is of a run with other arguments, naming one."""
    # As JSON gives them back: tuples are lists there.
    other = [key for key, value in wanted.items() if known.get(key) != value]
    if other:
        key = other[0]
        raise ArgumentError(
            f"checkpoint {path} is of another run: {key} was {shown(known.get(key))}, got "
            f"{shown(wanted[key])}; give the same arguments or another file"
        )
