"""Energy of layers and currents between them: the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.stats.estimate import shown_number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DepthContinuity"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DepthContinuity:
    r"""Energy of each layer, the currents between layers, and whether they balance.

    Attributes
    ----------
    energy : array of shape (L,)
        :math:`\epsilon_l = |\dot w_l|^2 / 2`, a cost; of a block the sum over its layers.
    energy_rate, dissipation : array of shape (L,)
        :math:`d\epsilon_l / dt`, and :math:`\gamma |\dot w_l|^2`, which is lost to friction.
    current, current_error : array of shape (L + 1,)
        :math:`J_0 .. J_L`, mean over samples and error over them: from the data into the first
        layer up to what leaves the last one into the cost.
    boundary : float
        The cost <l(z_L, y)>, minus the boundary Lagrangian.
    n_samples : int
    note : str
        Which instant and which law of motion.
    """

    energy: Array
    energy_rate: Array
    dissipation: Array
    current: Array
    current_error: Array
    boundary: float
    n_samples: int
    note: str

    def __post_init__(self) -> None:
        for name in ("energy", "energy_rate", "dissipation", "current", "current_error"):
            getattr(self, name).flags.writeable = False

    @property
    def bulk(self) -> float:
        """The bulk Lagrangian: kinetic energy, for the constraints vanish on the forward pass."""
        return float(self.energy.sum())

    @property
    def residual(self) -> Array:
        r""":math:`d\epsilon_l / dt + J_l - J_{l-1} + \gamma |\dot w_l|^2`, shape (L,)."""
        return np.asarray(self.energy_rate + np.diff(self.current) + self.dissipation)

    @property
    def relative_residual(self) -> float:
        """Largest residual over the largest term of the continuity equation."""
        parts = (self.energy_rate, self.current, self.dissipation)
        scale = max(float(np.abs(part).max()) for part in parts)
        return float(np.abs(self.residual).max()) / scale if scale > 0 else 0.0

    def coarse_grained(self, layers: int = 2) -> DepthContinuity:
        """Return the same of blocks of contiguous layers; a last block may hold fewer.

        Energies and losses add up, currents inside a block cancel: continuity holds at any scale.

        Raises
        ------
        ArgumentError
            If the count is not from 1 to the number of layers.
        """
        size = as_count("layers", layers, 1, len(self.energy))
        starts = np.arange(0, len(self.energy), size)
        edges = np.append(starts, len(self.energy))
        return DepthContinuity(
            energy=np.add.reduceat(self.energy, starts),
            energy_rate=np.add.reduceat(self.energy_rate, starts),
            dissipation=np.add.reduceat(self.dissipation, starts),
            current=self.current[edges],
            current_error=self.current_error[edges],
            boundary=self.boundary,
            n_samples=self.n_samples,
            note=f"{self.note}; blocks of {size} layers",
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each layer or block; `current` is that which leaves it."""
        import pandas as pd

        return pd.DataFrame(
            {
                "layer": np.arange(1, len(self.energy) + 1),
                "energy": self.energy,
                "energy_rate": self.energy_rate,
                "current": self.current[1:],
                "current_error": self.current_error[1:],
                "dissipation": self.dissipation,
                "residual": self.residual,
            }
        )

    def __str__(self) -> str:
        lines = [
            f"energy along depth, {self.n_samples} samples, {self.note}",
            f"  boundary {self.boundary:.6g}  bulk {self.bulk:.6g}  relative residual "
            f"{self.relative_residual:.1e}",
            f"  J_0 {shown_number(self.current[0], self.current_error[0])}",
        ]
        lines += [
            f"  {i + 1:>3} energy {self.energy[i]:.5g}  rate {self.energy_rate[i]:.5g}  current "
            f"{shown_number(self.current[i + 1], self.current_error[i + 1])}  lost "
            f"{self.dissipation[i]:.5g}"
            for i in range(min(len(self.energy), 16))
        ]
        if len(self.energy) > 16:
            lines.append(f"  and {len(self.energy) - 16} more; see to_dataframe")
        return "\n".join(lines)
