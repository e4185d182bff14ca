"""Feynman diagrams of the action: every topology, with its symmetry factor counted, not looked up.

exp(-S[phi]) is the Fourier transform of exp(W[iJ]), W the generating functional of the connected
correlators G_n. With iJ = G^{-1} phi + fluctuation, its Gaussian part has the propagator -G^{-1},
the G_n are its vertices, and -S is the sum of its connected diagrams.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from math import factorial, prod

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.theory.edgeworth._topologies import Graph, leg_shares, symmetries, topologies

__all__ = ["Diagram", "FeynmanExpansion", "feynman"]

# Degree by degree the number of topologies grows tenfold; these take a second.
_MOST_LOOPS, _MOST_LEGS = 4, 10


@dataclass(frozen=True, slots=True)
class Diagram:
    """One topology: vertices G_n joined by lines -G^{-1}, with legs that carry G^{-1} phi.

    Attributes
    ----------
    legs : tuple of int
        External legs of each vertex.
    self_loops : tuple of int
        Lines from each vertex to itself.
    lines : tuple of tuples of int
        Number of lines between each two vertices, a symmetric matrix with an empty diagonal.
    symmetry : int
        Permutations of lines and vertices that leave the diagram with labelled legs as it is: its
        value is divided by them.
    labellings : tuple of tuples of tuples of int
        Every way to hand the labels of the legs to the vertices that gives a different diagram.

    Examples
    --------
    >>> from nnrg.theory.edgeworth.diagrams import feynman
    >>> print(feynman(2, 1).diagrams[0])
    +1/2 G4(1,2,a,a)
    """

    legs: tuple[int, ...]
    self_loops: tuple[int, ...]
    lines: tuple[tuple[int, ...], ...]
    symmetry: int
    labellings: tuple[tuple[tuple[int, ...], ...], ...]

    @property
    def degrees(self) -> tuple[int, ...]:
        """Order n of the cumulant at each vertex."""
        return tuple(
            e + 2 * s + sum(row)
            for e, s, row in zip(self.legs, self.self_loops, self.lines, strict=True)
        )

    @property
    def n_lines(self) -> int:
        """Number of internal lines."""
        return sum(self.self_loops) + sum(map(sum, self.lines)) // 2

    @property
    def loops(self) -> int:
        """Number of independent loops."""
        return self.n_lines - len(self.legs) + 1

    @property
    def power(self) -> Fraction:
        """Power of eps, if the cumulant of order n is of order eps^(n/2 - 1)."""
        return sum((Fraction(n, 2) - 1 for n in self.degrees), Fraction(0))

    @property
    def sign(self) -> int:
        """Sign in g_r = -(sum of diagrams), each line -G^{-1}."""
        return -1 if self.n_lines % 2 == 0 else 1

    @property
    def coefficient(self) -> Fraction:
        """What multiplies the product of cumulants over kappa_2^(r + lines) in zero dimensions."""
        return Fraction(self.sign * len(self.labellings), self.symmetry)

    @property
    def subscripts(self) -> tuple[str, ...]:
        """Letters of the axes of each vertex: lower case for lines, upper case for legs."""
        small, large = iter("abcdefghijklmnopqrstuvwxyz"), iter("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        out = ["".join(next(large) for _ in range(e)) for e in self.legs]
        for (i, j), count in self._edges().items():
            for letter in (next(small) for _ in range(count)):
                out[i] += letter
                out[j] += letter
        return tuple(out)

    def _edges(self) -> dict[tuple[int, int], int]:
        edges = {(i, j): self.lines[i][j] for i, j in combinations(range(len(self.legs)), 2)}
        return edges | {(i, i): s for i, s in enumerate(self.self_loops)}

    def __str__(self) -> str:
        labels = iter(range(1, sum(self.legs) + 1))
        vertices = [
            f"G{len(letters)}({','.join(str(next(labels)) if c.isupper() else c for c in letters)})"
            for letters in self.subscripts
        ]
        share = "1" if self.symmetry == 1 else f"1/{self.symmetry}"
        ways = f"  x {len(self.labellings)} labellings" if len(self.labellings) > 1 else ""
        return f"{'+' if self.sign > 0 else '-'}{share} {' '.join(vertices)}{ways}"


@dataclass(frozen=True, slots=True)
class FeynmanExpansion:
    """Diagrams of one coupling to a power of eps, lowest first.

    Attributes
    ----------
    legs : int
    order : int
    kind : {"loop", "tree"}
    diagrams : tuple of Diagram
    """

    legs: int
    order: int
    kind: str
    diagrams: tuple[Diagram, ...]

    def of_power(self, power: int) -> tuple[Diagram, ...]:
        """Return the diagrams of one power of eps."""
        return tuple(d for d in self.diagrams if d.power == power)

    def polynomial(self) -> dict[tuple[int, ...], Fraction]:
        """Return the zero-dimensional coupling times kappa_2^(r/2).

        Returns
        -------
        dict from orders (n_1, n_2, ..) to Fraction
            The coefficient of lambda_{n_1} lambda_{n_2} .., lambda_n = kappa_n / kappa_2^(n/2).
        """
        out: Counter[tuple[int, ...]] = Counter()
        if self.legs == 2:
            out[()] += Fraction(1)  # type: ignore[assignment]
        for d in self.diagrams:
            out[tuple(sorted(d.degrees))] += d.coefficient  # type: ignore[assignment]
        return {key: Fraction(c) for key, c in out.items() if c}

    def __str__(self) -> str:
        what = "trees, the effective action 1PI" if self.kind == "tree" else "trees and loops"
        lines = [
            f"g{self.legs} to eps^{self.order}, {what}: {len(self.diagrams)} diagrams; G_n "
            "connected correlators, equal letters joined by G^-1, digits by G^-1 to a leg"
        ]
        if self.legs == 2:
            lines.append("eps^0    G^-1(1,2)")
        lines += [f"eps^{d.power!s:<3}  {d}" for d in self.diagrams]
        return "\n".join(lines)


def feynman(r: int, order: int = 3, *, kind: str = "loop", odd: bool = False) -> FeynmanExpansion:
    """Enumerate the Feynman diagrams of the coupling g_r of the action.

    Parameters
    ----------
    r : int
        Number of fields, 1 to 10.
    order : int
        Highest power of eps, with G_n of order eps^(n/2 - 1): eps = 1/N for a network of N
        independent neurons. A diagram of L loops is of order r/2 - 1 + L.
    kind : {"loop", "tree"}
        ``"loop"``: all diagrams, the action S = -ln P. ``"tree"``: those without loops, which are
        the effective action (1PI) exactly.
    odd : bool
        Whether vertices with an odd number of fields are there: not if the law is even.

    Returns
    -------
    FeynmanExpansion
        g_r is the sum of its terms, for r = 2 with G^{-1}.

    Raises
    ------
    ArgumentError
        If the kind is unknown, or more than 4 loops or 10 legs are asked for.

    Notes
    -----
    g_r = -(sum of connected diagrams with r labelled legs): a vertex is (-1)^n G_n, n >= 3, every
    line and every leg is -G^{-1}, each diagram is divided by its symmetry factor. With
    (-1)^(sum n) = (-1)^r this is the same as vertices G_n and legs G^{-1}. M. Demirtas et al.,
    arXiv:2307.03223. The symmetry factor is the product of s! 2^s over the s self-loops of each
    vertex, of m! over the m lines between two, and the number of permutations of vertices that
    leave all as it is.

    Examples
    --------
    >>> from nnrg.theory.edgeworth.diagrams import feynman
    >>> print(feynman(6, 2).diagrams[1])
    +1 G4(1,2,3,a) G4(4,5,6,a)  x 10 labellings
    >>> {n: str(c) for n, c in feynman(4, 2).polynomial().items()}
    {(4,): '-1', (6,): '1/2', (4, 4): '-7/2'}
    """
    r = as_count("r", r, 1, _MOST_LEGS, hint="g_2 to g_8 are what data can tell")
    order = as_count("order", order, 0, _MOST_LOOPS + _MOST_LEGS, hint="try 3")
    if not isinstance(kind, str) or kind not in ("loop", "tree"):
        raise ArgumentError(f"kind must be 'loop' or 'tree', got {shown(kind)}")
    most = int(order + 1 - Fraction(r, 2))
    if kind == "loop" and most > _MOST_LOOPS:
        raise ArgumentError(
            f"g_{r} to eps^{order} has diagrams of {most} loops, at most {_MOST_LOOPS} are "
            f"enumerated; take order {_MOST_LOOPS - 1 + r // 2} or less"
        )
    return _expansion(r, order, kind, bool(odd))


@lru_cache(maxsize=64)
def _expansion(r: int, order: int, kind: str, odd: bool) -> FeynmanExpansion:
    most = int(order + 1 - Fraction(r, 2))
    found: list[Diagram] = []
    for loops in range(1 if kind == "tree" else most + 1):
        if loops <= most:
            found += _diagrams(r, loops, odd)
    return FeynmanExpansion(r, order, kind, tuple(found))


@lru_cache(maxsize=256)
def _diagrams(r: int, loops: int, odd: bool) -> tuple[Diagram, ...]:
    return tuple(_diagram(graph, r) for graph in topologies(r, loops, odd=odd))


def _diagram(graph: Graph, r: int) -> Diagram:
    """Count the symmetries and the labellings of a graph in canonical form."""
    legs, loops, lines = graph
    same = symmetries(graph)
    inner = prod(factorial(s) * 2**s for s in loops)
    inner *= prod(factorial(lines[i][j]) for i, j in combinations(range(len(legs)), 2))
    labellings = sorted(
        {
            min(tuple(shares[i] for i in move) for move in same)
            for shares in leg_shares(tuple(range(r)), legs)
        }
    )
    # All labellings have equally many symmetries: permutations that move only vertices without
    # legs, because each leg has a label of its own.
    ways = factorial(r) // prod(map(factorial, legs))
    symmetry = inner * len(same) * len(labellings) // ways
    return Diagram(legs, loops, lines, symmetry, tuple(labellings))
