"""Operators of one's own: a summand given by its derivatives, which are checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import ArgumentError
from nnrg.rg.distances import LONGEST, reach_of, shell
from nnrg.rg.operators import HIGHEST_POWER, DerivativeRow, Operator, is_operator_name
from nnrg_kernels.schwinger_dyson import Term

__all__ = ["CustomOperator"]

# Points of order one, none of them special, at which derivatives are compared.
_POINTS = ((0.37, -0.61), (-1.13, 0.29), (0.83, 1.41), (-0.53, -0.97))
_STEP = 1e-5
_CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class CustomOperator:
    """An operator of one's own, given by the derivatives of its summand.

    Parameters
    ----------
    name : str
    derivative, second : callable
        First and second derivative by phi_x of the summand, functions of one number, v(phi_x), or,
        with a `distance`, of two, v(phi_x, phi_y) = v(phi_y, phi_x). They are compiled by Numba.
    distance : float, optional
        O = 1/2 sum_x sum_y v(phi_x, phi_y) over the sites y at this distance; left out,
        O = sum_x v(phi_x).
    fields : int, optional
        Degree n if v(a phi) = a^n v(phi). Left out, v takes the field divided by its root mean
        square at each scale, and its coupling is dimensionless.

    Raises
    ------
    ArgumentError
        If the functions are no derivatives of one another, v is not symmetric or not homogeneous
        as stated, or the name is that of a known operator.

    Examples
    --------
    The cosine of a sine-Gordon action, and a quartic exchange of neighbours:

    >>> from math import cos, sin
    >>> from nnrg.rg.custom_operator import CustomOperator
    >>> CustomOperator("cos", lambda y: -sin(y), lambda y: -cos(y)).fields
    0
    >>> exchange = CustomOperator(
    ...     "exchange", lambda y, n: (y - n) ** 3 / 6, lambda y, n: (y - n) ** 2 / 2,
    ...     distance=1, fields=4,
    ... )
    >>> exchange.even, exchange.reach(2)
    (True, 1)
    """

    name: str
    derivative: Callable[..., float]
    second: Callable[..., float]
    distance: float | None = None
    fields: int = 0

    def __post_init__(self) -> None:
        if not is_operator_name(self.name):
            raise ArgumentError(
                f"an operator's name must be a short word such as 'cosine', got {shown(self.name)}"
            )
        try:
            Operator(self.name)
        except ArgumentError:
            pass
        else:
            raise ArgumentError(f"{self.name} is a known operator; choose another name")
        object.__setattr__(self, "fields", as_count("fields", self.fields, 0, HIGHEST_POWER))
        if self.distance is not None:
            r = as_real("distance", self.distance, hint="try 1 for nearest neighbours")
            if not (0.9 < r <= LONGEST and abs(sqrt(round(r * r)) - r) < 1e-3):
                raise ArgumentError(f"distance must be that of two sites, 1 to {LONGEST}, got {r}")
            object.__setattr__(self, "distance", r)
        _check_derivatives(self.name, self.derivative, self.second, self.distance, self.fields)

    @property
    def local(self) -> bool:
        """Whether it couples no two sites."""
        return self.distance is None

    @property
    def even(self) -> bool:
        """Whether it is unchanged by phi -> -phi: its derivative is odd."""
        points = (0.3, 0.7, -1.1), (0.9, -0.4, 0.2)
        pairs = zip(*points, strict=True) if not self.local else ((y,) for y in points[0])
        return all(
            abs(self.derivative(*y) + self.derivative(*(-a for a in y)))
            <= 1e-9 * abs(self.derivative(*y))
            for y in pairs
        )

    @property
    def range(self) -> float:
        """Distance of the sites that it couples, in sites; 0 if it is local."""
        return self.distance or 0.0

    @property
    def squared(self) -> int:
        """Squared distance of the sites that it couples."""
        return round(self.range**2)

    def reach(self, dimension: int) -> int:
        """Return how far along one axis the sites that it couples are apart, at most."""
        return 0 if self.local else reach_of(shell(dimension, self.squared))

    def engineering_dimension(self, dimension: int) -> float:
        """Return d - n (d-2)/2, NaN where the operator has no degree n."""
        return dimension - self.fields * (dimension - 2) / 2 if self.fields else float("nan")

    def on(self, dimension: int) -> tuple[CustomOperator, ...]:
        """Return the operator, if such a lattice has sites at its distance."""
        if not self.local and not shell(dimension, self.squared):
            raise ArgumentError(
                f"{self.name}: no two sites of a {dimension}-d lattice are {self.distance} apart"
            )
        return (self,)

    def derivative_row(self, dimension: int) -> DerivativeRow:
        """Return dO/dphi_x as a row of the kernel."""
        functions = (self.derivative, self.second)
        if self.local:
            return {}, {Term("site", (), functions): 1.0}
        return {}, {Term("pair", shell(dimension, self.squared), functions): 1.0}


def _check_derivatives(
    name: str,
    derivative: Callable[..., float],
    second: Callable[..., float],
    distance: float | None,
    fields: int,
) -> None:
    """Compare the functions with central differences, with the symmetry and with the degree.

    Raises
    ------
    ArgumentError
        If they cannot be called with numbers, or do not agree.
    """
    arguments = 1 if distance is None else 2
    _check_compiles(name, (derivative, second), arguments)

    def value(function: Callable[..., float], *point: float) -> float:
        try:
            number = float(function(*point[:arguments]))
        except Exception as error:
            raise ArgumentError(
                f"{name}: its derivatives must be functions of {arguments} number(s) that return "
                f"one, got {type(error).__name__} at {point[:arguments]}"
            ) from None
        if not np.isfinite(number):
            raise ArgumentError(f"{name}: its derivative is not finite at {point[:arguments]}")
        return number

    for y, n in _POINTS:
        slope = value(derivative, y + _STEP, n) - value(derivative, y - _STEP, n)
        there = value(second, y, n)
        if not np.isclose(slope / (2 * _STEP), there, rtol=_CLOSE, atol=_CLOSE):
            raise ArgumentError(
                f"{name}: second is not the derivative of derivative: {there:.6g} against "
                f"{slope / (2 * _STEP):.6g} at {(y, n)[:arguments]}"
            )
        if arguments == 2:
            one = value(derivative, y, n + _STEP) - value(derivative, y, n - _STEP)
            other = value(derivative, n, y + _STEP) - value(derivative, n, y - _STEP)
            if not np.isclose(one, other, rtol=_CLOSE, atol=_CLOSE * _STEP):
                raise ArgumentError(
                    f"{name}: no symmetric v(phi_x, phi_y) has this derivative; "
                    "symmetrise it, v(y, n) + v(n, y)"
                )
        if fields:
            doubled, once = value(derivative, 2 * y, 2 * n), value(derivative, y, n)
            if not np.isclose(doubled, once * 2 ** (fields - 1), rtol=_CLOSE, atol=_CLOSE):
                raise ArgumentError(
                    f"{name}: its derivative is not of degree {fields - 1}, as fields={fields} "
                    "says; leave fields out if the operator has no degree"
                )


def _check_compiles(name: str, functions: tuple[Callable[..., float], ...], arguments: int) -> None:
    """Refuse what Numba cannot compile, here and not inside a flow."""
    from numba import njit
    from numba.core.errors import NumbaError
    from numba.extending import is_jitted

    for function in functions:
        try:
            compiled = function if is_jitted(function) else njit(function)
            compiled(*_POINTS[0][:arguments])
        except (NumbaError, TypeError, ValueError, ArithmeticError) as error:
            reason = " ".join(str(error).split())[:160] or type(error).__name__
            raise ArgumentError(
                f"{name}: its derivatives must be functions of {arguments} number(s) that Numba "
                f"compiles, such as those of math: {type(error).__name__}: {reason}"
            ) from None
