"""Connected correlators as numbers with the error of their computation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.stats.estimate import shown_number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ConnectedCorrelator"]

Floats = npt.NDArray[np.float64]

_ROWS = 12


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ConnectedCorrelator:
    """Connected r-point functions of a network output at given inputs.

    ``numpy.asarray`` gives the values.

    Attributes
    ----------
    values : array
        G_c^(r), in the unit of the output to the power r. One axis of length k for each of the r
        points where it is a tensor, otherwise one number for each set of points.
    errors : array of the same shape
        Of the computation: bounds by refinement and rounding, one standard deviation where the
        rule was quasi-random.
    order : int
        r.
    width : int
        Neurons N of the hidden layer.
    architecture : str
    method : str
        Closed form, quadrature and in how many dimensions, or quasi-random.
    assumptions : tuple of str
    flag : str
        Why the numbers should not be trusted; empty if there is no reason.
    """

    values: Floats
    errors: Floats
    order: int
    width: int
    architecture: str
    method: str
    assumptions: tuple[str, ...]
    flag: str = ""

    def __post_init__(self) -> None:
        for array in (self.values, self.errors):
            array.flags.writeable = False

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False and dtype not in (None, np.float64):
            raise ValueError("a correlator of another type is a copy")
        return np.array(self.values, dtype=dtype, copy=True if copy is None else copy)

    def __float__(self) -> float:
        if self.values.size != 1:
            raise ArgumentError(
                f"only a single correlator is a number, got shape {self.values.shape}; take .values"
            )
        return float(self.values.item())

    def __str__(self) -> str:
        head = f"G_c^({self.order}) of {self.architecture}, N = {self.width}, {self.method}"
        values, errors = self.values.ravel(), self.errors.ravel()
        at = (
            [""]
            if self.values.ndim == 0
            else [str(list(i)) for i in np.ndindex(*self.values.shape)]
        )
        lines = [
            f"  {where:>12} {shown_number(v, e)}".rstrip()
            for where, v, e in zip(at[:_ROWS], values[:_ROWS], errors[:_ROWS], strict=True)
        ]
        if values.size > _ROWS:
            lines.append(f"  ... {values.size} in all, largest error {errors.max():.1e}")
        if self.flag:
            lines.append(f"  flag: {self.flag}")
        return "\n".join([head, *lines])

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each number: its indices ``i0, i1, ..``, ``value`` and ``error``."""
        import pandas as pd

        index = np.indices(self.values.shape).reshape(self.values.ndim, -1)
        columns: dict[str, Any] = {f"i{axis}": row for axis, row in enumerate(index)}
        return pd.DataFrame({**columns, "value": self.values.ravel(), "error": self.errors.ravel()})
