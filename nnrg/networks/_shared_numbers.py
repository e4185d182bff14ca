"""Tensors that hold the numbers of another one, stored once more: tied, transposed, grown apart.

Names and storage do not tell: a file may hold the transpose of a tied matrix as a tensor of its
own, and a decoder that began as its encoder still has part of its numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.errors import NonFiniteError
from nnrg.networks._topology_blocks import as_units

if TYPE_CHECKING:
    from nnrg.networks._topology_ends import End
    from nnrg.networks.network import Network
    from nnrg.networks.topology import Population

__all__ = ["SharedNumbers"]

Floats = npt.NDArray[np.float32]

# Units chosen by numbers of correlation r with the field have a share r^2 of what chance gave them
# in it: 0.05 of 4096 units with ten neighbours is one standard deviation of their mean correlation.
_LEAST = 0.05
# Standard deviations that independent numbers do not reach.
_SIGMAS = 5.0
# Numbers of a tensor that are compared, rows spread evenly.
_MOST = 1 << 22
# Bytes of numbers that are kept for the next comparison; beyond, tensors are read again.
_ROOM = 1 << 25


class SharedNumbers:
    """Which tensors of a network hold numbers of which others.

    Two tensors are compared once, and numbers are kept, as far as there is room, where a population
    has several tensors of a shape, such as a residual stream.

    Parameters
    ----------
    net : Network
    room : int
        Bytes of numbers that are kept.
    """

    def __init__(self, net: Network, room: int = _ROOM) -> None:
        self._net, self._room = net, room
        self._kept: dict[tuple[str, str], tuple[Floats, ...]] = {}
        self._says: dict[tuple[str, str], bool] = {}
        self._same: dict[tuple[str, frozenset[str]], bool] = {}

    def without(
        self, population: Population, measured: Iterable[str], others: Iterable[str]
    ) -> tuple[list[str], list[str]]:
        """Return the tensors that may choose neighbours, and those that hold measured numbers.

        Parameters
        ----------
        population : Population
        measured : iterable of str
            Tensors at these units that will be measured.
        others : iterable of str
            Other tensors at these units. Those that hold NaN or infinity, or nothing but zeros,
            tell nothing and are in neither list.

        Returns
        -------
        usable, shared : lists of str
            A tensor is shared if its entries, arranged by unit, have a correlation with those of a
            measured one above 0.05 and five standard deviations, means of units and of features
            taken out.
        """
        shapes: dict[str, set[tuple[int, int]]] = {}
        for end in population.ends:
            if end.side != "unit" and end.tensor in self._net.specs:
                shapes.setdefault(end.tensor, set()).add(_shape(self._net, end))
        own = [name for name in dict.fromkeys(measured) if name in shapes]
        every = [shape for of in shapes.values() for shape in of]
        again = {name: any(every.count(one) > 2 for one in of) for name, of in shapes.items()}
        ours: dict[str, tuple[Floats, ...]] = {}
        usable: list[str] = []
        shared: list[str] = []
        for name in others:
            if name not in shapes:
                self._net.tensors[name]  # raises: a topology of another network
            at = population.name, name
            pairs = {m: (population.name, frozenset((m, name))) for m in own}
            for m in own:
                if not shapes[m] & shapes[name]:
                    self._same[pairs[m]] = False
            unknown = [m for m in own if pairs[m] not in self._same]
            if at not in self._says or (self._says[at] and unknown):
                try:
                    theirs = self._numbers(population, name, keep=again[name])
                except NonFiniteError:
                    theirs = ()
                self._says[at] = bool(theirs)
                for m in unknown if theirs else ():
                    if m not in ours:
                        ours[m] = self._numbers(population, m, keep=again[m])
                    self._same[pairs[m]] = any(
                        _hold_the_same(a, b) for a in ours[m] for b in theirs if a.shape == b.shape
                    )
            if self._says[at]:
                (shared if any(self._same[pair] for pair in pairs.values()) else usable).append(
                    name
                )
        return usable, shared

    def _numbers(self, population: Population, name: str, *, keep: bool) -> tuple[Floats, ...]:
        """Return the numbers of a tensor at each end on a population; none if all are zero."""
        at = population.name, name
        if at in self._kept:
            return self._kept[at]
        parts = list(_parts(self._net, population, name))
        found = tuple(map(_standardised, parts)) if any(np.any(part) for part in parts) else ()
        size = sum(part.nbytes for part in found)
        if keep and size <= self._room:
            self._kept[at] = found
            self._room -= size
        return found


def _parts(net: Network, population: Population, name: str) -> Iterator[Floats]:
    """Yield the numbers of a tensor at each end on a population, units first."""
    for end in population.ends:
        if end.tensor == name and end.side != "unit":
            yield _of_end(net, end)


def _shape(net: Network, end: End) -> tuple[int, int]:
    """Return the shape of what is compared of a tensor, from its header."""
    spec = net.specs[end.tensor]
    features = spec.size // spec.shape[end.axis] * end.copies
    return -(-end.units // _step(end.units * features)), features


def _step(size: int) -> int:
    return max(1, -(-size // _MOST))


def _of_end(net: Network, end: End) -> Floats:
    values = net.tensors[end.tensor]
    units = as_units(values, end.axis, end).reshape(end.units, -1)
    some = np.asarray(units[:: _step(units.size)], dtype=np.float32)
    if not np.isfinite(some).all():
        raise NonFiniteError(f"{end.tensor!r} holds NaN or infinity")
    return some


def _hold_the_same(one: Floats, other: Floats) -> bool:
    correlation = float(np.vecdot(one, other).sum(dtype=np.float64)) / one.size
    return abs(correlation) > max(_LEAST, float(_SIGMAS / one.size**0.5))


def _standardised(values: Floats) -> Floats:
    """Return numbers of mean square one without the means of units and of features, or zeros."""
    largest = float(np.abs(values).max(initial=0.0)) or 1.0
    out = values.astype(np.float64) / largest
    out -= out.mean(axis=1, keepdims=True)
    out -= out.mean(axis=0)
    size = float(np.sqrt(np.mean(np.square(out))))
    return np.asarray(out / (size or 1.0), dtype=np.float32)
