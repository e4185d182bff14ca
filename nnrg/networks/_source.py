"""What every reader of a file format hands over: names, shapes and a way to read one tensor.

A reader parses headers only. Numbers are read when a tensor is asked for, and in pieces through
one buffer where the format allows it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "Skipped", "Source", "TensorSpec"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor as its file describes it; no number of it has been read.

    Attributes
    ----------
    name : str
        The name in the file, a label only: never used as a path.
    shape : tuple of int
        The shape as stored.
    dtype : str
        NumPy or ml_dtypes name: ``"float32"``, ``"bfloat16"``, ``"float8_e4m3fn"``, ``"int64"``.
    layout : str
        What each axis is, one letter an axis: O out, I in, H W D K taps of a kernel, L position,
        V token of a vocabulary, C channel, M multiplier of a depthwise kernel, N of length one,
        ? unknown. ``"OI"`` is a matrix stored out x in, ``"IO"`` the transpose, ``"OIHW"`` (torch,
        ONNX) or ``"HWIO"`` (Keras) a convolution, ``""`` what the format does not say.
    gates : str
        Gates packed along the out axis, in order: ``"ifgo"``, ``"ifco"``, ``"rzn"``, or ``""``.
    storage : hashable
        Equal for two tensors that are the same numbers in the file (tied weights).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str = ""
    gates: str = ""
    storage: Hashable = None

    @property
    def size(self) -> int:
        """Number of elements."""
        n = 1
        for length in self.shape:
            n *= length
        return n


@dataclass(frozen=True, slots=True)
class Skipped:
    """A tensor or entry that is in the file and was left out, with the reason."""

    name: str
    reason: str
    size: int = 0


class Source(Protocol):
    """An open model: the specs of its tensors and how to read one."""

    format: str
    path: Path | None
    specs: Mapping[str, TensorSpec]
    skipped: tuple[Skipped, ...]
    metadata: Mapping[str, str]

    def read(self, name: str) -> Array:
        """Read one tensor whole, as stored."""
        ...

    def chunks(self, name: str, rows: int) -> Iterator[Array]:
        """Read one tensor in runs of `rows` entries of its first axis.

        The array yielded may be one buffer that is overwritten by the next step.
        """
        ...


@dataclass(slots=True)
class MemorySource:
    """Tensors that are arrays already; also the base of formats that are read whole."""

    specs: Mapping[str, TensorSpec]
    arrays: Mapping[str, Array]
    format: str = "memory"
    path: Path | None = None
    skipped: tuple[Skipped, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def read(self, name: str) -> Array:
        """Return the array."""
        return self.arrays[name]

    def chunks(self, name: str, rows: int) -> Iterator[Array]:
        """Yield views of the array."""
        array = self.arrays[name]
        for start in range(0, max(1, array.shape[0] if array.ndim else 1), rows):
            yield np.atleast_1d(array)[start : start + rows]
