"""A reconstructed action: its couplings, its value on fields, and what it is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.rg.couplings import Couplings
from nnrg.rg.cross_check._cumulant_tensors import expand, transformed
from nnrg.stats._arrays import real_array
from nnrg.stats.estimate import Estimate
from nnrg.stats.replicates import Replicates
from nnrg.theory.edgeworth._assumptions import NO_DENSITY
from nnrg.theory.edgeworth._contractions import MOST_ENTRIES, lifted
from nnrg.theory.edgeworth._evaluation import action_of_fields
from nnrg.theory.edgeworth._table import frame, table
from nnrg.theory.edgeworth._validity import Validity
from nnrg.theory.edgeworth.comparison import ActionComparison, compared
from nnrg.theory.edgeworth.cumulant_tensors import CumulantTensors
from nnrg.theory.edgeworth.locality import LocalityResidual

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KINDS", "ReconstructedAction"]

Array = npt.NDArray[np.float64]

KINDS = ("action", "1PI", "schwinger-dyson")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReconstructedAction:
    """S = sum_r 1/r! int g_r phi^r out of connected correlators, to a power of eps.

    Attributes
    ----------
    order : int
        Power of eps, with G_c^(n) of order eps^(n/2 - 1).
    cumulants : CumulantTensors
        What it is made of; `cumulants.inverse` has the condition number.
    terms : mapping from (r, power) to array of shape (1 + n_rows, n_multisets)
        What each power of eps adds to g_r, in the coordinates of the modes; row 0 is the whole.
    polynomial : mapping from r to array, or None
        g_r by the Schwinger-Dyson equations of a polynomial of the same variables: no series.
        None where there are no samples, or more than nine modes.
    couplings : Couplings or None
        Of the lattice action of the samples, by `nnrg.fit_couplings`; None if there is no lattice.
    locality : LocalityResidual or None
        None where there is one point, or no interaction.
    validity : Validity

    Examples
    --------
    >>> from nnrg.theory.edgeworth import reconstruct_action
    >>> print(reconstruct_action({2: 1.0, 4: -0.1}))
    action to eps^1 from given correlators: 1 of 1 modes, condition 1
    g_r(x, .., x)  action  1PI (tree)  last term
    g2               0.95           1      -0.05
    g4                0.1         0.1          -
    largest lambda_4 -0.1, loops change G^-1 by -0.05
    """

    order: int
    cumulants: CumulantTensors
    terms: Mapping[tuple[int, int], Array]
    polynomial: Mapping[int, Array] | None
    couplings: Couplings | None
    locality: LocalityResidual | None
    validity: Validity

    def __post_init__(self) -> None:
        for array in (*self.terms.values(), *(self.polynomial or {}).values()):
            array.flags.writeable = False

    # -- what it says ------------------------------------------------------------------------------

    @property
    def flags(self) -> tuple[str, ...]:
        """Why the series should not be trusted; empty if there is no reason."""
        return self.validity.flags

    @property
    def flag(self) -> str:
        """All flags in one line."""
        return "; ".join(self.flags)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What was assumed."""
        return (
            *self.cumulants.assumptions,
            f"G_c^(n) is of order eps^(n/2 - 1), n up to {2 * self.order + 2}",
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of couplings that there are."""
        return KINDS if self.polynomial is not None else KINDS[:2]

    @property
    def recommended(self) -> str:
        """Kind of action to use: the series if nothing is flagged, else the other, or none."""
        if not self.flags:
            return "action"
        no_density = any(flag.startswith(NO_DENSITY) for flag in self.flags)
        return "none" if no_density or self.polynomial is None else "schwinger-dyson"

    def legs(self, kind: str = "action") -> tuple[int, ...]:
        """Return the r of which there is a coupling."""
        if kind == "schwinger-dyson":
            return tuple(self._solved())
        return tuple(range(2, 2 * self.order + 3, 2))

    def _solved(self) -> Mapping[int, Array]:
        if self.polynomial is None:
            raise ArgumentError(
                "the Schwinger-Dyson equations need samples, of at most nine modes; give samples, "
                "or keep fewer modes"
            )
        return self.polynomial

    def rows(self, r: int, *, kind: str = "action", order: int | None = None) -> Array:
        """Return g_r in the coordinates of the modes, with replicates.

        Parameters
        ----------
        r : int
        kind : {"action", "1PI", "schwinger-dyson"}
            The series with loops, its tree part (the effective action, exact at any eps), or the
            polynomial of the Schwinger-Dyson equations.
        order : int, optional
            Power of eps of the series; all by default.

        Returns
        -------
        ndarray of shape (1 + n_rows, n_multisets)

        Raises
        ------
        ArgumentError
            If there is no such coupling or kind.
        """
        if kind not in KINDS:
            raise ArgumentError(f"kind must be one of {', '.join(KINDS)}, got {shown(kind)}")
        if r not in self.legs(kind):
            raise ArgumentError(
                f"there is no g_{shown(r)} of kind {kind}; there are "
                f"{', '.join(f'g_{k}' for k in self.legs(kind))}"
            )
        if kind == "schwinger-dyson":
            return self._solved()[r]
        if kind == "1PI":
            return self.terms[r, r // 2 - 1]
        order = self.order if order is None else as_count("order", order, 0, self.order)
        found = [self.terms[r, p] for p in range(r // 2 - 1, order + 1)]
        return np.sum(found, axis=0) if found else np.zeros_like(self.terms[r, r // 2 - 1])

    def local(self, r: int, *, kind: str = "action", order: int | None = None) -> Estimate:
        """Return the mean over the points of g_r(x, .., x), with its error.

        In the unit of the field to the minus r.

        Parameters
        ----------
        r, kind, order
            As for `rows`.

        Raises
        ------
        ArgumentError
            If there is no such coupling or kind.
        """
        rows, b = self.rows(r, kind=kind, order=order), self.cumulants.inverse.coordinates
        return self._estimate(rows @ lifted(b.T, self.cumulants.n_modes, r).mean(axis=0), kind)

    def last_term(self, r: int) -> float:
        """Return what the last power of eps adds to the local g_r; NaN if it is the only one."""
        if self.order == r // 2 - 1:
            return float("nan")
        return self.local(r).value - self.local(r, order=self.order - 1).value

    def tensor(
        self, r: int, *, kind: str = "action", order: int | None = None
    ) -> tuple[Array, Array]:
        """Return g_r(x_1, .., x_r) on all points, and the errors.

        Parameters
        ----------
        r, kind, order
            As for `rows`.

        Returns
        -------
        values, errors : arrays of shape (n_points,) * r
            In the unit of the field to the minus r.

        Raises
        ------
        ArgumentError
            If there is no such coupling, or it has more than two million entries.
        """
        inverse, m = self.cumulants.inverse, self.cumulants.n_modes
        rows = self.rows(r, kind=kind, order=order)
        if inverse.n_points**r > MOST_ENTRIES:
            raise ArgumentError(
                f"g_{r} on {inverse.n_points} points has {inverse.n_points**r:.2g} entries, at "
                f"most {MOST_ENTRIES:.0e} are written out; use `local` or `action`"
            )
        full = [transformed(expand(row, m, r), inverse.coordinates.T) for row in rows]
        found = self.cumulants.replicates(np.stack([t.ravel() for t in full]))
        shape = (inverse.n_points,) * r
        return found.values.reshape(shape), found.errors().reshape(shape)

    def action(
        self, fields: npt.ArrayLike, *, kind: str = "action", order: int | None = None
    ) -> tuple[Array, Array]:
        """Return S of fields on the points, zero for the field zero, and its error.

        Parameters
        ----------
        fields : array_like of shape (n_fields, n_points), or (n_fields,) for one point
        kind, order
            As for `rows`.

        Returns
        -------
        values, errors : arrays of shape (n_fields,)
            Dimensionless. Errors are those of the couplings, not of the truncation.

        Raises
        ------
        ArgumentError
            If the fields have another number of points.
        NonFiniteError
            If one is NaN or infinite.
        """
        return action_of_fields(self.cumulants, self._every_row(kind, order), fields)

    def _every_row(self, kind: str, order: int | None) -> dict[int, Array]:
        return {r: self.rows(r, kind=kind, order=order) for r in self.legs(kind)}

    def compare(
        self,
        true: Callable[[Array], npt.ArrayLike] | npt.ArrayLike,
        fields: npt.ArrayLike,
        *,
        kind: str = "action",
        order: int | None = None,
    ) -> ActionComparison:
        """Compare with an action that is known, up to a constant.

        Parameters
        ----------
        true : callable or array_like of shape (n_fields,)
            S of the fields, or a function of them that returns it.
        fields : array_like of shape (n_fields, n_points), or (n_fields,) for one point
        kind, order
            As for `rows`.

        Returns
        -------
        ActionComparison

        Raises
        ------
        ArgumentError
            If the shapes do not fit.
        """
        x = real_array("fields", fields)
        expected = real_array("the true action", true(x) if callable(true) else true)
        rows = self._every_row(kind, order)
        found = action_of_fields(self.cumulants, rows, x, centred=True)
        return compared(expected, *found, kind=kind, fields=x)

    def _estimate(self, rows: Array, kind: str) -> Estimate:
        flag = "" if kind == "schwinger-dyson" else self.flag
        found = self.replicates(rows[:, None]).estimate(flag=flag)
        return Estimate(found.value, found.error, n_samples=self.cumulants.n_samples, flag=flag)

    def replicates(self, rows: Array) -> Replicates:
        """Return numbers with replicates made from `rows`, less their jackknife bias."""
        return self.cumulants.replicates(rows)

    # -- as a table --------------------------------------------------------------------------------

    def to_dataframe(self) -> pd.DataFrame:
        """Return the local couplings, one row for each kind and r.

        Columns: coupling, kind, value, error (unit of the field to the minus r), scaled,
        scaled_error (times the mean variance to the r/2), last_term (of the series), n_samples,
        flag.
        """
        return frame(self)

    def __str__(self) -> str:
        return table(self)
