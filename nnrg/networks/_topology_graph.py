"""From the populations of a network and the tensors between them to its ConnectionGraph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.networks._label import human_bytes, label
from nnrg.networks._topology_blocks import combined, selected
from nnrg.networks.topology import Connection, Population, Topology

if TYPE_CHECKING:
    from nnrg.networks.network import Network

__all__ = ["MOST_EDGES", "build_graph", "matching"]

MOST_EDGES = 10_000_000
"""Edges of the largest graph that is built; `strongest` keeps fewer."""

_MOST_PAIRS = 100_000_000
# While it is built: both directions of an edge as row, column, weight, and again sorted by rows.
_BYTES_PER_EDGE = 110
_STRENGTHS = ("signed", "absolute", "square")
_COMBINE = ("norm", "sum")

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def build_graph(
    net: Network,
    topology: Topology,
    *,
    only: Sequence[str] | None = None,
    excluding: Iterable[str] | str = (),
    strength: str = "signed",
    combine: str = "norm",
    strongest: int | None = None,
    threshold: float | None = None,
) -> ConnectionGraph:
    """Return the graph of a network's populations; see `Network.graph`."""
    for option, given, choices in (
        ("strength", strength, _STRENGTHS),
        ("combine", combine, _COMBINE),
    ):
        if given not in choices:
            raise ArgumentError(f"{option} must be one of {', '.join(choices)}, got {shown(given)}")
    if strongest is not None:
        strongest = as_count("strongest", strongest)
    if threshold is not None and as_real("threshold", threshold) < 0:
        raise ArgumentError(f"threshold must not be negative, got {threshold}")
    pairs = _pairs(net, topology, only, excluding)
    sizes = {p.name: p.size for p in topology.populations}
    within = {name for pair in pairs for name in pair}
    nodes = [p for p in topology.populations if p.name in within]
    offsets = np.concatenate([[0], np.cumsum([p.size for p in nodes])])
    start = {p.name: int(offset) for p, offset in zip(nodes, offsets[:-1], strict=True)}
    _check_size([sizes[a] * sizes[b] for a, b in pairs], strongest is None and threshold is None)
    notes: dict[str, list[str]] = {}
    edges: list[tuple[Ints, Ints, Floats]] = []
    for (post, pre), members in pairs.items():
        matrix = _joined(net, members, (post, pre), strength, combine, notes)
        keep = selected(matrix, strongest, threshold)
        rows, columns = np.nonzero(np.triu(keep, 1) if post == pre else keep)
        edges.append((rows + start[post], columns + start[pre], matrix[rows, columns]))
        _check_size([sum(e[0].size for e in edges)], True)
    for said, value in (("strongest", strongest), ("threshold", threshold)):
        if value is not None:
            notes[_KEPT[said].format(value)] = []
    alone = [p.name for p in topology.populations if p.name not in within]
    if alone:
        notes["populations that no tensor used here joins, left out"] = alone
    used = {c.tensor: None for members in pairs.values() for c in members}
    return _assembled(net, nodes, edges, strength, list(used), _lines(notes))


_RECURRENT = "recurrent, both directions added, no self-loops"
_ADDED = "added to others that join the same populations"
_SHOWN = 4
_KEPT = {
    "strongest": "kept: the {} strongest edges of each neuron towards each population, ties too",
    "threshold": "kept: edges of at least {}",
}


def matching(net: Network, patterns: Iterable[str] | str, what: str) -> set[str]:
    """Return the trained tensors that shell patterns match; each must match one."""
    found: set[str] = set()
    names = [patterns] if isinstance(patterns, str) or patterns is None else patterns
    names = [*names] if isinstance(names, Iterable) else [names]
    if not all(isinstance(name, str) for name in names):
        raise ArgumentError(
            f"{what} must be names of tensors, got {shown(patterns)}; {what}=() names none"
        )
    for pattern in names:
        hits = {name for name in net.specs if name == pattern or fnmatchcase(name, pattern)}
        if not hits:
            raise ArgumentError(f"{what}: no trained tensor matches {shown(pattern)}; print(net)")
        found |= hits
    return found


