"""Which tensors a frame of a record holds, and where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Layout"]

Array = npt.NDArray[Any]


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
