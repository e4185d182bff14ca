"""Gauge fixing: scales and signs of hidden units that the network's function does not depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.networks._balance import Link, balance, dead_units
from nnrg.networks._label import label
from nnrg.networks._rebuilt import rebuilt, workable
from nnrg.networks._symmetries import activation_symmetries, fixed_units
from nnrg.networks._topology_blocks import as_units, combined, spread
from nnrg.networks._topology_ends import End
from nnrg.networks.load import load
from nnrg.networks.network import Network
from nnrg.networks.topology import Population, Topology

__all__ = ["Canonical", "canonical"]

Floats = npt.NDArray[np.float64]

# A sum of n numbers that cancels to this share of their magnitudes has no sign.
_NO_SIGN = 1e-12
_SHOWN = 6


@dataclass(frozen=True, slots=True, eq=False)
class Canonical:
    """A network in canonical gauge, and what was done to each population of units.

    Attributes
    ----------
    network : Network
        The same function, in memory; float32, or float64 where the tensor was.
    scales : mapping of str to float64 array
        Factor of what enters each unit, by population; what leaves it was divided by it.
    signs : mapping of str to float64 array
        1 or -1 of each unit, where signs are a symmetry.
    dead : mapping of str to int array
        Units that nothing enters or nothing leaves: they have no scale, and keep their weights.
    unsigned : mapping of str to int array
        Units whose outgoing weights cancel: they have no sign, and keep theirs.
    left_alone : mapping of str to str
        Populations that were not touched, and why.
    """

    network: Network
    scales: Mapping[str, Floats]
    signs: Mapping[str, Floats]
    dead: Mapping[str, npt.NDArray[np.int64]]
    unsigned: Mapping[str, npt.NDArray[np.int64]]
    left_alone: Mapping[str, str]

    def __str__(self) -> str:
        lines = [f"{self.network.name}: canonical gauge"]
        for name in dict.fromkeys((*self.scales, *self.signs)):
            parts = []
            if name in self.scales:
                factor = self.scales[name]
                parts.append(f"scales {factor.min():.3g} .. {factor.max():.3g}")
            if name in self.signs:
                parts.append(f"{np.count_nonzero(self.signs[name] < 0)} signs changed")
            for what, units in (("dead", self.dead), ("without a sign", self.unsigned)):
                if name in units:
                    first = ", ".join(map(str, units[name][:_SHOWN].tolist()))
                    more = ", .." if units[name].size > _SHOWN else ""
                    parts.append(f"{units[name].size} {what}: {first}{more}")
            lines.append(f"  {label(name, 48)}: {'; '.join(parts)}")
        lines += [f"  {label(n, 48)}: left alone: {why}" for n, why in self.left_alone.items()]
        return "\n".join(lines)


def canonical(
    net: Network | Mapping[str, npt.NDArray[Any]],
    activation: str = "relu",
    *,
    topology: Topology | None = None,
) -> Canonical:
    """Fix the scales and signs of hidden units that are a matter of convention.

    Parameters
    ----------
    net : Network, or mapping of str to array
    activation : str
        Of all hidden layers. Positively homogeneous: ``"relu"``, ``"leaky_relu"``, ``"prelu"``;
        odd: ``"tanh"``, ``"erf"``, ``"arctan"``, ``"sin"``, ``"softsign"``, ``"hardtanh"``; both:
        ``"linear"``; neither: ``"sigmoid"``, ``"gelu"``, ``"silu"``, ``"elu"``, ``"selu"``,
        ``"softplus"``.
    topology : Topology, optional
        Which layer feeds which; by default what `Network.topology` tells.

    Returns
    -------
    Canonical

    Raises
    ------
    ArgumentError
        If the activation is none of these.
    AnalysisError
        If weights differ so much in size that norms do not balance.

    Notes
    -----
    f(c z) = c f(z) for c > 0 lets a unit's incoming weights and bias be multiplied by c and its
    outgoing weights be divided by it; the canonical scale has norm(w_in, b) = norm(w_out) for all
    units at once, the minimum of the sum of squares, which is unique. f(-z) = -f(z) lets signs
    change likewise; the canonical sign has a positive sum of outgoing weights, fixed from the
    output backwards. Taps of kernels and pixels of flattened channels count as weights of their
    channel. Maxima over pixels commute with positive scales, not with signs. No symmetry of
    single units, and left alone: residual streams, gated and recurrent units, attention (any
    rotation within a head), units with a normalisation, and tied tensors.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.networks.gauge import canonical
    >>> gauge = canonical({"fc1.weight": np.array([[3.0, 4.0]]), "fc2.weight": np.array([[20.0]])})
    >>> gauge.scales["fc1:out"], gauge.network.tensors["fc2.weight"]
    (array([2.]), array([[10.]]))
    """
    scaling, flipping = activation_symmetries(activation)
    network = net if isinstance(net, Network) else load(net)
    known = network.topology() if topology is None else topology
    left_alone = fixed_units(network, known)
    if not (scaling or flipping):
        reason = f"{activation} has no symmetry of scale or sign"
        left_alone |= {p.name: reason for p in known.populations if p.name not in left_alone}
    free = [p for p in known.populations if p.name not in left_alone]
    arrays = {name: network.tensors[name] for name in {e.tensor for p in free for e in p.ends}}
    types = {name: workable(array.dtype) for name, array in arrays.items()}
    arrays = {name: array.astype(np.float64) for name, array in arrays.items()}
    scales: dict[str, Floats] = {}
    dead: dict[str, npt.NDArray[np.int64]] = {}
    if scaling:
        scales, dead = _rescale(arrays, free, known)
    signs: dict[str, Floats] = {}
    unsigned: dict[str, npt.NDArray[np.int64]] = {}
    for population in _backwards(free, known) if flipping else ():
        sign, lost = _signs(arrays, population)
        signs[population.name] = sign
        if lost.size:
            unsigned[population.name] = lost
        _multiply(arrays, population, sign)
    changed = {name: array.astype(types[name]) for name, array in arrays.items()}
    return Canonical(
        rebuilt(network, changed, f"canonical gauge of {activation}"),
        MappingProxyType(scales),
        MappingProxyType(signs),
        MappingProxyType(dead),
        MappingProxyType(unsigned),
        MappingProxyType(left_alone),
    )


def _rescale(
    arrays: dict[str, Floats], free: list[Population], topology: Topology
) -> tuple[dict[str, Floats], dict[str, npt.NDArray[np.int64]]]:
    names = {p.name: p.size for p in free}
    links = []
    for c in topology.connections():
        if c.post in names or c.pre in names:
            norms, _ = combined(arrays[c.tensor], c.leave, c.entry, "norm")
            links.append(Link(c.post, c.pre, norms**2))
    biases = {p.name: np.zeros(p.size) for p in free}
    for population in free:
        for end in population.ends:
            if _is_bias(end):
                biases[population.name] += as_units(arrays[end.tensor], end.axis, end)[:, 0] ** 2
    marks = dead_units(links, biases, names)
    logs = balance(links, biases, marks)
    scales = {name: np.exp(values) for name, values in logs.items()}
    for population in free:
        _multiply(arrays, population, scales[population.name])
    return scales, {n: np.flatnonzero(m) for n, m in marks.items() if m.any()}


def _is_bias(end: End) -> bool:
    """Slopes of a rectifier are multiplied with what a unit gets: they stay as they are."""
    return end.side == "unit" and "prelu" not in end.tensor.lower()


def _multiply(arrays: dict[str, Floats], population: Population, factor: Floats) -> None:
    """Multiply what enters units by a factor, and divide what leaves them by it."""
    for end in population.ends:
        if end.side == "unit" and not _is_bias(end):
            continue
        array = arrays[end.tensor]
        along = spread(1 / factor if end.side == "in" else factor, end)
        shape = [1] * array.ndim
        shape[end.axis] = along.size
        part = [slice(None)] * array.ndim
        part[end.axis] = slice(end.start, end.stop)
        array[tuple(part)] *= along.reshape(shape)


def _backwards(free: list[Population], topology: Topology) -> list[Population]:
    """Return populations, those nearest to the output first."""
    names = {p.name for p in free}
    after: dict[str, set[str]] = {name: set() for name in names}
    for c in topology.connections():
        if c.pre in names and c.post in names:
            after[c.pre].add(c.post)
    done: list[Population] = []
    waiting = list(free)
    while waiting:
        ready = [p for p in waiting if after[p.name] <= {d.name for d in done}] or waiting
        done += ready
        waiting = [p for p in waiting if p not in ready]
    return done


def _signs(
    arrays: Mapping[str, Floats], population: Population
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the signs that make the sum of each unit's outgoing weights positive."""
    parts = [
        as_units(arrays[end.tensor], end.axis, end).reshape(end.units, -1)
        for end in population.ends
        if end.side == "in"
    ]
    weights = np.concatenate(parts, axis=1)
    total = _sum_or_zero(weights)
    total = np.where(total == 0, _sum_or_zero(weights**3), total)
    return np.where(total < 0, -1.0, 1.0), np.flatnonzero(total == 0)


def _sum_or_zero(numbers: Floats) -> Floats:
    total = numbers.sum(axis=1)
    zero = np.abs(total) <= _NO_SIGN * np.abs(numbers).sum(axis=1)
    return np.where(zero, 0.0, total)
