"""Operators of the effective action: names, symmetries, ranges, and derivatives at a site."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import factorial, sqrt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.rg.distances import LONGEST, distances, reach_of, shell
from nnrg_kernels.schwinger_dyson import Term

__all__ = ["HIGHEST_POWER", "DerivativeRow", "Operator", "is_operator_name"]

HIGHEST_POWER = 8
_WORD = re.compile(r"[A-Za-z][\w:.^*-]{0,31}", re.ASCII)
_POWERS = re.compile(r"phi([2-8]?)")
_AXIS = re.compile(r"grad2:([0-3])")
_PAIR = re.compile(r"(J|U|phi3phi):(\d{1,2}(?:\.\d{1,6})?)")
_SHELLS = re.compile(r"(J|U)\[([1-9]\d?)\]")
_PAIR_FIELDS = {"J": 2, "U": 4, "phi3phi": 4}
_PAIR_KINDS = {"J": "quadratic", "U": "quartic", "phi3phi": "cubic"}

# dO/dphi_x as a sum of c_k phi_x^k and of c_t T_t, with T_t a row of derivatives of the kernel.
DerivativeRow = tuple[dict[int, float], dict[Term, float]]


def is_operator_name(name: object) -> bool:
    """Tell whether an operator, of one's own or not, may have this name."""
    return isinstance(name, str) and _WORD.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Operator:
    """One term O_a[phi] of the action S = sum_a g_a O_a.

    Parameters
    ----------
    name : str
        ``phi``, ``phi2``, .. ``phi8``: sum_x phi^n / n!, so that phi2 is r and phi4 is u.
        ``grad2:mu``: 1/2 sum_x (phi_{x+mu} - phi_x)^2; ``grad2``: one such term for each axis.
        With sums over y at distance r of x: ``J:r``: 1/4 sum_x sum_y (phi_x - phi_y)^2, half over
        pairs; ``U:r``: 1/4 sum_x sum_y phi_x^2 phi_y^2; ``phi3phi:r``: 1/6 sum_x sum_y phi_x^3
        phi_y. ``J[n]``: the n shortest distances beyond the nearest neighbours; ``U[n]``: the n
        shortest distances.
        ``phi2grad2``: 1/2 sum_x phi_x^2 (grad phi)_x^2, the square of the gradient averaged over
        forward and backward differences.
        Distances are given to four digits, ``J:1.414`` is J(sqrt 2).

    Raises
    ------
    ArgumentError
        If the name is that of no operator.

    Notes
    -----
    On a lattice phi2grad2 is U:1 - 3 phi3phi:1 + 12 d phi4: of these four, three are independent.

    Examples
    --------
    >>> from nnrg.rg.operators import Operator
    >>> Operator("phi4").fields, Operator("phi4").even
    (4, True)
    >>> Operator("J:2.236").reach(2), Operator("U:1").engineering_dimension(2)
    (2, 2.0)
    """

    name: str

    def __post_init__(self) -> None:
        name = self.name
        if isinstance(name, str):
            if pair := _PAIR.fullmatch(name):
                squared = round(float(pair[2]) ** 2)
                if 1 <= squared <= LONGEST**2 and abs(sqrt(squared) - float(pair[2])) < 1e-3:
                    object.__setattr__(self, "name", f"{pair[1]}:{sqrt(squared):.4g}")
                    return
            elif name in ("grad2", "phi2grad2") or any(
                p.fullmatch(name) for p in (_POWERS, _AXIS, _SHELLS)
            ):
                return
        raise ArgumentError(
            f"unknown operator {shown(name)}: expected phi, phi2 .. phi{HIGHEST_POWER}, grad2 "
            "(every axis), grad2:0 (one axis), J:1.414, U:1, phi3phi:1 (a distance up to "
            f"{LONGEST}), J[3], U[2] (the shortest distances) or phi2grad2"
        )

    @property
    def _pair(self) -> re.Match[str] | None:
        return _PAIR.fullmatch(self.name)

    @property
    def local(self) -> bool:
        """Whether it couples no two sites."""
        return _POWERS.fullmatch(self.name) is not None

    @property
    def fields(self) -> int:
        """Number of powers of phi."""
        if power := _POWERS.fullmatch(self.name):
            return int(power[1] or 1)
        if self.name == "phi2grad2":
            return 4
        return _PAIR_FIELDS.get(self.name.partition(":")[0].partition("[")[0], 2)

    @property
    def even(self) -> bool:
        """Whether it is unchanged by phi -> -phi."""
        return self.fields % 2 == 0

    @property
    def derivatives(self) -> int:
        """Derivatives of its leading term at long wavelengths: 2 for a stiffness, else 0."""
        return 2 if self.name == "phi2grad2" or self.name.startswith(("grad2", "J")) else 0

    @property
    def range(self) -> float:
        """Distance of the sites that it couples, in sites; 0 if it is local."""
        if self.local:
            return 0.0
        return sqrt(self.squared) if self._pair else 1.0

    @property
    def squared(self) -> int:
        """Squared distance of the sites that it couples."""
        return round(float(self._pair[2]) ** 2) if self._pair else int(not self.local)

    def reach(self, dimension: int) -> int:
        """Return how far along one axis the sites that it couples are apart, at most."""
        return reach_of(shell(dimension, self.squared)) if self._pair else int(not self.local)

    def engineering_dimension(self, dimension: int) -> float:
        """Return y of its coupling at the Gaussian fixed point, d - n (d-2)/2 - derivatives."""
        return dimension - self.fields * (dimension - 2) / 2 - self.derivatives

    def on(self, dimension: int) -> tuple[Operator, ...]:
        """Return the operators of a `dimension`-d lattice that it stands for.

        Raises
        ------
        ArgumentError
            If such a lattice has no such axis, or no sites at such a distance.
        """
        if self.name == "grad2":
            return tuple(Operator(f"grad2:{a}") for a in range(dimension))
        if axis := _AXIS.fullmatch(self.name):
            if int(axis[1]) >= dimension:
                raise ArgumentError(
                    f"{self.name} names an axis that a {dimension}-d lattice has not"
                )
        elif shells := _SHELLS.fullmatch(self.name):
            first, count = int(shells[1] == "J"), int(shells[2])
            there = distances(dimension)[first:]
            if count > len(there):
                raise ArgumentError(
                    f"{self.name} asks for {count} distances, a {dimension}-d lattice has "
                    f"{len(there)} up to {LONGEST} sites"
                )
            return tuple(Operator(f"{shells[1]}:{sqrt(n):.4g}") for n in there[:count])
        elif self._pair and not shell(dimension, self.squared):
            near = min(distances(dimension), key=lambda n: abs(n - self.squared))
            raise ArgumentError(
                f"{self.name}: no two sites of a {dimension}-d lattice are at that distance; "
                f"the next one is {sqrt(near):.4g}"
            )
        return (self,)

    def derivative_row(self, dimension: int) -> DerivativeRow:
        """Return dO/dphi_x as a combination of powers of phi_x and rows of the kernel."""
        if self.local:
            return {self.fields - 1: 1 / factorial(self.fields - 1)}, {}
        if axis := _AXIS.fullmatch(self.name):
            unit = tuple(int(a == int(axis[1])) for a in range(dimension))
            return {}, {Term("quadratic", (unit,)): 1.0}
        near = shell(dimension, 1)
        if self.name == "phi2grad2":
            return {3: 2.0 * dimension}, {Term("quartic", near): 1.0, Term("cubic", near): -3.0}
        kind = _PAIR_KINDS[self.name.partition(":")[0]]
        return {}, {Term(kind, shell(dimension, self.squared)): 1.0}
