"""What is averaged for each moment of an activation, and what errors of its derivatives add."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation

__all__ = ["INTEGRANDS", "difference_errors"]

Array = npt.NDArray[np.float64]

_Integrand = Callable[[Array, Array, Array, Array], Array]
# Of x, phi, phi', phi''; the last two are q d<phi^2>/dq and q^2 (2 q second + 3 first).
INTEGRANDS: dict[str, _Integrand] = {
    "square": lambda x, f, d, b: f**2,
    "fourth": lambda x, f, d, b: f**4,
    "slope_square": lambda x, f, d, b: d**2,
    "slope_fourth": lambda x, f, d, b: d**4,
    "curvature_square": lambda x, f, d, b: b**2,
    "first": lambda x, f, d, b: x * f * d,
    "second": lambda x, f, d, b: x**3 * f * d,
}


def difference_errors(phi: Activation, q: Array, values: dict[str, Array]) -> dict[str, Array]:
    """Return what errors of the derivatives add, by the Schwarz inequality."""
    first, second = phi.accuracy
    added: dict[str, Array] = {}
    if "first" in values and first:
        added["first"] = first * np.sqrt(values["square"] / q)
    if "slope_square" in values:
        added["slope_square"] = 2 * first * np.sqrt(values["slope_square"])
    if "slope_fourth" in values:
        added["slope_fourth"] = 4 * first * values["slope_fourth"] ** 0.75
    if "curvature_square" in values:
        added["curvature_square"] = 2 * second * np.sqrt(values["curvature_square"])
    if "second" in values:
        added["second"] = first * np.sqrt(1.5 * values["square"] / q) / q
    return added
