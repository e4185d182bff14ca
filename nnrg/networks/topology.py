"""Topology: which ends of a network's tensors are the same population of neurons, and why."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError, SourceError
from nnrg.networks import _topology_names as by_name
from nnrg.networks import _topology_order as by_order
from nnrg.networks import _topology_table as _table
from nnrg.networks._label import label
from nnrg.networks._limits import open_regular
from nnrg.networks._topology_ends import End, Group, Joiner, Segment, default_name
from nnrg.networks._topology_onnx import join_onnx

if TYPE_CHECKING:
    from nnrg.networks.network import Network

__all__ = ["Connection", "End", "Population", "Topology", "populations"]

_FLATTEN = ("channels first", "channels last")
_LARGEST_CONFIG = 2**20
_SCREEN = 40


@dataclass(frozen=True, slots=True)
class Population:
    """The neurons of one layer, channel axis, gate, head or input axis.

    Attributes
    ----------
    name : str
    size : int
        Number of neurons.
    ends : tuple of End
        Everything that is attached to them.
    evidence : tuple of str
        What the ends were joined for; empty where there is but one.
    """

    name: str
    size: int
    ends: tuple[End, ...]
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Connection:
    """A tensor, or part of one, from one population to another.

    Attributes
    ----------
    tensor : str
    pre, post : str
        Names of the populations that the signal comes from and goes to.
    entry, leave : End
        Where it enters and leaves the tensor.
    """

    tensor: str
    pre: str
    post: str
    entry: End
    leave: End


@dataclass(frozen=True, slots=True)
class Topology:
    """Which ends of a network's tensors are one population; made by `populations`.

    ``print(topology)`` is a table of populations, sizes, ends and evidence.

    Attributes
    ----------
    populations : tuple of Population
        Every end is in one of them.
    notes : tuple of str
        What was not joined, and what would tell.
    """

    populations: tuple[Population, ...]
    notes: tuple[str, ...] = ()

    def population(self, name: str) -> Population:
        """Return a population by its name.

        Raises
        ------
        ArgumentError
            If there is none of this name.
        """
        for population in self.populations:
            if population.name == name:
                return population
        names = ", ".join(label(p.name, 40) for p in self.populations[:8])
        raise ArgumentError(f"no population {shown(name)}; there are {names}; try print(topology)")

    def of(self, tensor: str, side: str | int) -> tuple[Population, ...]:
        """Return the populations along one end of a tensor, in the order of its entries.

        Parameters
        ----------
        tensor : str
        side : {"out", "in"} or int
            Or the axis as stored.

        Raises
        ------
        ArgumentError
            If there is no such end.
        """
        found = [
            (end.start, population)
            for population in self.populations
            for end in population.ends
            if end.tensor == tensor and _is_at(end, side)
        ]
        if not found:
            raise ArgumentError(
                f"no population along {shown(side)} of {shown(tensor)}; side must be 'out', 'in' "
                "or an axis of neurons of a trained tensor"
            )
        return tuple(population for _, population in sorted(found, key=lambda item: item[0]))

    def connections(self) -> tuple[Connection, ...]:
        """Return what connects two populations, or one with itself; in the order of the file."""
        entries: dict[str, list[tuple[str, End]]] = {}
        leaves: dict[str, list[tuple[str, End]]] = {}
        for population in self.populations:
            for end in population.ends:
                held = {"in": entries, "out": leaves}.get(end.side)
                if held is not None:
                    held.setdefault(end.tensor, []).append((population.name, end))
        return tuple(
            Connection(tensor, pre, post, entry, leave)
            for tensor in leaves
            for post, leave in sorted(leaves[tensor], key=lambda item: item[1].start)
            for pre, entry in sorted(entries.get(tensor, ()), key=lambda item: item[1].start)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return populations, their ends and evidence as JSON-able values."""
        return {
            "populations": [
                {
                    "name": p.name,
                    "size": p.size,
                    "ends": [{**asdict(end), "units": end.units} for end in p.ends],
                    "evidence": list(p.evidence),
                }
                for p in self.populations
            ],
            "notes": list(self.notes),
        }

    def table(self) -> str:
        """Return the table of all populations."""
        return _table.topology_table(self, None)

    def __str__(self) -> str:
        return _table.topology_table(self, _SCREEN)


