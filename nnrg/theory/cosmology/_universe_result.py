"""What comes out of comparing recorded training with an expanding universe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.stats._arrays import real_array
from nnrg.stats.estimate import Estimate
from nnrg.theory.cosmology._verdicts import verdict_of_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SIDES", "UniverseComparison"]

Array = npt.NDArray[np.float64]

SIDES = ("discrete", "static", "redshifted")
_ROUNDING = 1e-9
# Solutions of one equation agree so well.
_SOLVED = 1e-6


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class UniverseComparison:
    """Background and perturbations of training beside those of an expanding universe.

    Attributes
    ----------
    match, time_unit : str
    learning_rate, hubble : float
        eta, and H of the match.
    names : tuple of str
        ``"mean"`` for the background, unless training does not move it, then numbers of modes of
        the tangent kernel.
    eigenvalues : array of shape (R,)
        theta of each row, mean over seeds.
    frequencies2 : array of shape (R,)
        (k^2 + m^2) / H^2 of each row at the start, mean over seeds.
    steps : int64 array of shape (T,)
    hubble_times : array of shape (T,)
        H t.
    measured, errors : array of shape (R, T)
        Each row over what it was at the start, and one standard deviation over seeds.
    discrete, static, redshifted : array of shape (R, T)
        Discrete training with the kernel of the start; the Friedmann solution with momenta that
        stay, and with momenta k / a. The latter two are the same for the background.
    gaps : mapping of str to tuple of Estimate
        For each of these and each row, the largest distance from what is measured, seed by seed,
        with its error.
    lighter : Estimate
        Share of the modes whose theta is below that of the mean, those that training does not move
        among them: perturbations lighter than their background, which have no real momentum. NaN
        without a background.
    tolerance : float
        A gap below it is agreement.
    n_samples : int
        Seeds.
    assumptions, flags : tuple of str
    provenance : mapping
        Of the record.
    """

    match: str
    time_unit: str
    learning_rate: float
    hubble: float
    names: tuple[str, ...]
    eigenvalues: Array
    frequencies2: Array
    steps: npt.NDArray[np.int64]
    hubble_times: Array
    measured: Array
    errors: Array
    discrete: Array
    static: Array
    redshifted: Array
    gaps: Mapping[str, tuple[Estimate, ...]]
    lighter: Estimate
    tolerance: float
    n_samples: int
    assumptions: tuple[str, ...]
    flags: tuple[str, ...]
    provenance: Mapping[str, Any]

    def __post_init__(self) -> None:
        for name in ("eigenvalues", "frequencies2", "hubble_times", "measured", "errors", *SIDES):
            getattr(self, name).flags.writeable = False

    @property
    def moves(self) -> npt.NDArray[np.bool_]:
        """Whether each row has a momentum that could redshift; the background has none."""
        apart: npt.NDArray[np.bool_] = np.abs(self.static - self.redshifted).max(axis=1) > _SOLVED
        return apart

    def solve(
        self, hubble_times: npt.ArrayLike, frequencies2: npt.ArrayLike, *, redshift: bool
    ) -> Array:
        """Return Friedmann solutions of other modes, which start as the modes of training do.

        Parameters
        ----------
        hubble_times : array of shape (T,)
            H t, rising from 0.
        frequencies2 : array of shape (K,)
            (k^2 + m^2) / H^2 at the start; m is that of the lightest row.
        redshift : bool

        Returns
        -------
        array of shape (K, T)

        Raises
        ------
        ArgumentError
            If a frequency is below the mass, or times do not rise.
        AnalysisError
            If the equations cannot be solved.
        """
        from nnrg.theory.cosmology.friedmann import solve_friedmann

        square = real_array("frequencies2", frequencies2)
        mass2 = float(self.frequencies2.min())
        if square.ndim != 1 or not (square >= mass2 * (1 - 1e-9)).all():
            raise ArgumentError(f"frequencies2 must be numbers of at least m^2/H^2 = {mass2:.6g}")
        if self.match == "momentum":
            speeds = -float(self.hubble_times[1] / self.steps[1]) * square / 2
        elif self.match == "slow_roll":
            speeds = -square / 3
        else:
            speeds = -square / (1.5 + np.sqrt(np.maximum(2.25 - square, 0.0)))
        return solve_friedmann(
            hubble_times,
            cosmological_constant=3.0,
            mass2=mass2,
            momenta=np.sqrt(np.maximum(square - mass2, 0.0)).tolist(),
            mode_velocities=speeds.tolist(),
            redshift=redshift,
        ).modes

    def sigmas(self, side: str) -> Array:
        """Return by how many errors each row's largest gap differs from zero; NaN without an error.

        Parameters
        ----------
        side : {"discrete", "static", "redshifted"}

        Raises
        ------
        ArgumentError
            If there is no such side.
        """
        gaps = self.gaps[_side(side)]
        return np.array([g.value / g.error if g.error > _ROUNDING else math.nan for g in gaps])

    def verdicts(self, side: str) -> tuple[str, ...]:
        """Return for each row whether a side ``"holds"``, ``"fails"``, or ``"cannot be told"``.

        Told from the tolerance by Student's t at 95 %. With and without redshift cannot be told
        apart where they differ by less than twice the tolerance: where a mode has hardly moved.

        Parameters
        ----------
        side : {"discrete", "static", "redshifted"}

        Raises
        ------
        ArgumentError
            If there is no such side.
        """
        found = [verdict_of_mean(gap, self.tolerance) for gap in self.gaps[_side(side)]]
        if side == "redshifted":
            apart = np.abs(self.static - self.redshifted).max(axis=1) > 2 * self.tolerance
            found = [
                "cannot be told" if verdict == "holds" and moves and not far else verdict
                for verdict, moves, far in zip(found, self.moves, apart, strict=True)
            ]
        return tuple(found)

    def summary(self) -> pd.DataFrame:
        """Return one row for each mode and side: its gap with error, sigmas, and the verdict."""
        import pandas as pd

        return pd.DataFrame(
            {
                "mode": name,
                "eigenvalue": theta,
                "side": side,
                "gap": gap.value,
                "gap_error": gap.error,
                "sigmas": sigmas,
                "verdict": verdict if side != "redshifted" or moves else "no momentum",
            }
            for side in SIDES
            for name, theta, gap, sigmas, verdict, moves in zip(
                self.names,
                self.eigenvalues,
                self.gaps[side],
                self.sigmas(side),
                self.verdicts(side),
                self.moves,
                strict=True,
            )
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each mode and recorded step."""
        import pandas as pd

        rows, times = self.measured.shape
        columns = {
            "mode": np.repeat(self.names, times),
            "eigenvalue": np.repeat(self.eigenvalues, times),
            "step": np.tile(self.steps, rows),
            "hubble_time": np.tile(self.hubble_times, rows),
        }
        for name in ("measured", "errors", *SIDES):
            columns[name.replace("errors", "error")] = getattr(self, name).ravel()
        return pd.DataFrame(columns)

    def __str__(self) -> str:
        lines = [
            f"training as a universe, {self.match} match, eta {self.learning_rate:.4g}, H "
            f"{self.hubble:.5g} with time in {self.time_unit}, H t up to "
            f"{self.hubble_times[-1]:.3g}, {self.n_samples} seeds",
            "largest distance from what is measured, in units of the start",
            f"{'mode':>5} {'theta':>9} {'discrete training':>20} {'Friedmann, k stays':>26} "
            f"{'Friedmann, k / a':>26}",
        ]
        for i, name in enumerate(self.names):
            cells = [f"{self.gaps['discrete'][i]!s:>20}"]
            for side in ("static", "redshifted"):
                said = f"{self.gaps[side][i]} {self.verdicts(side)[i]}"
                cells.append(f"{said if side == 'static' or self.moves[i] else '-':>26}")
            lines.append(f"{name:>5} {self.eigenvalues[i]:9.4g} {' '.join(cells)}")
        if self.names[0] == "mean":
            lines.append(f"modes lighter than the mean, of no real momentum: {self.lighter} of all")
        return "\n".join([*lines, *(f"! {flag}" for flag in self.flags)])


def _side(side: object) -> str:
    if side not in SIDES:
        raise ArgumentError(f"side must be one of {', '.join(SIDES)}, got {shown(side)}")
    return str(side)
