"""Connected multigraphs with legs, one for each topology, and their symmetries."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations, product

__all__ = ["Graph", "leg_shares", "symmetries", "topologies"]

# Legs and self-loops of each vertex, and the number of lines between each two.
Graph = tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, ...], ...]]


def topologies(r: int, loops: int, *, odd: bool) -> Iterator[Graph]:
    """Yield the topologies with r legs and so many loops, fewest vertices first.

    Vertices have an even number of ends, at least four; with `odd` any number from three on.
    """
    low, step = (3, 1) if odd else (4, 2)
    for n_vertices in range(1, (r + 2 * loops - 2) // (low - 2) + 1):
        ends = r + 2 * (n_vertices - 1 + loops)
        for degrees in _partitions(ends, n_vertices, low, step):
            graphs = {_canonical(g) for g in set(_graphs(degrees, r))}
            yield from sorted(graphs, reverse=True)


def symmetries(graph: Graph) -> list[tuple[int, ...]]:
    """Return the permutations of vertices that leave a graph in canonical form as it is."""
    return [move for move in _moves(graph) if _moved(graph, move) == graph]


def leg_shares(
    labels: tuple[int, ...], sizes: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Yield the ways to hand out labels, so many to each vertex."""
    if not sizes:
        yield ()
        return
    for mine in combinations(labels, sizes[0]):
        rest = tuple(x for x in labels if x not in mine)
        for others in leg_shares(rest, sizes[1:]):
            yield (mine, *others)


def _partitions(total: int, parts: int, low: int, step: int) -> Iterator[tuple[int, ...]]:
    """Yield the partitions of a number into parts low, low + step, .., in ascending order."""
    if parts == 0:
        if total == 0:
            yield ()
        return
    for first in range(low, total // parts + 1, step):
        for rest in _partitions(total - first, parts - 1, first, step):
            yield (first, *rest)


def _graphs(degrees: tuple[int, ...], r: int) -> Iterator[Graph]:
    """Yield the connected multigraphs with so many ends at each vertex, r of them legs."""
    v = len(degrees)
    pairs = list(combinations(range(v), 2))

    def joined(at: int, free: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if at == len(pairs):
            yield ()
            return
        i, j = pairs[at]
        for count in range(min(free[i], free[j]) + 1):
            left = list(free)
            left[i] -= count
            left[j] -= count
            for rest in joined(at + 1, tuple(left)):
                yield (count, *rest)

    for counts in joined(0, degrees):
        lines = [[0] * v for _ in range(v)]
        for (i, j), count in zip(pairs, counts, strict=True):
            lines[i][j] = lines[j][i] = count
        if not _connected(lines):
            continue
        free = [n - sum(row) for n, row in zip(degrees, lines, strict=True)]
        for loops in product(*(range(f // 2 + 1) for f in free)):
            legs = tuple(f - 2 * s for f, s in zip(free, loops, strict=True))
            if sum(legs) == r:
                yield legs, loops, tuple(map(tuple, lines))


def _connected(lines: list[list[int]]) -> bool:
    reached, front = {0}, [0]
    while front:
        i = front.pop()
        new = [j for j, count in enumerate(lines[i]) if count and j not in reached]
        reached.update(new)
        front += new
    return len(reached) == len(lines)


def _colours(graph: Graph) -> list[object]:
    """Return what tells vertices apart: legs, self-loops, and the same of the neighbours."""
    legs, loops, lines = graph
    colours: list[object] = list(zip(legs, loops, map(sum, lines), strict=True))
    for _ in range(2):
        ranks = {c: k for k, c in enumerate(sorted(set(colours), key=repr))}
        here = [ranks[c] for c in colours]
        colours = [
            (here[i], *sorted((here[j], count) for j, count in enumerate(row) if count))
            for i, row in enumerate(lines)
        ]
    return colours


def _moves(graph: Graph) -> Iterator[tuple[int, ...]]:
    """Yield the orders of the vertices that put equal ones together."""
    colours = _colours(graph)
    alike = [
        [i for i, c in enumerate(colours) if c == value] for value in sorted(set(colours), key=repr)
    ]
    for orders in product(*(permutations(group) for group in alike)):
        yield tuple(i for order in orders for i in order)


def _moved(graph: Graph, move: tuple[int, ...]) -> Graph:
    legs, loops, lines = graph
    return (
        tuple(legs[i] for i in move),
        tuple(loops[i] for i in move),
        tuple(tuple(lines[i][j] for j in move) for i in move),
    )


def _canonical(graph: Graph) -> Graph:
    return max(_moved(graph, move) for move in _moves(graph))
