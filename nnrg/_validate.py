"""Arguments as plain Python numbers, or an `ArgumentError` that says what was expected."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from numbers import Real
from typing import SupportsIndex, cast

from nnrg.errors import ArgumentError

__all__ = ["as_count", "as_items", "as_names", "as_real", "shown"]

_WIDTH = 80
# Seeds are recorded with 128 bits; no count is larger, and Python refuses to print 4300 digits.
_LARGEST = 2**128 - 1


def shown(value: object) -> str:
    """Return `value` for a message: its repr on one line, cut to a width."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an integer of more digits than Python converts to text
        return f"a number of type {type(value).__name__} with thousands of digits"
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def as_count(
    name: str, value: object, low: int = 1, high: int | None = None, *, hint: str = ""
) -> int:
    """Return an integer from `low` to `high` (2^128 - 1 by default); bools and floats are none.

    Parameters
    ----------
    name : str
        What the message calls the argument.
    value : object
        Anything with ``__index__``, but no bool.
    low, high : int
        Smallest and largest value.
    hint : str
        What to try instead, the end of the message.

    Raises
    ------
    ArgumentError
        If it is no integer, or out of range.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(cast(SupportsIndex, value))
    except TypeError:
        number = None
    if number is None or not low <= number <= (_LARGEST if high is None else high):
        span = f"of at least {low}" if high is None else f"from {low} to {high}"
        if high is None and number is not None and number > _LARGEST:
            span += " and below 2^128"
        raise ArgumentError(
            f"{name} must be an integer {span}, got {shown(value)}" + (f"; {hint}" if hint else "")
        )
    return number


def as_real(name: str, value: object, *, hint: str = "") -> float:
    """Return a finite real number as a float; bools and numbers beyond double precision are none.

    Raises
    ------
    ArgumentError
        If it is no real number, or not finite.
    """
    number = math.nan
    if not isinstance(value, bool) and isinstance(value, Real):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    if not math.isfinite(number):
        raise ArgumentError(
            f"{name} must be a finite real number, got {shown(value)}"
            + (f"; {hint}" if hint else "")
        )
    return number


def as_items(value: object) -> tuple[object, ...] | None:
    """Return what is in a sequence, None for text, bytes and what has no items."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return None
    try:
        return tuple(value)
    except TypeError:  # an array of no axes
        return None


def as_names(name: str, value: object) -> tuple[str, ...]:
    """Return a name, or several, as a tuple.

    Raises
    ------
    ArgumentError
        If it is neither text nor a sequence of it.
    """
    items = (value,) if isinstance(value, str) else as_items(value)
    if items is None or not all(isinstance(item, str) for item in items):
        raise ArgumentError(
            f"{name} must be a name or a sequence of names, got {shown(value)}; () is none"
        )
    return cast(tuple[str, ...], items)
