"""Variance and correlation of preactivations layer by layer, at infinite width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real
from nnrg.activation_functions import Activation
from nnrg.errors import ArgumentError
from nnrg.theory.gaussian_averages import selected_moments
from nnrg.theory.layer_kernel import decorrelation

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Trajectory", "propagate"]

Array = npt.NDArray[np.float64]

_OVERFLOW = 1e150


@dataclass(frozen=True, slots=True)
class Trajectory:
    """q_l and 1 - c_l of two inputs of equal norm; arrays of shape (depth + 1,), layer 0 first.

    Attributes
    ----------
    q, q_error : ndarray
        Variance of a preactivation; NaN once it has left double precision.
    one_minus_c, one_minus_c_error : ndarray, dimensionless
        1 - c_l, with its own relative precision however small it is; NaN without a second input.
    note : str
        Where it was given up.
    """

    q: Array
    q_error: Array
    one_minus_c: Array
    one_minus_c_error: Array
    note: str

    @property
    def c(self) -> Array:
        """Correlation of the two inputs."""
        return 1 - self.one_minus_c

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table with a row for each layer."""
        import pandas as pd

        return pd.DataFrame(
            {
                "layer": np.arange(len(self.q)),
                "q": self.q,
                "q_error": self.q_error,
                "one_minus_c": self.one_minus_c,
                "one_minus_c_error": self.one_minus_c_error,
            }
        )

    def __str__(self) -> str:
        last = len(self.q) - 1
        shown = sorted({0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, last})
        lines = ["  layer   q               1 - c"]
        lines += [
            f"  {i:>6d}  {self.q[i]:<14.8g}  {self.one_minus_c[i]:.8g}" for i in shown if i <= last
        ]
        return "\n".join([*lines, *([f"note: {self.note}"] if self.note else [])])


_DEEPEST = 1 << 20


def propagate(
    phi: Activation, w2: float, b2: float, q0: float, depth: int, c0: float | None
) -> Trajectory:
    """Return q_l and c_l from layer 0 on.

    Notes
    -----
    1 - c is carried itself, q' (1 - c') = sigma_w^2 (<phi^2> - <phi phi>), in a form that does not
    subtract nearly equal numbers: c would stop at 1e-16 of 1. Errors add up linearly.
    """
    depth = as_count("depth", depth, 1, _DEEPEST)
    q, q_error, e, e_error = np.full((4, depth + 1), np.nan)
    q[0], q_error[0] = q0, 0.0
    if c0 is not None:
        if not abs(as_real("c0", c0)) <= 1:
            raise ArgumentError(f"c0 must be from -1 to 1, got {c0:g}; it is a correlation")
        e[0], e_error[0] = 1 - c0, 0.0
    note = ""
    for i in range(depth):
        if not 0 < q[i] < _OVERFLOW:
            word = "grows beyond" if q[i] else "falls below"
            note = f"q {word} double precision at layer {i}"
            q[i:], q_error[i:] = np.nan, np.nan
            break
        m, errors = selected_moments(phi, q[i : i + 1], ("square", "first"))
        q[i + 1] = w2 * m["square"][0] + b2
        slope, noise = abs(m["first"][0]), errors["square"][0]
        q_error[i + 1] = w2 * (slope * q_error[i] + noise) + 2e-16 * q[i + 1]
        if c0 is None:
            continue
        value, error = (float(x) for x in decorrelation(phi, q[i], e[i]))
        e[i + 1] = min(w2 * value / q[i + 1], 2.0) if q[i + 1] else np.nan
        if e[i] > 0 and value > 0 and q[i + 1] > 0:
            relative = e_error[i] / e[i] + error / value + 2 * q_error[i + 1] / q[i + 1] + 4e-16
            e_error[i + 1] = relative * e[i + 1]
        else:
            e_error[i + 1] = 0.0
    for array in (q, q_error, e, e_error):
        array.flags.writeable = False
    return Trajectory(q, q_error, e, e_error, note)
