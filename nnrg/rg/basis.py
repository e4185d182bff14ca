"""Operators of the effective action, and the set of them that is fitted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import factorial

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError

__all__ = ["Basis", "Operator", "field_powers"]

_HIGHEST = 8
_NAME = re.compile(r"phi([2-8]?)|grad2(?::([0-3]))?")


@dataclass(frozen=True, slots=True)
class Operator:
    """One term O_a[phi] of the action S = sum_a g_a O_a.

    ``phi``, ``phi2``, .. ``phi8`` are sum_x phi^n / n! (so that phi2 is r and phi4 is u);
    ``grad2:mu`` is 1/2 sum_x (phi_{x+mu} - phi_x)^2, ``grad2`` one such term for each axis.

    Examples
    --------
    >>> from nnrg.rg.basis import Operator
    >>> Operator("phi4").fields, Operator("phi4").even
    (4, True)
    """

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ArgumentError(
                f"unknown operator {shown(self.name)}: expected phi, phi2 .. phi{_HIGHEST}, "
                "grad2 (every axis) or grad2:0 (one axis)"
            )

    @property
    def local(self) -> bool:
        """Whether it couples no two sites."""
        return self.name.startswith("phi")

    @property
    def fields(self) -> int:
        """Number of powers of phi."""
        return int(self.name[3:] or 1) if self.local else 2

    @property
    def even(self) -> bool:
        """Whether it is unchanged by phi -> -phi."""
        return self.fields % 2 == 0

    @property
    def coefficient(self) -> float:
        """The factor 1/n! of a local term, 1/2 of a kinetic one."""
        return 1 / factorial(self.fields)

    def engineering_dimension(self, dimension: int) -> float:
        """Return y of its coupling at the Gaussian fixed point: d - n (d-2)/2, or 0 if kinetic."""
        return dimension - self.fields * (dimension - 2) / 2 if self.local else 0.0

    def along_axes(self, dimension: int) -> tuple[Operator, ...]:
        """Return the operator, or one for each axis if it names none."""
        if self.name != "grad2":
            return (self,)
        return tuple(Operator(f"grad2:{a}") for a in range(dimension))


@dataclass(frozen=True, slots=True)
class Basis:
    """The operators of an action that is fitted together.

    Parameters
    ----------
    operators : sequence of Operator or str
        A single one stands for itself.

    Raises
    ------
    ArgumentError
        If an operator is unknown, named twice, or there is none.

    Examples
    --------
    >>> from nnrg.rg.basis import Basis
    >>> Basis.scalar(order=6).names
    ('phi', 'phi2', 'phi3', 'phi4', 'phi6', 'grad2')
    >>> Basis(("phi2", "phi4", "grad2:0")).names
    ('phi2', 'phi4', 'grad2:0')
    """

    operators: tuple[Operator, ...]

    def __post_init__(self) -> None:
        given: object = self.operators
        if isinstance(given, str | Operator):
            given = (given,)
        if not isinstance(given, Iterable):
            raise ArgumentError(
                f"operators must be a sequence of names such as ('phi2', 'phi4'), got "
                f"{shown(given)}; try Basis.scalar(order=4)"
            )
        items = tuple(o if isinstance(o, Operator) else Operator(o) for o in given)
        if not items:
            raise ArgumentError("a basis needs at least one operator, such as 'phi2'")
        names = [o.name for o in items]
        if len(set(names)) < len(names) or ("grad2" in names and any(":" in n for n in names)):
            raise ArgumentError(f"an operator is in the basis twice: {', '.join(names)}")
        object.__setattr__(self, "operators", items)

    @classmethod
    def scalar(cls, order: int = 6, *, odd: bool = True) -> Basis:
        """Return the local terms of a scalar field to `order` and the stiffness of every axis.

        Odd terms phi and phi^3 are on by default: trained weights have no symmetry under
        phi -> -phi. phi^5 and phi^7 are kept out, and serve the goodness of fit.

        Parameters
        ----------
        order : {2, 4, 6, 8}
            Highest power of phi.
        odd : bool
            Whether phi and (from order 4) phi^3 are in.

        Raises
        ------
        ArgumentError
            If the order is none of these.
        """
        order = as_count("order", order, 2, _HIGHEST, hint="2, 4, 6 and 8 are the even ones")
        if order % 2:
            raise ArgumentError(f"order must be 2, 4, 6 or 8, got {order}; try {order + 1}")
        powers = [n for n in (1, 2, 3, 4, 6, 8) if n <= order and (odd or n % 2 == 0)]
        return cls((*(Operator("phi" if n == 1 else f"phi{n}") for n in powers), Operator("grad2")))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the operators."""
        return tuple(o.name for o in self.operators)

    def on(self, dimension: int) -> Basis:
        """Return the basis with the kinetic term of every axis of a `dimension`-d lattice."""
        for o in self.operators:
            if ":" in o.name and int(o.name[-1]) >= dimension:
                raise ArgumentError(f"{o.name} names an axis that a {dimension}-d lattice has not")
        return Basis(tuple(x for o in self.operators for x in o.along_axes(dimension)))

    def __iter__(self) -> Iterator[Operator]:
        return iter(self.operators)

    def __len__(self) -> int:
        return len(self.operators)


def field_powers(names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return how many fields each operator has."""
    return np.array([Operator(n).fields for n in names])
