"""The flow of the synaptic vertices with scale: the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.stats.estimate import shown_number
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic.expansion import KernelExpansion
from nnrg.theory.synaptic.perceptron import PerceptronVertices

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["VertexFlow", "VertexScale"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class VertexScale:
    r"""The action of the block field at one scale.

    Attributes
    ----------
    scale : int
        b, sites along one axis of a block.
    projected, eliminated : KernelExpansion
        The quadratic kernel with modes inside blocks set to zero, and integrated out.
    projected_vertices, eliminated_vertices : PerceptronVertices
        All V_n of the block field, data summed over blocks, and dressed with what the modes inside
        follow: of V_2 exact, of the others at tree level without exchange of eliminated modes.
    source : array of shape (n,)
        J of the block field after elimination.
    loop : Replicates or None
        Correction to k_0 of one loop, per unit of temperature, and whether it was asked for.
    """

    scale: int
    projected: KernelExpansion
    eliminated: KernelExpansion
    projected_vertices: PerceptronVertices
    eliminated_vertices: PerceptronVertices
    source: Array
    loop: Replicates | None

    def __post_init__(self) -> None:
        self.source.flags.writeable = False


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class VertexFlow:
    r"""Vertices of the synaptic action at scales b = 1, 2, 4 ..

    Attributes
    ----------
    scales : tuple of VertexScale
    weight_decay : float
        Added to V_2 on the diagonal.
    temperature : float
        T of the weights about the minimum; zero for none.
    n_samples : int
    assumptions : tuple of str
    """

    scales: tuple[VertexScale, ...]
    weight_decay: float
    temperature: float
    n_samples: int
    assumptions: tuple[str, ...]
    flags: tuple[str, ...] = ()

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each scale and scheme."""
        import pandas as pd

        rows = []
        for one in self.scales:
            for scheme, found in (("projected", one.projected), ("eliminated", one.eliminated)):
                moments, d = found.moments(), found.dimension
                reach, share = found.correlation_length(), found.far_share()
                row: dict[str, object] = {
                    "scale": one.scale,
                    "scheme": scheme,
                    "n_samples": self.n_samples,
                }
                numbers = {
                    "k0": (moments.values[0], moments.errors()[0]),
                    **{
                        f"{name}:{a}": (moments.values[i], moments.errors()[i])
                        for a in range(d)
                        for name, i in (("M2", 1 + a), ("Z", 1 + d + a))
                    },
                    # In units of the blocks: what is left of the nonlocality at this scale.
                    "range": (reach.value / found.spacing, reach.error / found.spacing),
                    "far_share": (share.value, share.error),
                }
                for name, (value, error) in numbers.items():
                    row[name], row[f"{name}_error"] = value, error
                if one.loop is not None:
                    row["loop_k0"], row["loop_k0_error"] = (
                        one.loop.values[0],
                        one.loop.errors()[0],
                    )
                rows.append(row)
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        lines = [
            f"flow of the synaptic vertices, {self.n_samples} samples, weight decay "
            f"{self.weight_decay:g}"
        ]
        for one in self.scales:
            for scheme, found in (("projected", one.projected), ("eliminated", one.eliminated)):
                mass2, second = found.moments().estimates()[:2]
                reach = found.correlation_length()
                value, error = reach.value / found.spacing, reach.error / found.spacing
                lines.append(
                    f"  b = {one.scale:<4} {scheme:<10} k_0 "
                    f"{shown_number(mass2.value, mass2.error)}  M_2 "
                    f"{shown_number(second.value, second.error)}  range / b "
                    f"{shown_number(value, error)}"
                )
        lines += [f"  assumed: {a}" for a in self.assumptions]
        return "\n".join([*lines, *(f"  flag: {f}" for f in self.flags)])
