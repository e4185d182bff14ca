"""Coordinate descent over the orders of hidden populations: one Hungarian matching at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.networks._topology_blocks import as_units, spread
from nnrg.networks._topology_ends import End
from nnrg.networks.topology import Population, Topology

__all__ = ["Matcher", "Matching"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SWEEPS = 50
# A new order must be better by more than rounding, or the descent may go round in circles.
_GAIN = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """Order and signs of the units of one network, by population.

    Attributes
    ----------
    orders : mapping of str to int array
        Unit ``orders[p][i]`` of the network is unit i of the reference.
    signs : mapping of str to float64 array
        Factor of unit i after it was put in order.
    """

    orders: Mapping[str, Ints]
    signs: Mapping[str, Floats]


class Matcher:
    """Matches networks with one reference.

    Parameters
    ----------
    reference : mapping of str to float64 array
        Its tensors.
    populations : sequence of Population
        What may be permuted.
    topology : Topology
    signed : set of str
        Populations whose units may change sign.
    probes : mapping of str to array of shape (n_inputs, n_units)
        Activations of the reference, each unit with mean zero and length one.
    """

    def __init__(
        self,
        reference: Mapping[str, Floats],
        populations: Sequence[Population],
        topology: Topology,
        signed: set[str],
        probes: Mapping[str, Floats],
    ) -> None:
        self._reference = reference
        self._populations = populations
        self._signed = signed
        self._probes = probes
        self._at: dict[str, set[str]] = {}
        for population in topology.populations:
            for end in population.ends:
                self._at.setdefault(end.tensor, set()).add(population.name)

    def identity(self) -> Matching:
        """Return the matching that changes nothing."""
        sizes = {p.name: p.size for p in self._populations}
        return Matching(
            {name: np.arange(size) for name, size in sizes.items()},
            {name: np.ones(size) for name, size in sizes.items()},
        )

    def match(
        self, arrays: Mapping[str, Floats], probes: Mapping[str, Floats]
    ) -> tuple[Matching, dict[str, Floats], Floats]:
        """Return order and signs, the tensors put in order, and the quality of each population."""
        moved = {name: array.copy() for name, array in arrays.items()}
        seen = dict(probes)
        start = self.identity()
        orders, signs = dict(start.orders), dict(start.signs)
        unsettled = {p.name for p in self._populations}
        for sweep in range(_SWEEPS):
            changed = False
            for population in self._populations:
                name = population.name
                ends = list(population.ends)
                if sweep == 0:
                    known = [e for e in ends if not self._at[e.tensor] & unsettled - {name}]
                    ends = known or ends
                    unsettled.discard(name)
                products = self._products(population, ends, moved, seen)
                order, sign, gain = self._best(products, name in self._signed)
                if gain <= _GAIN * np.abs(products).sum():
                    continue
                changed = True
                orders[name] = orders[name][order]
                signs[name] = signs[name][order] * sign
                for end in population.ends:
                    _reorder(moved[end.tensor], end, order, sign)
                if name in seen:
                    seen[name] = seen[name][:, order] * sign
            if not changed and sweep:
                break
        quality = [self._quality(p, moved, seen) for p in self._populations]
        return Matching(orders, signs), moved, np.array(quality)

    def _products(
        self,
        population: Population,
        ends: Sequence[End],
        moved: Mapping[str, Floats],
        seen: Mapping[str, Floats],
    ) -> Floats:
        """Return the product of the weights of each two units, reference x other."""
        if population.name in self._probes:
            products: Floats = self._probes[population.name].T @ seen[population.name]
            return products
        total = np.zeros((population.size, population.size))
        for end in ends:
            one, other = (
                as_units(arrays[end.tensor], end.axis, end).reshape(end.units, -1)
                for arrays in (self._reference, moved)
            )
            total += one @ other.T
        return total

    @staticmethod
    def _best(products: Floats, signed: bool) -> tuple[Ints, Floats, float]:
        from scipy.optimize import linear_sum_assignment

        value = np.abs(products) if signed else products
        row, order = linear_sum_assignment(value, maximize=True)
        matched = products[row, order]
        sign = np.where(matched < 0, -1.0, 1.0) if signed else np.ones(order.size)
        return order, sign, float((matched * sign).sum() - np.trace(products))

    def _quality(
        self, population: Population, moved: Mapping[str, Floats], seen: Mapping[str, Floats]
    ) -> float:
        if population.name in self._probes:
            one, other = self._probes[population.name], seen[population.name]
            alive = max(int(np.count_nonzero(one.any(axis=0))), 1)
            return float(np.einsum("iu,iu->", one, other)) / alive
        sums = np.zeros(3)
        # Biases have a common mean, alike whatever the order.
        for end in [e for e in population.ends if e.side != "unit"] or population.ends:
            one, other = (
                as_units(arrays[end.tensor], end.axis, end).reshape(-1)
                for arrays in (self._reference, moved)
            )
            sums += one @ other, one @ one, other @ other
        return float(sums[0] / np.sqrt(sums[1] * sums[2])) if sums[1] * sums[2] > 0 else 0.0


def _reorder(array: Floats, end: End, order: Ints, sign: Floats) -> None:
    """Put the entries of an end in a new order of units, in place."""
    entries = np.arange(end.stop - end.start).reshape(
        (end.copies, end.units) if end.copies_first else (end.units, end.copies)
    )
    taken = entries[:, order] if end.copies_first else entries[order]
    part = [slice(None)] * array.ndim
    part[end.axis] = slice(end.start, end.stop)
    shape = [1] * array.ndim
    shape[end.axis] = taken.size
    factor = spread(sign, end).reshape(shape)
    array[tuple(part)] = np.take(array[tuple(part)], taken.reshape(-1), axis=end.axis) * factor