def _pairs(
    net: Network, topology: Topology, only: Sequence[str] | None, excluding: Iterable[str] | str
) -> dict[tuple[str, str], list[Connection]]:
    """Return the connections between each two populations, whichever way they go."""
    left_out = matching(net, excluding, "excluding")
    wanted = None if only is None else {topology.population(name).name for name in only}
    pairs: dict[tuple[str, str], list[Connection]] = {}
    for connection in topology.connections():
        ends = (connection.post, connection.pre)
        if connection.tensor in left_out or (wanted is not None and not wanted.issuperset(ends)):
            continue
        key = (ends[1], ends[0]) if (ends[1], ends[0]) in pairs else ends
        pairs.setdefault(key, []).append(connection)
    if not pairs:
        raise AnalysisError(
            f"no tensor of {net.name} joins two of the populations asked for; print(net.topology())"
        )
    return pairs


def _check_size(entries: list[int], every_entry: bool) -> None:
    """Refuse what does not fit in memory, before it is read."""
    largest, total = max(entries), sum(entries)
    if every_entry and total > MOST_EDGES:
        raise AnalysisError(
            f"the graph would have {total:,} edges and take "
            f"{human_bytes(total * _BYTES_PER_EDGE)} while it is built; the limit is "
            f"{MOST_EDGES:,}: try strongest=32, threshold=, or leave tensors out with excluding="
        )
    if largest > _MOST_PAIRS:
        raise AnalysisError(
            f"two populations have {largest:,} pairs, {human_bytes(largest * 32)} while the "
            f"strongest are found; the limit is {_MOST_PAIRS:,}: leave it out with excluding="
        )


def _joined(
    net: Network,
    members: list[Connection],
    pair: tuple[str, str],
    strength: str,
    combine: str,
    notes: dict[str, list[str]],
) -> Floats:
    """Return the sum of all connections between two populations, post x pre of the first."""
    total: Floats | None = None
    for connection in members:
        values = net.tensors[connection.tensor]
        matrix, count = combined(values, connection.leave, connection.entry, combine)
        if count > 1:
            how = "L2 norm" if combine == "norm" else "signed sum"
            notes.setdefault(f"{how} over taps, gates and pixels", []).append(connection.tensor)
        if strength != "signed":
            np.abs(matrix, out=matrix)
        if strength == "square":
            np.square(matrix, out=matrix)
        if pair[0] == pair[1]:
            matrix += matrix.T.copy()
            np.fill_diagonal(matrix, 0)
            notes.setdefault(_RECURRENT, []).append(connection.tensor)
        elif connection.post != pair[0]:
            matrix = matrix.T
        total = matrix if total is None else total + matrix
    if len(members) > 1:
        names = dict.fromkeys(connection.tensor for connection in members)
        notes.setdefault(_ADDED, []).extend(names)
    assert total is not None
    return total


def _lines(notes: dict[str, list[str]]) -> tuple[str, ...]:
    """Return each note with the first of the names that it is about."""
    lines = []
    for note, members in notes.items():
        more = f" and {len(members) - _SHOWN} more" if len(members) > _SHOWN else ""
        names = ", ".join(label(name, 60) for name in members[:_SHOWN])
        lines.append(f"{note}: {names}{more}" if members else note)
    return tuple(lines)


def _assembled(
    net: Network,
    nodes: list[Population],
    edges: list[tuple[Ints, Ints, Floats]],
    strength: str,
    used: list[str],
    notes: tuple[str, ...],
) -> ConnectionGraph:
    from scipy.sparse import coo_array

    row, column, weight = (np.concatenate(part) for part in zip(*edges, strict=True))
    n = sum(p.size for p in nodes)
    both = np.concatenate([row, column]), np.concatenate([column, row])
    csr = coo_array((np.concatenate([weight, weight]), both), shape=(n, n)).tocsr()
    csr.eliminate_zeros()
    csr.sort_indices()
    word = {"signed": "weights", "absolute": "absolute weights", "square": "squared weights"}
    return ConnectionGraph(
        csr.indptr.astype(np.int64),
        csr.indices.astype(np.int64),
        csr.data,
        np.repeat(np.arange(len(nodes), dtype=np.int64), [p.size for p in nodes]),
        tuple(p.name for p in nodes),
        f"{word[strength]} of {len(used)} tensors of {net.name}",
        frozenset(net.source_of(name) for name in used),
        notes,
    )
