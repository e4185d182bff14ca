"""Square matrices of a network whose rows and columns are one population, and those refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.networks.geometry import oriented
from nnrg.networks.network import Network

if TYPE_CHECKING:
    from nnrg.networks.topology import Connection, Topology

__all__ = ["Refused", "SquareMatrix", "square_matrices"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SquareMatrix:
    """A matrix from a population to itself.

    Attributes
    ----------
    name : str
        Tensor and gate, or the product of query and key.
    population : str
    values : array of shape (n, n)
        Rows are where the signal goes to.
    sources : frozenset of str
        What it is made of, as graphs and fields name their sources.
    tensors : tuple of str
        Names of the tensors it is made of.
    """

    name: str
    population: str
    values: Floats
    sources: frozenset[str] = frozenset()
    tensors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.values.flags.writeable = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A tensor that has no symmetric part, and why."""

    name: str
    reason: str


def square_matrices(
    network: Network,
    names: Sequence[str] | None = None,
    *,
    joins: Sequence[Sequence[tuple[str, str | int]]] = (),
    heads: int | bool | None = None,
) -> tuple[tuple[SquareMatrix, ...], tuple[Refused, ...]]:
    r"""Return the matrices of a network that lead from a population to itself.

    Parameters
    ----------
    network : Network
    names : sequence of str, optional
        Tensors; by default all matrices.
    joins : sequence of pairs of ends, optional
        Ends that you know to be one population, see `nnrg.networks.topology.populations`.
    heads : int or True, optional
        Split attention into heads.

    Returns
    -------
    matrices : tuple of SquareMatrix
        One for each gate of a recurrent matrix; and :math:`W_Q^T W_K`, from the stream to itself,
        for each pair of query and key.
    refused : tuple of Refused
        Tensors with two axes of neurons that are not one population, with the reason.

    Raises
    ------
    ArgumentError
        If a name or join is unknown.

    Notes
    -----
    A square layer between two populations has rows and columns in orders that have nothing to do
    with one another: permuting one of them changes nothing of what the network computes, and
    changes the symmetric fraction to anything. Only the topology tells, never the shape.

    A product of query and key has the rank of the heads. Shuffled entries have full rank: there
    the null "unaligned", which keeps the singular values, is the one to compare with.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> rng = np.random.default_rng(1)
    >>> net = nnrg.load({"fc1.weight": rng.normal(size=(32, 32)),
    ...                  "rnn.weight_hh_l0": rng.normal(size=(32, 32)),
    ...                  "rnn.weight_ih_l0": rng.normal(size=(32, 8))})
    >>> found, refused = square_matrices(net)
    >>> [m.name for m in found], [r.name for r in refused]
    (['rnn.weight_hh_l0'], ['fc1.weight', 'rnn.weight_ih_l0'])
    """
    if not isinstance(network, Network):
        raise ArgumentError(f"expected a Network, got {shown(network)}; try nnrg.load")
    if isinstance(names, str) or not isinstance(names, Iterable | None):
        raise ArgumentError(f"names must be a list of tensors, got {shown(names)}")
    wanted = list(network.specs) if names is None else list(names)
    unknown = [name for name in wanted if name not in network.specs]
    if unknown:
        raise ArgumentError(f"no trained tensor {shown(unknown[0])}; print(network) lists them")
    if not isinstance(joins, Iterable):
        raise ArgumentError(f"joins must be a list of pairs of ends, got {shown(joins)}")
    topology = network.topology(joins=joins, heads=heads)
    found: list[SquareMatrix] = []
    refused: list[Refused] = []
    paired = _products(network, topology, set(wanted))
    inside = {name for names_, _ in paired for name in names_}
    for name in wanted:
        spec = network.specs[name]
        if sum(letter in "OIVC" for letter in spec.layout) != 2:
            continue
        here = [c for c in topology.connections() if c.tensor == name]
        looped = [c for c in here if c.pre == c.post]
        if looped:
            found += [m for c in looped for m in _gates(network, c)]
        elif name not in inside:
            refused.append(Refused(name, _reason(spec.shape, here)))
    found += [build() for _, build in paired]
    return tuple(found), tuple(refused)