def populations(
    net: Network,
    *,
    joins: Iterable[Sequence[tuple[str, str | int]]] = (),
    heads: int | bool | None = None,
    flatten: str | None = None,
    assume_order: bool = True,
) -> Topology:
    """Tell which ends of a network's tensors are one population of neurons.

    Parameters
    ----------
    net : Network
    joins : iterable of pairs of ends
        What you know better: each a pair of ``(tensor, "in" or "out" or axis)``.
    heads : int or True, optional
        Split attention into so many heads, each a population of its own; True takes
        ``num_attention_heads`` of the ``config.json`` beside the file.
    flatten : {"channels first", "channels last"}, optional
        How channels and pixels are laid out where a dense layer follows a convolution. Shapes do
        not tell, and networks of one framework differ; without it such layers stay apart.
    assume_order : bool
        Whether consecutive layers whose sizes agree are joined where nothing else tells.

    Returns
    -------
    Topology
        With the evidence of every join: the caller, the graph of an ONNX file, names, order.

    Raises
    ------
    ArgumentError
        A join names no end or ends of unequal size, or an option is none of those above.

    Notes
    -----
    The residual stream of a transformer is one population through all blocks, as every block adds
    to it. Query and key outputs are one population, being contracted with one another, value
    outputs and the input of the output projection another. The rows of a gated recurrent matrix
    are gates x hidden state: one population, with as many copies as there are gates. Taps of
    kernels are no neurons.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.networks.topology import populations
    >>> net = nnrg.load({"fc1.weight": np.ones((8, 4)), "fc2.weight": np.ones((2, 8))})
    >>> [(p.name, p.size) for p in populations(net).populations]
    [('fc1:in', 4), ('fc1:out', 8), ('fc2:out', 2)]
    """
    if flatten is not None and flatten not in _FLATTEN:
        raise ArgumentError(f"flatten must be one of {_FLATTEN}, got {shown(flatten)}")
    count = _heads(net, heads)
    joiner = Joiner({name: net.roles[name] for name in net.specs})
    known = by_name.join_recurrent(joiner)
    known = by_name.join_transformers(joiner, count)
    if count is not None and not known:
        raise ArgumentError(f"heads={count}: no attention is known in {net.name} by its names")
    by_name.join_layers(joiner)
    for pair in joins:
        _join_given(joiner, pair)
    known |= join_onnx(joiner, net)
    order, why = by_order.file_order(joiner)
    by_order.join_residual_blocks(joiner)
    if assume_order:
        by_order.join_order(joiner, order, known, flatten, why)
        by_order.join_norms_and_slopes(joiner, order, why)
    return Topology(_named(joiner), tuple(joiner.notes))


def _is_at(end: End, side: str | int) -> bool:
    if isinstance(side, str):
        return end.side in (side, "unit")
    return end.axis == side


def _join_given(joiner: Joiner, pair: Sequence[tuple[str, str | int]]) -> None:
    """Join two ends that the caller says are one population."""
    try:
        (one, side), (other, another) = pair
    except (TypeError, ValueError):
        raise ArgumentError(
            "each of joins= must be a pair of ends like (('fc1.weight', 'out'), ('fc2.weight', "
            f"'in')), got {shown(pair)}"
        ) from None
    found: list[Segment] = []
    for tensor, where in ((one, side), (other, another)):
        if tensor not in joiner.roles:
            raise ArgumentError(f"joins: no trained tensor {shown(tensor)}; print(net) lists them")
        ends = (
            joiner.segments(tensor, where) if isinstance(where, str) else joiner.axis(tensor, where)
        )
        if len(ends) != 1:
            raise ArgumentError(
                f"joins: {shown(tensor)} has {len(ends)} populations along {shown(where)}; "
                "expected one: 'out', 'in' or an axis of neurons"
            )
        found += ends
    if not joiner.join(found[0], found[1], "given"):
        sizes = found[0].end.units, found[1].end.units
        raise ArgumentError(
            f"joins: {shown(one)} has {sizes[0]} neurons there and {shown(other)} {sizes[1]}; "
            "join ends of one size"
        )


def _heads(net: Network, heads: int | bool | None) -> int | None:
    if heads is None or heads is False:
        return None
    if heads is not True:
        return as_count("heads", heads)
    folder = None if net.path is None else net.path.parent if net.path.is_file() else net.path
    found = None
    if folder is not None:
        try:
            file, stamp = open_regular(folder / "config.json")
            with file:
                config = json.loads(file.read(min(stamp.size, _LARGEST_CONFIG)))
            found = config.get("num_attention_heads", config.get("n_head"))
        except (SourceError, ValueError, AttributeError, RecursionError):
            found = None
    if not isinstance(found, int):
        raise ArgumentError(
            f"heads=True: no num_attention_heads in a config.json beside {net.name}; give a number"
        )
    return as_count("num_attention_heads of config.json", found)


def _named(joiner: Joiner) -> tuple[Population, ...]:
    """Return populations with different names, those of rules before those of layers."""
    out: list[Population] = []
    taken: set[str] = set()
    for group in joiner.groups():
        name = plain = group.name or default_name_of(joiner, group)
        number = 2
        while name in taken:
            name, number = f"{plain} ({number})", number + 1
        taken.add(name)
        ends = tuple(segment.end for segment in group.members)
        out.append(Population(name, ends[0].units, ends, tuple(group.evidence)))
    return tuple(out)


def default_name_of(joiner: Joiner, group: Group) -> str:
    """Return the name of the first layer that the neurons are the output of."""
    ends = [segment.end for segment in group.members]
    leaving = [e for e in ends if e.side == "out"] or [e for e in ends if e.side == "in"] or ends
    return default_name(joiner.roles[leaving[0].tensor], leaving[0])
