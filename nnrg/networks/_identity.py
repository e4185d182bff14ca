"""What numbers are called, so that two uses of the same ones are seen: of a tensor, of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import SourceError
from nnrg.networks._label import file_label, label
from nnrg.networks._limits import open_regular

__all__ = ["sha256_of_arrays", "sha256_of_files", "source_name"]

TOLD = 256 * 2**20
"""Bytes of a file from which its sum takes a second or more, and progress is told."""


def source_name(
    name: str, model: str, path: Path | None, read: Callable[[], npt.NDArray[Any]]
) -> str:
    """Return a name that tells tensors of two models apart, though they are called alike.

    Two seeds of one architecture have the same names of tensors, often of files too: the folder,
    or for arrays in memory the numbers, make the difference. Only then they are read.
    """
    if path is not None:
        code = hashlib.sha256(str(path.absolute()).encode("utf-8", "surrogatepass"))
    else:
        code = hashlib.sha256(np.ascontiguousarray(read()).reshape(-1).view(np.uint8).data)
    return f"{name} of {model} #{code.hexdigest()[:6]}"


def sha256_of_files(
    paths: Iterable[Path], progress: Callable[[str, int, int], None] | None = None
) -> str:
    """Return the SHA-256 of the bytes of files, one after the other.

    Of `progress` see `nnrg.flow_network`; steps are MiB of a file, if it is one of many.

    Raises
    ------
    SourceError
        If one cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        file, stamp = open_regular(path)
        done = 0
        try:
            with file:
                while block := file.read(2**20):
                    digest.update(block)
                    done += 1
                    if progress is not None and stamp.size > TOLD:
                        progress(f"sha256 of {label(path.name, 40)}", done, stamp.size // 2**20 + 1)
        except OSError as error:
            raise SourceError(f"{file_label(path)}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def sha256_of_arrays(arrays: Iterable[tuple[str, npt.NDArray[Any]]]) -> str:
    """Return the SHA-256 of names, types, shapes and numbers."""
    digest = hashlib.sha256()
    for name, values in arrays:
        array = np.ascontiguousarray(values)
        digest.update(f"{name}\0{array.dtype.name}\0{array.shape}\0".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
