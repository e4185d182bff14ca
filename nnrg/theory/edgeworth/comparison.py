"""A reconstructed action against one that is known, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError, NonFiniteError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ActionComparison", "compared"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ActionComparison:
    """S of the same fields, known and reconstructed, both less their mean over the fields.

    Attributes
    ----------
    kind : str
        Of the reconstruction.
    fields : array of shape (n_fields, n_points) or (n_fields,)
    true, reconstructed, errors : arrays of shape (n_fields,)
        Dimensionless.
    slope : float
        Of the reconstructed action over the true one, least squares; 1 if they agree.
    residual : float
        Root mean square of the difference over that of the true action, dimensionless.
    """

    kind: str
    fields: Array
    true: Array
    reconstructed: Array
    errors: Array
    slope: float
    residual: float

    def __post_init__(self) -> None:
        for array in (self.fields, self.true, self.reconstructed, self.errors):
            array.flags.writeable = False

    def __str__(self) -> str:
        return (
            f"{self.kind} of {self.true.size} fields: slope {self.slope:.4f}, differs by "
            f"{100 * self.residual:.3g} % of the spread of the true action"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each field: true, reconstructed, error."""
        import pandas as pd

        return pd.DataFrame(
            {"true": self.true, "reconstructed": self.reconstructed, "error": self.errors}
        )


def compared(
    true: Array, reconstructed: Array, errors: Array, *, kind: str, fields: Array
) -> ActionComparison:
    """Compare two actions up to a constant: the reconstructed one comes less its mean."""
    if true.shape != reconstructed.shape or true.size < 2:
        raise ArgumentError(
            f"the true action must have one number for each of {reconstructed.size} fields, at "
            f"least two, got shape {true.shape}"
        )
    if not np.isfinite(true).all():
        raise NonFiniteError("the true action is not finite on all fields; leave those out")
    known, found = true - true.mean(), reconstructed
    spread = float(known @ known)
    if not spread > 0:
        raise ArgumentError("the true action is the same on all fields; take different ones")
    return ActionComparison(
        kind=kind,
        fields=np.array(fields),
        true=known,
        reconstructed=found,
        errors=np.array(errors),
        slope=float(known @ found) / spread,
        residual=float(np.sqrt(np.sum((found - known) ** 2) / spread)),
    )
