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

__all__ = ["without_shared"]

Floats = npt.NDArray[np.float32]

# Units chosen by numbers of correlation r with the field have a share r^2 of what chance gave them
# in it: 0.05 of 4096 units with ten neighbours is one standard deviation of their mean correlation.
_LEAST = 0.05
# Standard deviations that independent numbers do not reach.
_SIGMAS = 5.0
# Numbers of a tensor that are compared, rows spread evenly.
_MOST = 1 << 22


def without_shared(
    net: Network, population: Population, measured: Iterable[str], others: Iterable[str]
) -> tuple[list[str], list[str]]:
    """Return the tensors whose numbers may choose neighbours, and those that hold measured ones.

    Parameters
    ----------
    net : Network
    population : Population
    measured : iterable of str
        Tensors at these units that will be measured.
    others : iterable of str
        Other tensors at these units. Those that hold NaN or infinity, or nothing but zeros, tell
        nothing and are in neither list.

    Returns
    -------
    usable, shared : lists of str
        A tensor is shared if its entries, arranged by unit, have a correlation with those of a
        measured one above 0.05 and five standard deviations, means of units and of features taken
        out.
    """
    own = list(_parts(net, population, measured))
    sizes = {part.shape for part in own}
    usable: list[str] = []
    shared: list[str] = []
    for name in others:
        try:
            parts = list(_parts(net, population, [name]))
        except NonFiniteError:
            continue
        if not any(np.any(part) for part in parts):
            continue
        alike = any(
            _hold_the_same(a, b)
            for b in parts
            if b.shape in sizes
            for a in own
            if a.shape == b.shape
        )
        (shared if alike else usable).append(name)
    return usable, shared


def _parts(net: Network, population: Population, names: Iterable[str]) -> Iterator[Floats]:
    """Yield the numbers of tensors at each end on a population, units first."""
    wanted = set(names)
    for end in population.ends:
        if end.tensor in wanted and end.side != "unit":
            yield _of_end(net, end)


def _of_end(net: Network, end: End) -> Floats:
    values = net.tensors[end.tensor]
    units = as_units(values, end.axis, end).reshape(end.units, -1)
    step = max(1, -(-units.size // _MOST))
    some = np.asarray(units[::step], dtype=np.float32)
    if not np.isfinite(some).all():
        raise NonFiniteError(f"{end.tensor!r} holds NaN or infinity")
    return some


def _hold_the_same(one: Floats, other: Floats) -> bool:
    a, b = _centred(one), _centred(other)
    size = float(np.sqrt(np.vdot(a, a) * np.vdot(b, b)))
    if size == 0:
        return False
    return bool(abs(float(np.vdot(a, b))) / size > max(_LEAST, _SIGMAS / a.size**0.5))


def _centred(values: Floats) -> npt.NDArray[np.float64]:
    """Return numbers of order one without the means of units and of features."""
    largest = float(np.abs(values).max(initial=0.0)) or 1.0
    out = values.astype(np.float64) / largest
    out -= out.mean(axis=1, keepdims=True)
    out -= out.mean(axis=0)
    return out
