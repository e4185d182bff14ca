"""The factor by which the block mean is rescaled at each scale."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real, shown
from nnrg.errors import ArgumentError

__all__ = ["field_exponent", "rescaling_factors"]

Array = npt.NDArray[np.float64]

_RESCALINGS = ("variance", "clt", "kinetic")


def field_exponent(rescale: str | float, dimension: int) -> float | None:
    """Return Delta of ``phi' = b^Delta * (block mean)``, dimensionless, or None where measured.

    ``"clt"`` is d/2 (independent sites keep their variance), ``"kinetic"`` is (d-2)/2 (a free field
    keeps its stiffness), a number is itself; ``"variance"`` keeps kappa_2 and so measures Delta.
    """
    if isinstance(rescale, str):
        if rescale not in _RESCALINGS:
            raise ArgumentError(
                f"rescale must be one of {', '.join(map(repr, _RESCALINGS))} or a number (the "
                f"exponent Delta), got {shown(rescale)}"
            )
        return {"variance": None, "clt": dimension / 2, "kinetic": (dimension - 2) / 2}[rescale]
    names = ", ".join(map(repr, _RESCALINGS))
    return as_real("rescale", rescale, hint=f"give the exponent Delta, or one of {names}")


def rescaling_factors(
    rescale: str | float,
    lengths: npt.NDArray[np.float64],
    variances: Array,
    dimension: int,
) -> Array:
    """Return the factor of the block mean at each scale; `variances` may have leading axes.

    `lengths` are the effective ones, `Flow.lengths`.
    """
    exponent = field_exponent(rescale, dimension)
    if exponent is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.sqrt(variances[..., :1] / variances))
    return np.broadcast_to(lengths**exponent, variances.shape)
