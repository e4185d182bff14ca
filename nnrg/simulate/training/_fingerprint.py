"""Functions of a caller, known by their values: a name does not tell one from another."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation, as_activation

__all__ = ["digest", "is_named", "sha256_of_activation", "sha256_of_rates"]

# Where activation functions are compared; odd numbers of steps, so that zero is one of them.
_GRID = np.linspace(-16.0, 16.0, 1001)


def digest(*arrays: npt.NDArray[Any]) -> str:
    """Return the SHA-256 of numbers, their types and shapes."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def is_named(activation: Activation) -> bool:
    """Return whether the name of a function is enough to make it again."""
    return activation.code >= 0 and as_activation(activation.name) is activation


def sha256_of_activation(activation: Activation) -> str:
    """Return the SHA-256 of values and slopes from -16 to 16."""
    with np.errstate(all="ignore"):
        return digest(activation(_GRID), activation.derivative(_GRID))


def sha256_of_rates(rates: npt.NDArray[np.float64]) -> dict[str, str]:
    """Return the SHA-256 of the first 1, 2, 4, ... learning rates, and of all.

    A longer or a shorter run with the same schedule has some of them in common.
    """
    counts = [*(2**k for k in range(len(rates).bit_length())), len(rates)]
    return {str(count): digest(rates[:count]) for count in sorted(set(counts))}
