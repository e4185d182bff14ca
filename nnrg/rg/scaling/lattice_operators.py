"""Operators of the Monte Carlo renormalization group: sums over a lattice of products of fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, product
from math import factorial

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError

__all__ = ["LatticeOperator", "as_operators", "operator_sums"]

Array = npt.NDArray[np.float64]
Offset = tuple[int, ...]
Factors = tuple[tuple[Offset, int], ...]
Term = tuple[float, Factors]

_LOCAL = re.compile(r"(phi|hermite)([2-8]?)")
_SHELLS = {"nn": 0, "nnn": 1, "third": 2, "fourth": 3}
_SITES_AT_ONCE = 1 << 16  # so that a run of configurations stays in the cache


@dataclass(frozen=True, slots=True)
class LatticeOperator:
    r"""A translation-invariant polynomial of the field, summed over the lattice.

    Parameters
    ----------
    name : str
        What tables call it.
    terms : tuple of (float, tuple of (offset, power))
        :math:`S = \sum_x \sum_t c_t \prod_i \phi_{x + o_{ti}}^{p_{ti}}`; every offset is a tuple of
        one integer for each axis.

    Raises
    ------
    ArgumentError
        If there is no term, a power is below 1, or the offsets differ in dimension.

    Examples
    --------
    >>> pair = LatticeOperator("next", ((1.0, (((0,), 1), ((1,), 1))),))
    >>> pair.even, pair.degrees
    (True, (2,))
    """

    name: str
    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        try:
            lengths = {len(offset) for _, factors in self.terms for offset, _ in factors}
            powers = [power for _, factors in self.terms for _, power in factors]
            usable = len(lengths) == 1 and min(powers) >= 1 and all(f for _, f in self.terms)
        except (TypeError, ValueError):
            usable = False
        if not usable or not isinstance(self.name, str):
            raise ArgumentError(
                f"operator {shown(self.name)} needs terms (coefficient, ((offset, power), ...)) "
                f"with powers of at least 1, got {shown(self.terms)}"
            )

    @property
    def dimension(self) -> int:
        """Number of axes of its offsets."""
        return len(self.terms[0][1][0][0])

    @property
    def degrees(self) -> tuple[int, ...]:
        """Number of fields of each term."""
        return tuple(sum(p for _, p in factors) for _, factors in self.terms)

    @property
    def even(self) -> bool | None:
        """Whether it keeps its sign under phi -> -phi; None if it does neither."""
        parities = {n % 2 for n in self.degrees}
        return None if len(parities) == 2 else parities == {0}

    @property
    def stretched(self) -> LatticeOperator:
        """Return sum_x phi_x dS/dphi_x: the change of the operator as the field is stretched."""
        return LatticeOperator(
            f"{self.name}:stretched",
            tuple((c * n, f) for (c, f), n in zip(self.terms, self.degrees, strict=True)),
        )


def as_operators(
    operators: str | LatticeOperator | Sequence[str | LatticeOperator], dimension: int
) -> tuple[LatticeOperator, ...]:
    r"""Return the operators that the names stand for on a lattice of `dimension` axes.

    Parameters
    ----------
    operators : names or LatticeOperator objects
        ``"phi"``, ``"phi2"`` .. ``"phi8"`` are :math:`\sum_x \phi_x^n / n!`; ``"hermite2"`` ..
        ``"hermite8"`` :math:`\sum_x He_n(\phi_x)`; ``"nn"``, ``"nnn"``, ``"third"``, ``"fourth"``
        the products :math:`\phi_x \phi_y` over pairs at the first to fourth distance;
        ``"plaquette"`` four fields around an elementary square; ``"phi2phi2"`` and ``"phi3phi"``
        :math:`\phi_x^2 \phi_y^2` and :math:`\phi_x^3 \phi_y + \phi_x \phi_y^3` over nearest
        neighbours; ``"corner"`` and ``"row"`` three fields on an elementary square, in a row.
    dimension : int
        Number of axes.

    Raises
    ------
    ArgumentError
        If a name is unknown or not defined on that many axes, or is given twice.

    Examples
    --------
    >>> [len(o.terms) for o in as_operators(("phi4", "nn", "nnn", "plaquette", "corner"), 2)]
    [1, 2, 2, 1, 4]
    """
    given: object = operators
    if isinstance(given, str | LatticeOperator):
        given = (given,)
    if not isinstance(given, Iterable):
        raise ArgumentError(f"operators must be names such as ('nn', 'nnn'), got {shown(given)}")
    items = tuple(_as_operator(o, dimension) for o in given)
    names = [o.name for o in items]
    if not items or len(set(names)) < len(names):
        raise ArgumentError(f"operators must be one or more, each once, got {shown(names)}")
    return items


def _as_operator(operator: object, dimension: int) -> LatticeOperator:
    if isinstance(operator, LatticeOperator):
        if operator.dimension != dimension:
            raise ArgumentError(
                f"operator {operator.name!r} has offsets of {operator.dimension} axes, the lattice "
                f"{dimension}"
            )
        return operator
    terms = _named_terms(operator, dimension) if isinstance(operator, str) else ()
    if not isinstance(operator, str) or not terms:
        raise ArgumentError(
            f"unknown operator {shown(operator)} in {dimension} dimension(s): expected phi, phi2 "
            "to phi8, hermite2 to hermite8, nn, nnn, third, fourth, plaquette, phi2phi2, phi3phi, "
            "corner, row or a LatticeOperator"
        )
    return LatticeOperator(operator, terms)


def _named_terms(name: str, d: int) -> tuple[Term, ...]:
    origin = (0,) * d
    axes = [tuple(int(a == b) for b in range(d)) for a in range(d)]
    local = _LOCAL.fullmatch(name)
    if local:
        n = int(local[2] or 1)
        if local[1] == "phi":
            return ((1 / factorial(n), ((origin, n),)),)
        powers = np.polynomial.hermite_e.herme2poly([0.0] * n + [1.0])
        return tuple((float(c), ((origin, p),)) for p, c in enumerate(powers) if p and c)
    if name in _SHELLS:
        return tuple((1.0, ((origin, 1), (y, 1))) for y in _shell(_SHELLS[name], d))
    if name == "phi2phi2":
        return tuple((0.25, ((origin, 2), (y, 2))) for y in axes)
    if name == "phi3phi":
        return tuple((1 / 6, ((origin, p), (y, 4 - p))) for y in axes for p in (1, 3))
    if name == "row":
        return tuple((1.0, ((origin, 1), (y, 1), (_sum(y, y), 1))) for y in axes)
    squares = [(origin, x, y, _sum(x, y)) for x, y in combinations(axes, 2)]
    if name == "plaquette":
        return tuple((1.0, tuple((c, 1) for c in square)) for square in squares)
    if name == "corner":
        return tuple(
            (1.0, tuple((c, 1) for c in three)) for q in squares for three in combinations(q, 3)
        )
    return ()


def _sum(x: Offset, y: Offset) -> Offset:
    return tuple(a + b for a, b in zip(x, y, strict=True))


def _shell(number: int, d: int) -> list[Offset]:
    """Return one offset of each opposite pair on a distance shell of the hypercubic lattice."""
    box = [y for y in product(range(-4, 5), repeat=d) if y > (0,) * d]
    squares = sorted({sum(c * c for c in y) for y in box})
    return [y for y in box if sum(c * c for c in y) == squares[number]]


def operator_sums(
    values: npt.NDArray[np.floating],
    operators: Sequence[LatticeOperator],
    periodic: Sequence[bool],
) -> Array:
    """Return the value of each operator on each configuration.

    Parameters
    ----------
    values : array of shape (n_configurations, *lattice)
        Computed in its own precision, single or double.
    operators : sequence of LatticeOperator
    periodic : sequence of bool
        Whether each axis closes on itself; on an open one, terms that reach beyond it are left out.

    Returns
    -------
    array of shape (n_configurations, n_operators)

    Raises
    ------
    AnalysisError
        If an operator reaches around the lattice.

    Examples
    --------
    >>> ring = np.array([[1.0, 2.0, 3.0, 4.0]])
    >>> operator_sums(ring, as_operators(("phi", "nn"), 1), [True]).tolist()
    [[10.0, 24.0]]
    """
    shape = values.shape[1:]
    reach = np.zeros(len(shape), dtype=np.int64)
    for operator in operators:
        for _, factors in operator.terms:
            offsets = np.array([o for o, _ in factors])
            reach = np.maximum(reach, np.ptp(offsets, axis=0))
    if any(r >= n for r, n in zip(reach, shape, strict=True)):
        raise AnalysisError(
            f"operators that reach {reach.tolist()} sites do not fit on {list(shape)}: use fewer "
            "levels, a larger lattice or operators of shorter range"
        )
    run = max(1, _SITES_AT_ONCE // int(np.prod(shape)))
    out = np.empty((values.shape[0], len(operators)))
    for start in range(0, values.shape[0], run):
        _sums_of_run(values[start : start + run], operators, periodic, reach, out[start:])
    return out


def _sums_of_run(
    values: npt.NDArray[np.floating],
    operators: Sequence[LatticeOperator],
    periodic: Sequence[bool],
    reach: npt.NDArray[np.int64],
    out: Array,
) -> None:
    shape = values.shape[1:]
    widths = [(0, int(r) if p else 0) for r, p in zip(reach, periodic, strict=True)]
    powers = {1: np.pad(values, [(0, 0), *widths], mode="wrap")}
    axes = "nxyzt"[: values.ndim]
    for a, operator in enumerate(operators):
        total = np.zeros(values.shape[0])
        for coefficient, factors in operator.terms:
            low = np.min([o for o, _ in factors], axis=0)
            high = np.max([o for o, _ in factors], axis=0) - low
            views = []
            for offset, power in factors:
                first = np.array(offset) - low
                last = [
                    f + n - (0 if p else h)
                    for f, n, h, p in zip(first, shape, high, periodic, strict=True)
                ]
                window = tuple(slice(f, e) for f, e in zip(first, last, strict=True))
                views.append(_power(powers, power)[(slice(None), *window)])
            if len(views) > 2:
                views = [reduce(np.multiply, views[:-1]), views[-1]]
            total += coefficient * np.einsum(",".join([axes] * len(views)) + "->n", *views)
        out[: total.size, a] = total


def _power(powers: dict[int, npt.NDArray[np.floating]], power: int) -> npt.NDArray[np.floating]:
    if power not in powers:
        half = power // 2
        powers[power] = _power(powers, half) * _power(powers, power - half)
    return powers[power]
