"""Arguments that are objects of ours, words or sequences, or an error that says what was got."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from nnrg._validate import as_real, shown
from nnrg.errors import ArgumentError

__all__ = ["as_items", "as_kind", "as_scale", "as_word"]

Kind = TypeVar("Kind")

_LARGEST = 1e100


def as_kind(name: str, value: object, kind: type[Kind]) -> Kind:
    """Return an object of a class.

    Raises
    ------
    ArgumentError
        If it is of another.
    """
    if not isinstance(value, kind):
        raise ArgumentError(f"{name} must be a {kind.__name__}, got {shown(value)}")
    return value


def as_scale(name: str, value: object) -> float:
    """Return a number above zero whose inverse and square are in double precision.

    Raises
    ------
    ArgumentError
        If it is none.
    """
    number = as_real(name, value)
    if not 1 / _LARGEST <= number <= _LARGEST:
        raise ArgumentError(
            f"{name} must be above zero, from {1 / _LARGEST:g} to {_LARGEST:g}, got {number:g}"
        )
    return number


def as_word(name: str, value: object, words: tuple[str, ...]) -> str:
    """Return one of some words.

    Raises
    ------
    ArgumentError
        If it is none of them.
    """
    if not isinstance(value, str) or value not in words:
        raise ArgumentError(f"{name} must be one of {', '.join(words)}, got {shown(value)}")
    return value


def as_items(name: str, value: Any) -> tuple[Any, ...]:
    """Return the items of a sequence.

    Raises
    ------
    ArgumentError
        If it is none, or a word.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ArgumentError(f"{name} must be a sequence, got {shown(value)}")
    return tuple(value)
