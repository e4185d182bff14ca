"""Energy of layers and currents between them: the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.stats.estimate import shown_number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DepthContinuity"]

Array = npt.NDArray[np.float64]

_ROWS = 16


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DepthContinuity:
    r"""Energy of each layer, the currents between layers, and whether they balance.

    Attributes
    ----------
    names : tuple of str
        Of the layers, or blocks of layers.
    energy : array of shape (L,)
        :math:`\epsilon_l = |\dot w_l|^2 / 2`, a cost, and that of soft neurons; of a block the sum
        over its layers, of layers that share a field their part of it.
    energy_error : array of shape (L,)
        Over samples, of soft neurons; zero of weights.
    energy_rate, dissipation : array of shape (L,)
        :math:`d\epsilon_l / dt`, and :math:`\gamma |\dot w_l|^2`, which is lost to friction.
    current, current_error : array of shape (L + 1,)
        :math:`J_0 .. J_L`, mean over samples and error over them: from the data into the first
        layer up to what leaves the last one into the cost.
    shared, shared_error : array of shape (L + 1,)
        What layers that share a field hand on because it is one; zero where none do.
    inflow : array of shape (L,)
        Power that inputs in motion bring into a layer beside the neurons before it.
    boundary : float
        The cost <l(z_L, y)>, minus the boundary Lagrangian.
    n_samples : int
    note : str
        Which instant and which law of motion.
    provenance : mapping
        Of the record that it is from, if it is from one.
    """

    names: tuple[str, ...]
    energy: Array
    energy_error: Array
    energy_rate: Array
    dissipation: Array
    current: Array
    current_error: Array
    shared: Array
    shared_error: Array
    inflow: Array
    boundary: float
    n_samples: int
    note: str
    provenance: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @property
    def n_layers(self) -> int:
        """Number of layers L, or of blocks."""
        return len(self.energy)

    @property
    def bulk(self) -> float:
        """Total energy of the bulk: kinetic alone where the forward pass holds exactly."""
        return float(self.energy.sum())

    @property
    def residual(self) -> Array:
        r""":math:`d\epsilon_l / dt + J_l - J_{l-1} + \gamma |\dot w_l|^2` - inflow, shape (L,)."""
        between = np.diff(self.current + self.shared)
        return np.asarray(self.energy_rate + between + self.dissipation - self.inflow)

    @property
    def relative_residual(self) -> float:
        """Largest residual over the largest term of the continuity equation."""
        parts = (self.energy_rate, self.current, self.shared, self.dissipation, self.inflow)
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
        size = as_count("layers", layers, 1, self.n_layers)
        starts = np.arange(0, self.n_layers, size)
        edges = np.append(starts, self.n_layers)
        names = [
            self.names[a] if b - a == 1 else f"{self.names[a]} .. {self.names[b - 1]}"
            for a, b in pairwise(edges)
        ]
        return DepthContinuity(
            names=tuple(names),
            energy=np.add.reduceat(self.energy, starts),
            # At most: those of the layers may be of one sign.
            energy_error=np.add.reduceat(self.energy_error, starts),
            energy_rate=np.add.reduceat(self.energy_rate, starts),
            dissipation=np.add.reduceat(self.dissipation, starts),
            current=self.current[edges],
            current_error=self.current_error[edges],
            shared=self.shared[edges],
            shared_error=self.shared_error[edges],
            inflow=np.add.reduceat(self.inflow, starts),
            boundary=self.boundary,
            n_samples=self.n_samples,
            note=f"{self.note}; blocks of {size} layers",
            provenance=self.provenance,
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each layer or block; `current` and `shared` are what leaves it."""
        import pandas as pd

        return pd.DataFrame(
            {
                "layer": np.arange(1, self.n_layers + 1),
                "name": list(self.names),
                "energy": self.energy,
                "energy_error": self.energy_error,
                "energy_rate": self.energy_rate,
                "current": self.current[1:],
                "current_error": self.current_error[1:],
                "shared": self.shared[1:],
                "shared_error": self.shared_error[1:],
                "inflow": self.inflow,
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
        wide = max(len(name) for name in self.names[:_ROWS])
        for i in range(min(self.n_layers, _ROWS)):
            line = (
                f"  {self.names[i]:<{wide}}  energy "
                f"{shown_number(self.energy[i], self.energy_error[i])}  rate "
                f"{self.energy_rate[i]:.5g}  lost {self.dissipation[i]:.5g}  current "
                f"{shown_number(self.current[i + 1], self.current_error[i + 1])}"
            )
            if self.shared.any():
                line += f"  shared {shown_number(self.shared[i + 1], self.shared_error[i + 1])}"
            lines.append(line)
        if self.n_layers > _ROWS:
            lines.append(f"  and {self.n_layers - _ROWS} more; see to_dataframe")
        return "\n".join(lines)
