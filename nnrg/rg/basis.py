"""The set of operators that is fitted together, and what of it a small lattice can tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.fields import Lattice
from nnrg.rg.custom_operator import CustomOperator
from nnrg.rg.operators import HIGHEST_POWER, Operator

__all__ = ["Basis"]

_DEPENDENT = {"phi4", "U:1", "phi3phi:1", "phi2grad2"}


@dataclass(frozen=True, slots=True)
class Basis:
    """The operators of an action that is fitted together.

    Parameters
    ----------
    operators : sequence of Operator, CustomOperator or str
        A single one stands for itself; see `Operator` for the names.

    Raises
    ------
    ArgumentError
        If an operator is unknown, named twice or a combination of others, or there is none.

    Examples
    --------
    >>> from nnrg.rg.basis import Basis
    >>> Basis.scalar(order=6).names
    ('phi', 'phi2', 'phi3', 'phi4', 'phi6', 'grad2')
    >>> Basis.scalar(order=4, odd=False, shells=2, quartic=1).on(2).names
    ('phi2', 'phi4', 'grad2:0', 'grad2:1', 'J:1.414', 'J:2', 'U:1')
    >>> Basis(("phi2", "phi4", "grad2:0")).names
    ('phi2', 'phi4', 'grad2:0')
    """

    operators: tuple[Operator | CustomOperator, ...]

    def __post_init__(self) -> None:
        given: object = self.operators
        if isinstance(given, str | Operator | CustomOperator):
            given = (given,)
        if not isinstance(given, Iterable):
            raise ArgumentError(
                f"operators must be a sequence of names such as ('phi2', 'phi4'), got "
                f"{shown(given)}; try Basis.scalar(order=4)"
            )
        items = tuple(o if isinstance(o, Operator | CustomOperator) else Operator(o) for o in given)
        if not items:
            raise ArgumentError("a basis needs at least one operator, such as 'phi2'")
        names = [o.name for o in items]
        twice = len(set(names)) < len(names)
        if twice or ("grad2" in names and any(n.startswith("grad2:") for n in names)):
            raise ArgumentError(f"an operator is in the basis twice: {', '.join(names)}")
        if "J:1" in names and any(n.startswith("grad2") for n in names):
            raise ArgumentError("J:1 is the sum of grad2 over the axes: leave one of them out")
        if set(names) >= _DEPENDENT:
            raise ArgumentError(
                "phi2grad2 is U:1 - 3 phi3phi:1 + 12 d phi4: leave one of the four out"
            )
        object.__setattr__(self, "operators", items)

    @classmethod
    def scalar(
        cls, order: int = 6, *, odd: bool = True, shells: int = 0, quartic: int = 0
    ) -> Basis:
        """Return the local terms of a scalar field, its stiffness, and terms between sites.

        Odd terms phi and phi^3 are on by default: trained weights have no symmetry under
        phi -> -phi. phi^5 and phi^7 are kept out.

        Parameters
        ----------
        order : {2, 4, 6, 8}
            Highest power of phi.
        odd : bool
            Whether phi and (from order 4) phi^3 are in.
        shells : int
            How many J(r), from the shortest distance beyond the nearest neighbours on.
        quartic : int
            How many U(r), from the nearest neighbours on.

        Raises
        ------
        ArgumentError
            If the order is none of these, or a number of shells is no integer from 0 to 99.
        """
        order = as_count("order", order, 2, HIGHEST_POWER, hint="2, 4, 6 and 8 are the even ones")
        if order % 2:
            raise ArgumentError(f"order must be 2, 4, 6 or 8, got {order}; try {order + 1}")
        shells = as_count("shells", shells, 0, 99, hint="try 3")
        quartic = as_count("quartic", quartic, 0, 99, hint="try 1")
        powers = [n for n in (1, 2, 3, 4, 6, 8) if n <= order and (odd or n % 2 == 0)]
        names = ["phi" if n == 1 else f"phi{n}" for n in powers]
        names += ["grad2", *([f"J[{shells}]"] if shells else [])]
        return cls(tuple(Operator(n) for n in (*names, *([f"U[{quartic}]"] if quartic else []))))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the operators."""
        return tuple(o.name for o in self.operators)

    @property
    def fields(self) -> npt.NDArray[np.int64]:
        """Number of powers of phi in each operator, shape (n_operators,)."""
        return np.array([o.fields for o in self.operators], dtype=np.int64)

    def on(self, dimension: int) -> Basis:
        """Return the basis on a `dimension`-d lattice: every axis, every distance asked for.

        Raises
        ------
        ArgumentError
            If there is no such axis or distance.
        """
        return Basis(tuple(x for o in self.operators for x in o.on(dimension)))

    def out_of_room(self, lattice: Lattice) -> Mapping[str, str]:
        """Return the operators that a lattice is too small to tell, each with the reason.

        On a periodic axis of L <= 2r sites the neighbours at +r and -r are one site or overlap with
        those of a shorter distance; on an open axis fewer than half of the sites have neighbours at
        a distance above L/4 on both sides. Nearest neighbours are never counted out.
        """
        reasons = {}
        for o in self.operators:
            reach = o.reach(lattice.dimension)
            if reach <= 1 and o.squared <= 1:
                continue
            for length, wraps in zip(lattice.shape, lattice.periodic, strict=True):
                if wraps and length <= 2 * reach:
                    reasons[o.name] = (
                        f"redundant: distance {o.range:.4g} on {length} periodic sites"
                    )
                elif not wraps and reach > 1 and length < 4 * reach:
                    reasons[o.name] = f"no room: distance {o.range:.4g} on {length} open sites"
        return reasons

    def without(self, names: Iterable[str]) -> Basis:
        """Return the basis without some of its operators; one at least must be left."""
        gone = set(names)
        return Basis(tuple(o for o in self.operators if o.name not in gone))

    def __iter__(self) -> Iterator[Operator | CustomOperator]:
        return iter(self.operators)

    def __len__(self) -> int:
        return len(self.operators)
