"""Partitions of a set: those that make cumulants of moments, and the pairings of Wick's theorem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

__all__ = ["Partition", "even_partitions", "pairings", "partitions"]

Partition = tuple[tuple[int, ...], ...]


def _partitions(items: tuple[int, ...]) -> Iterator[Partition]:
    if not items:
        yield ()
        return
    first, rest = items[0], items[1:]
    for chosen in range(2 ** len(rest)):
        block = [x for bit, x in enumerate(rest) if chosen >> bit & 1]
        left = tuple(x for x in rest if x not in block)
        for others in _partitions(left):
            yield ((first, *block), *others)


@cache
def partitions(order: int) -> tuple[Partition, ...]:
    """Return all partitions of ``0 .. order - 1`` into sets."""
    return tuple(_partitions(tuple(range(order))))


@cache
def even_partitions(order: int) -> tuple[Partition, ...]:
    """Return the partitions into sets of even size: all that a symmetric law needs."""
    return tuple(p for p in partitions(order) if all(len(block) % 2 == 0 for block in p))


def pairings(places: Sequence[int]) -> Iterator[tuple[tuple[int, int], ...]]:
    """Return all ways to join places in pairs."""
    if not places:
        yield ()
        return
    first, *rest = places
    for at, other in enumerate(rest):
        for pairs in pairings([*rest[:at], *rest[at + 1 :]]):
            yield ((first, other), *pairs)
