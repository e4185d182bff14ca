"""Arguments that the modules of this package share, checked once."""

from __future__ import annotations

from math import prod

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import ArgumentError, NonFiniteError

__all__ = [
    "as_field",
    "as_magnitude",
    "as_momenta",
    "as_positive",
    "as_shape",
    "as_square",
    "is_symmetric",
    "momenta",
    "new_history",
    "real_array",
]

Floats = npt.NDArray[np.float64]
_MOST_SITES = 1 << 28
_MOST_NUMBERS = 1 << 31
# Squares of numbers, and of their quotients, stay in double precision.
_LARGEST = 1e50


def as_magnitude(name: str, value: object) -> float:
    """Return a number of either sign whose square is far from overflow."""
    number = as_real(name, value)
    if abs(number) > _LARGEST:
        raise ArgumentError(f"{name} must be at most {_LARGEST:g} in size, got {number:g}")
    return number


def as_positive(name: str, value: object) -> float:
    """Return a finite number above zero, of which squares can be taken."""
    number = as_magnitude(name, value)
    if number <= 0:
        raise ArgumentError(f"{name} must be above 0, got {number:g}")
    if number < 1 / _LARGEST:
        raise ArgumentError(f"{name} must be at least {1 / _LARGEST:g}, got {number:g}")
    return number


def real_array(name: str, what: str, values: object) -> Floats:
    """Return a new float64 array; complex numbers are refused, not cut to their real parts."""
    try:
        given = np.asarray(values)
        if given.dtype.kind == "c":
            raise ArgumentError(f"{name} must be {what} of real numbers, got complex ones")
        return np.array(given, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{name} must be {what} of real numbers: {error}") from None


def as_shape(shape: object) -> tuple[int, ...]:
    """Return the lengths of one to three axes of at least two sites."""
    items = (shape,) if isinstance(shape, int | np.integer) else shape
    if not isinstance(items, tuple | list) or not 1 <= len(items) <= 3:
        raise ArgumentError(f"shape must be one to three lengths, got {shown(shape)}; try (64, 64)")
    lengths = tuple(as_count("each length of shape", n, 2) for n in items)
    if prod(lengths) > _MOST_SITES:
        raise ArgumentError(f"shape {lengths} has more than {_MOST_SITES} sites; take fewer")
    return lengths


def as_square(name: str, matrix: object) -> Floats:
    """Return a finite square matrix as float64."""
    values = real_array(name, "a matrix", matrix)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or values.size == 0:
        raise ArgumentError(
            f"{name} must be a square matrix, got shape {values.shape}; rows and columns must be "
            "the same neurons"
        )
    if not np.isfinite(values).all():
        raise NonFiniteError(f"{name} holds NaN or infinite numbers; leave those neurons out")
    return values


def is_symmetric(matrix: Floats) -> bool:
    """Tell whether a matrix is symmetric up to the rounding of sums over its rows."""
    largest = float(np.abs(matrix).max())
    return bool(np.abs(matrix - matrix.T).max() <= 1e-14 * len(matrix) * largest)


def as_field(name: str, values: object, shape: tuple[int, ...]) -> Floats:
    """Return finite numbers of a given shape as a new float64 array."""
    field = real_array(name, "an array", values)
    if field.shape != shape:
        raise ArgumentError(f"{name} must have shape {shape}, got {field.shape}")
    if not np.isfinite(field).all():
        raise NonFiniteError(f"{name} holds NaN or infinite numbers")
    return field


def as_momenta(k: object, dimension: int) -> Floats:
    """Return momenta, finite, of shape (d, ...)."""
    at = real_array("k", "an array", k)
    if at.ndim < 1 or len(at) != dimension:
        raise ArgumentError(f"k must have shape ({dimension}, ...), got {at.shape}")
    if not np.isfinite(at).all():
        raise NonFiniteError("k holds NaN or infinite numbers")
    return at


def momenta(shape: tuple[int, ...], spacing: float) -> Floats:
    """Return the momenta of a periodic lattice, shape (d, *shape), from -pi/a to pi/a."""
    axes = [2 * np.pi * np.fft.fftfreq(n) / spacing for n in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def new_history(records: int, shape: tuple[int, ...]) -> Floats:
    """Return an array for fields at so many times."""
    if records * prod(shape) > _MOST_NUMBERS:
        raise ArgumentError(
            f"{records} records of {shape} are more than {_MOST_NUMBERS} numbers; take fewer, or "
            "advance the field between them"
        )
    return np.empty((records, *shape))
