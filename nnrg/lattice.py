"""Lattices: regular arrays of sites."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import SupportsIndex, cast

import numpy as np

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError

__all__ = ["Lattice"]


@dataclass(frozen=True, slots=True, init=False)
class Lattice:
    """A regular lattice of sites in one to four dimensions.

    Parameters
    ----------
    shape : int or sequence of int
        Sites along each axis.
    periodic : bool or sequence of bool
        Whether each axis closes on itself. Weights of a trained network live on open lattices.
    axes : sequence of str, optional
        What each axis is: ``("row", "column")`` of pixels, ``("tap",)``, ``("out", "in")``.
    populations : sequence of sequence of int, optional
        The axes that together are the index of one population of neurons, ``((0, 1),)`` for the
        pixels of an image, ``((0,), (1,))`` for a weight matrix on the product of two populations.
        A relabelling of neurons permutes the sites of one population. Default: all axes together.

    Raises
    ------
    ArgumentError
        If a length is no positive integer, there are not one to four axes, or an option does not
        say one thing for each of them.

    Examples
    --------
    >>> from nnrg.lattice import Lattice
    >>> Lattice((28, 28)).n_sites
    784
    >>> Lattice((512, 128), populations=((0,), (1,)))
    Lattice(512 x 128, open, 2 populations)
    """

    shape: tuple[int, ...]
    periodic: tuple[bool, ...]
    axes: tuple[str, ...]
    populations: tuple[tuple[int, ...], ...]

    def __init__(
        self,
        shape: int | Sequence[int],
        periodic: bool | Sequence[bool] = False,
        *,
        axes: Sequence[str] | None = None,
        populations: Sequence[Sequence[int]] | None = None,
    ) -> None:
        lengths = _lengths("shape", shape)
        d = len(lengths)
        closed = _periodic(periodic, d)
        names = _axes(axes, d)
        groups = _populations(populations, d)
        for name, value in zip(
            ("shape", "periodic", "axes", "populations"),
            (lengths, closed, names, groups),
            strict=True,
        ):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        kinds = set(self.periodic)
        closed = f"periodic={self.periodic}"
        if len(kinds) == 1:
            closed = "periodic" if self.periodic[0] else "open"
        many = f", {len(self.populations)} populations" if len(self.populations) > 1 else ""
        return f"Lattice({' x '.join(map(str, self.shape))}, {closed}{many})"

    @property
    def dimension(self) -> int:
        """Number of axes d."""
        return len(self.shape)

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return prod(self.shape)

    def coarsened(self, factors: Sequence[int]) -> Lattice:
        """Return the lattice of whole blocks of `factors` sites, counted from the origin.

        A periodic axis with a remainder does not close on itself any more.

        Raises
        ------
        ArgumentError
            If the factors are not one for each axis, or an axis holds no whole block.
        """
        steps = _lengths("factors", factors)
        if len(steps) != len(self.shape) or any(
            f > n for f, n in zip(steps, self.shape, strict=True)
        ):
            raise ArgumentError(
                f"factors must be one for each axis of {self!r} and no longer than it, got "
                f"{shown(factors)}"
            )
        return Lattice(
            [n // f for n, f in zip(self.shape, steps, strict=True)],
            [p and n % f == 0 for p, n, f in zip(self.periodic, self.shape, steps, strict=True)],
            axes=self.axes,
            populations=self.populations,
        )


def _lengths(name: str, shape: object) -> tuple[int, ...]:
    try:
        operator.index(cast(SupportsIndex, shape))
        items: tuple[object, ...] = (shape,)
    except TypeError:
        items = _items(shape)
    if not 1 <= len(items) <= 4:
        raise ArgumentError(
            f"{name} must be an integer or one to four of them, got {shown(shape)}; try (28, 28)"
        )
    return tuple(as_count(f"each length of {name}", n) for n in items)


def _periodic(periodic: object, d: int) -> tuple[bool, ...]:
    single = isinstance(periodic, bool | np.bool_)
    items = (periodic,) * d if single else _items(periodic)
    if len(items) != d or not all(isinstance(p, bool | np.bool_) for p in items):
        raise ArgumentError(
            f"periodic must be one bool or one for each of {d} axes, got {shown(periodic)}; "
            "try True or False"
        )
    return tuple(map(bool, items))


def _axes(axes: object, d: int) -> tuple[str, ...]:
    if axes is None:
        return tuple(f"axis {a}" for a in range(d))
    names = _items(axes)
    if len(names) != d or not all(isinstance(a, str) for a in names):
        raise ArgumentError(
            f"axes must name each of {d} axes, got {shown(axes)}; try a tuple of {d} str"
        )
    return cast(tuple[str, ...], names)


def _populations(populations: object, d: int) -> tuple[tuple[int, ...], ...]:
    if populations is None:
        return (tuple(range(d)),)
    try:
        groups = tuple(
            tuple(as_count("axis", a, 0, d - 1) for a in _items(p)) for p in _items(populations)
        )
    except ArgumentError:
        groups = ()
    if sorted(a for p in groups for a in p) != list(range(d)) or not all(groups):
        raise ArgumentError(
            f"populations must hold each of the axes 0..{d - 1} once, got {shown(populations)}; "
            f"try {tuple((a,) for a in range(d))}"
        )
    return groups


def _items(value: object) -> tuple[object, ...]:
    """Return the items of a sequence; a str, or what cannot be iterated, has none."""
    if isinstance(value, str | bytes):
        return ()
    try:
        return tuple(cast(Iterable[object], value))
    except TypeError:
        return ()
