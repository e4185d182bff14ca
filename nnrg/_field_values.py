"""Which arrays are the values of a field: real floating-point numbers, all finite."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError, NonFiniteError

__all__ = ["as_array", "as_float", "check_finite"]

_KEPT_DTYPES = ("float64", "float32", "float16", "bfloat16")
_INTEGER = re.compile(r"u?int\d+")  # int4 and such, which NumPy does not count as integers


def as_array(values: object, name: str) -> npt.NDArray[Any]:
    """Return an array of any type; what is masked or ragged is none."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ArgumentError(
            f"field {name!r} has masked values: every site needs a number; fill or cut them"
        )
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, tensors with gradients
        raise ArgumentError(
            f"field {name!r} must be an array of numbers, got {type(values).__name__} "
            f"({shown(str(error))}); try numpy.asarray first"
        ) from None


def as_float(values: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Return contiguous float16, bfloat16, float32 or float64 numbers, uncopied if they are so."""
    kind = values.dtype
    if kind.name in _KEPT_DTYPES and kind.isnative:
        return np.ascontiguousarray(values)
    if np.issubdtype(kind, np.complexfloating) or "complex" in kind.name:
        raise ArgumentError(
            f"field {name!r} is complex ({kind}): the action is defined for real fields; "
            "pass the real or the imaginary part"
        )
    if np.issubdtype(kind, np.integer) or kind == np.bool_ or _INTEGER.fullmatch(kind.name):
        raise ArgumentError(
            f"field {name!r} holds integers ({kind}): derivatives of the action do not exist for "
            "discrete values; dequantise them (scale and zero point) if they stand for real numbers"
        )
    if not (np.issubdtype(kind, np.floating) or _is_small_float(kind)):
        raise ArgumentError(
            f"field {name!r} must hold floating-point numbers, got {str(kind)[:60]}; "
            "convert them if they stand for real numbers"
        )
    with np.errstate(over="ignore"):  # longdouble
        kept = np.ascontiguousarray(values, dtype=np.float32 if kind.itemsize <= 2 else np.float64)
    if kind.itemsize > 8 and np.any(np.isinf(kept) & np.isfinite(values)):
        raise ArgumentError(
            f"field {name!r} ({kind}) has values beyond double precision; multiply by a constant"
        )
    return kept


def _is_small_float(kind: np.dtype[Any]) -> bool:
    """Tell whether it is one of the 4- to 16-bit floats that NumPy itself does not know."""
    import ml_dtypes

    try:
        ml_dtypes.finfo(kind)  # type: ignore[no-untyped-call]
    except ValueError:
        return False
    return True


def check_finite(values: npt.NDArray[Any], name: str) -> None:
    """Raise `NonFiniteError` if any value is NaN or infinite."""
    # A sum is one fast pass and cannot hide NaN; only when it is not finite are they counted.
    with np.errstate(all="ignore"):
        total = values.sum(dtype=np.float32 if values.dtype.itemsize <= 4 else np.float64)
    if not np.isfinite(total):
        bad = int(np.count_nonzero(~np.isfinite(values)))
        if bad:
            raise NonFiniteError(
                f"field {name!r} has {bad} of {values.size} values that are NaN or infinite; "
                "remove or repair them first"
            )