def _gates(network: Network, connection: Connection) -> list[SquareMatrix]:
    """Return the matrix of a connection, one for each gate."""
    name = connection.tensor
    entry, leave = connection.entry, connection.leave
    values = _oriented(network, name)[leave.start : leave.stop, entry.start : entry.stop]
    sources = frozenset({network.source_of(name)})
    n, gates = leave.units, network.specs[name].gates
    if leave.copies == 1:
        return [SquareMatrix(name, connection.post, values.copy(), sources, (name,))]
    stacked = (
        values.reshape(leave.copies, n, -1)
        if leave.copies_first
        else values.reshape(n, leave.copies, -1).swapaxes(0, 1)
    )
    labels = gates if len(gates) == leave.copies else [str(i) for i in range(leave.copies)]
    return [
        SquareMatrix(f"{name}[{gate}]", connection.post, part.copy(), sources, (name,))
        for gate, part in zip(labels, stacked, strict=True)
    ]


def _products(
    network: Network, topology: Topology, wanted: set[str]
) -> list[tuple[tuple[str, str], Callable[[], SquareMatrix]]]:
    """Return pairs of query and key with what makes their product."""
    out: list[tuple[tuple[str, str], Callable[[], SquareMatrix]]] = []
    connections = [c for c in topology.connections() if c.tensor in wanted]
    for population in topology.populations:
        if "query-key" not in population.name:
            continue
        ends = [c for c in connections if c.post == population.name]
        if len(ends) != 2 or ends[0].pre != ends[1].pre:
            continue
        # Which is the query only transposes the product.
        query, key = sorted(ends, key=lambda c: "query" not in c.tensor and "q_" not in c.tensor)
        if query.tensor == key.tensor:
            continue

        whole = query.leave.units == network.specs[query.tensor].shape[query.leave.axis]
        head = "" if whole else f"[{query.leave.start}:{query.leave.stop}]"

        def build(
            query: Connection = query, key: Connection = key, head: str = head
        ) -> SquareMatrix:
            left, right = _part(network, query), _part(network, key)
            name = _product_name(query.tensor, key.tensor) + head
            sources = frozenset(network.source_of(c.tensor) for c in (query, key))
            both = query.tensor, key.tensor
            return SquareMatrix(name, query.pre, left.T @ right, sources, both)

        out.append(((query.tensor, key.tensor), build))
    return out


def _product_name(query: str, key: str) -> str:
    """Return what both names begin with, and in brackets what each has of its own."""
    end = next((i for i, (a, b) in enumerate(zip(query, key, strict=False)) if a != b), 0)
    same = query[: query.rfind(".", 0, end) + 1]
    own = [name.removeprefix(same).removesuffix(".weight") for name in (query, key)]
    return f"{same}[{own[0]}^T {own[1]}]"


def _part(network: Network, connection: Connection) -> Floats:
    leave = connection.leave
    return _oriented(network, connection.tensor)[leave.start : leave.stop]


def _oriented(network: Network, name: str) -> Floats:
    """Return a matrix as float64, rows where the signal goes to."""
    values = np.asarray(network.tensors[name]).astype(np.float64)
    turned = oriented(values, network.specs[name].layout)[0]
    return np.asarray(turned.reshape(turned.shape[0], -1))


def _reason(shape: tuple[int, ...], here: Sequence[Connection]) -> str:
    size = " x ".join(map(str, shape))
    if not here:
        return f"{size}: its two ends are not populations of neurons"
    first = here[0]
    if first.leave.units != first.entry.units:
        return (
            f"{size}: from {first.pre} ({first.entry.units}) to {first.post} "
            f"({first.leave.units}), rectangular"
        )
    return (
        f"{size}: from {first.pre} to {first.post}, two populations in orders of their own; if "
        "they are one, say so with joins="
    )
