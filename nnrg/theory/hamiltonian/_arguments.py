"""Arguments that the modules of this package share, checked once."""

from __future__ import annotations

from math import prod

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import ArgumentError, NonFiniteError

__all__ = ["as_field", "as_positive", "as_shape", "as_square", "momenta"]

Floats = npt.NDArray[np.float64]
_MOST_SITES = 1 << 28


def as_positive(name: str, value: object) -> float:
    """Return a finite number above zero."""
    number = as_real(name, value)
    if number <= 0:
        raise ArgumentError(f"{name} must be above 0, got {number:g}")
    return number


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
    try:
        values = np.asarray(matrix, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{name} must be a matrix of real numbers: {error}") from None
    if values.ndim != 2 or values.shape[0] != values.shape[1] or values.size == 0:
        raise ArgumentError(
            f"{name} must be a square matrix, got shape {values.shape}; rows and columns must be "
            "the same neurons"
        )
    if not np.isfinite(values).all():
        raise NonFiniteError(f"{name} holds NaN or infinite numbers; leave those neurons out")
    return values


def as_field(name: str, values: object, shape: tuple[int, ...]) -> Floats:
    """Return finite numbers of a given shape as a new float64 array."""
    try:
        field = np.array(values, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{name} must be an array of real numbers: {error}") from None
    if field.shape != shape:
        raise ArgumentError(f"{name} must have shape {shape}, got {field.shape}")
    if not np.isfinite(field).all():
        raise NonFiniteError(f"{name} holds NaN or infinite numbers")
    return field


def momenta(shape: tuple[int, ...], spacing: float) -> Floats:
    """Return the momenta of a periodic lattice, shape (d, *shape), from -pi/a to pi/a."""
    axes = [2 * np.pi * np.fft.fftfreq(n) / spacing for n in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"))
