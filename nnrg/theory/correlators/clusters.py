"""Locality: whether connected correlators vanish as their inputs fall apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate._inputs import as_inputs
from nnrg.stats.estimate import format_value_error, shown_number
from nnrg.theory.correlators._input_moves import GONE, InputMoves, measured_moves
from nnrg.theory.correlators.architecture import Architecture, as_architecture
from nnrg.theory.correlators.measured import ensemble_outputs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ClusterTest", "cluster_test"]

Floats = npt.NDArray[np.float64]

_CLEAR = 4.0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ClusterTest(InputMoves):
    """A connected correlator as one half of its inputs moves away from the other half.

    Attributes
    ----------
    separations : array of shape (m,)
        In the unit of the input.
    values, errors : arrays of shape (m,)
        G_c^(r) from the formula, in the unit of the output to the power r.
    two_point, two_point_errors : arrays of shape (m,)
        G(0, y) across the gap over the root of G(0, 0) G(y, y), without the output bias.
    measured, measured_errors : arrays of shape (m,)
        G_c^(r) of an ensemble; NaN if none was drawn.
    architecture : str
    order, width, n_networks : int
    assumptions : tuple of str
    measured_flag : str
        Why the measured numbers should not be trusted; empty if there is no reason.
    """

    separations: Floats
    values: Floats
    two_point: Floats

    @property
    def _formula(self) -> Floats:
        return self.values

    @property
    def flag(self) -> str:
        """Why the largest separation tells nothing; empty if it does."""
        if abs(self.two_point[-1]) > 0.1:
            return (
                f"the two halves are still correlated ({self.two_point[-1]:.2g}) at the largest "
                "separation: go further, or the two-point function does not decay at all"
            )
        return ""

    @property
    def clusters(self) -> bool:
        """Whether the formula has fallen to a thousandth of its largest value at the far end."""
        largest = float(np.abs(self.values).max())
        return bool(abs(self.values[-1]) <= GONE * largest + 4 * self.errors[-1])

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row a separation."""
        import pandas as pd

        return pd.DataFrame(
            {
                "separation": self.separations,
                "value": self.values,
                "error": self.errors,
                "two_point": self.two_point,
                "measured": self.measured,
                "measured_error": self.measured_errors,
            }
        )

    def __str__(self) -> str:
        verdict = "obeys" if self.clusters else "does not obey"
        lines = [
            f"G_c^({self.order}) of {self.architecture}, N = {self.width}: "
            f"{verdict} cluster decomposition",
            "  separation  two-point  G_c",
        ]
        for at, y in enumerate(self.separations[:12]):
            line = f"  {y:<10.4g}  {self.two_point[at]:<9.2g}  "
            line += shown_number(self.values[at], self.errors[at])
            if self.n_networks:
                shown = format_value_error(self.measured[at], self.measured_errors[at])
                line += f", measured {shown}"
            lines.append(line)
        if self.n_networks and abs(self.sigmas()[-1]) > _CLEAR:
            lines.append(f"  measured: {abs(self.sigmas()[-1]):.1f} sigma from zero at the far end")
        return "\n".join([*lines, *(f"  flag: {f}" for f in (self.flag, self.measured_flag) if f)])


def cluster_test(
    architecture: Architecture,
    separations: npt.ArrayLike,
    *,
    points: npt.ArrayLike = (0.0, 0.0, 0.0, 0.0),
    n_networks: int | None = None,
    samples: npt.ArrayLike | None = None,
    rng: np.random.Generator | int | None = None,
) -> ClusterTest:
    r"""Test whether a connected correlator vanishes when its inputs fall into two distant halves.

    Parameters
    ----------
    architecture : Architecture
    separations : array_like of shape (m,)
        Distances Y >= 0 in ascending order, in the unit of the input.
    points : array_like of shape (r, d) or (r,)
        The inputs at separation zero, r = 4 or 6; every second one is moved along the first axis:
        (0, Y, 0, Y) by default.
    n_networks : int, optional
        Networks to draw and measure; none by default.
    samples : array_like of shape (n_networks, r m), optional
        Outputs of an ensemble of your own: at the points of each separation.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    ClusterTest

    Raises
    ------
    ArgumentError
        If shapes do not fit or separations are not in order.
    AnalysisError
        If there are too few networks for the order, or the output at one of the first two points is
        constant.

    Notes
    -----
    In a local theory connected correlators vanish when groups of points are far apart. Here every
    neuron is felt at all inputs: with pairs at 0 and Y,

    .. math:: N G_c^{(4)} = \sigma^4 [3 \langle f_0^2 f_Y^2 \rangle - \langle f_0^2 \rangle \langle
              f_Y^2 \rangle - 2 \langle f_0 f_Y \rangle^2] ,

    which is twice the product of the variances where f(0) and f(Y) become independent, since they
    share the output weight. The Cos-net has :math:`\sigma^4 / 2N`, more than the
    :math:`3 \sigma^4 / 8N` of coincident points. It vanishes with 1/N, as all interactions do: no
    wide layer of independent neurons is a local interacting theory.

    Examples
    --------
    >>> from nnrg.theory.correlators import CosNet, cluster_test
    >>> print(cluster_test(CosNet(width=10), [0.0, 2.0, 8.0]))
    G_c^(4) of Cos-net (sigma_w = 1, output 1), N = 10: does not obey cluster decomposition
      separation  two-point  G_c
      0           1          0.0375
      2           0.14       0.0490967979
      8           1.3e-14    0.05
    """
    base = as_inputs(points, name="points")
    by = as_inputs(separations, name="separations")[:, 0]
    if len(base) < 4 or len(base) % 2:
        raise ArgumentError(f"points must be four or six inputs, got {len(base)}; try four zeros")
    if np.any(by < 0) or np.any(np.diff(by) <= 0):
        raise ArgumentError(
            f"separations must ascend from zero or more, got {by.tolist()[:6]}; sort them"
        )
    order = len(base)
    sets = np.repeat(base[None], len(by), axis=0)
    sets[:, 1::2, 0] += by[:, None]
    found = as_architecture(architecture).cumulant(sets, order)
    every = sets.reshape(-1, base.shape[1])
    index = np.arange(len(every)).reshape(-1, order)
    outputs = ensemble_outputs(architecture, every, n_networks, samples, rng)
    rows = [row[None] for row in index]
    measured, spread, flag = measured_moves(outputs, every, rows, lambda row: row)
    return ClusterTest(
        architecture=architecture.name,
        order=order,
        width=architecture.width,
        separations=by,
        values=found.values,
        errors=found.errors,
        two_point=_correlation(architecture, sets),
        measured=measured,
        measured_errors=spread,
        n_networks=0 if outputs is None else len(outputs),
        assumptions=architecture.assumptions,
        measured_flag=flag,
    )


def _correlation(architecture: Architecture, sets: Floats) -> Floats:
    """Return the correlation of the outputs at the first two points, without the output bias."""
    out = []
    for one in sets:
        kernel = np.asarray(architecture.kernel(one[:2])) - architecture.output_sigma_b**2
        scale = np.sqrt(kernel[0, 0] * kernel[1, 1])
        if not scale > 0:
            raise AnalysisError(
                "the output is constant at one of the first two points, where no correlation can "
                "fall off; a ReLU-net without biases vanishes at the origin: give other points"
            )
        out.append(kernel[0, 1] / scale)
    return np.array(out)
