"""The flow of the synaptic vertices with scale: the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg.stats.estimate import Estimate, shown_number
from nnrg.stats.fits import FitResult
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic.expansion import KernelExpansion
from nnrg.theory.synaptic.vertices import PerceptronVertices

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HigherVertices", "VertexFlow", "VertexScale"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class HigherVertices:
    r"""Vertices beyond the quadratic one at one scale.

    Attributes
    ----------
    orders : int array of shape (n_orders,)
        n = 3, 4 .. of the numbers below.
    contact_projected, contact : Replicates of n_orders numbers
        V_n(I, .., I), mean over blocks; modes inside blocks set to zero, and following at tree
        level, with exchange: :math:`V_4 - 3 V_3 G V_3` and so on.
    uniform_projected, uniform : Replicates of n_orders numbers
        V_n of a field that is the same on all blocks, per block.
    uniform_loop : Replicates of n_orders - 1 numbers, or None
        First order in the temperature of the uniform V_2, V_3, .., per unit of temperature.
    pairs : KernelExpansion
        Projected V_4(I, I, J, J) by the displacement from I to J: how local the quartic vertex is.
    """

    orders: npt.NDArray[np.intp]
    contact_projected: Replicates
    contact: Replicates
    uniform_projected: Replicates
    uniform: Replicates
    uniform_loop: Replicates | None
    pairs: KernelExpansion

    def __post_init__(self) -> None:
        self.orders.flags.writeable = False

    def plateau(self) -> Estimate:
        """Return V_4(I, I, J, J) / V_4(I, I, I, I), mean over J beyond half the reach.

        Zero for a contact vertex, 1/3 for Gaussian data without correlation, one where every pair
        of blocks is coupled like a block to itself.
        """
        shape = self.pairs.displacements
        reach = np.maximum(np.array(shape.reach), 1)
        far = (np.abs(shape.vectors) > reach / 2).any(axis=1)
        zero = int(np.flatnonzero((shape.vectors == 0).all(axis=1))[0])
        return self.pairs.profile.map(
            lambda row: np.array([row[far].mean() / row[zero]])
        ).estimate()


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
        follow to first order: of V_2 exact, of the others without exchange of eliminated modes,
        which `higher` has.
    source : array of shape (n,)
        J of the block field after elimination.
    loop : Replicates or None
        Correction to k_0 of one loop, per unit of temperature, and whether it was asked for.
    higher : HigherVertices or None
        From vertices of order 4 or more.
    """

    scale: int
    projected: KernelExpansion
    eliminated: KernelExpansion
    projected_vertices: PerceptronVertices
    eliminated_vertices: PerceptronVertices
    source: Array
    loop: Replicates | None
    higher: HigherVertices | None = None

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
    assumptions, flags : tuple of str
    provenance : mapping
    """

    scales: tuple[VertexScale, ...]
    weight_decay: float
    temperature: float
    n_samples: int
    assumptions: tuple[str, ...]
    flags: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each scale and scheme.

        Ranges and rates in units of the blocks; tails of power law and exponential with chi^2, and
        which of them holds; ``V4:contact`` and the like of `HigherVertices`.
        """
        import pandas as pd

        rows = []
        for one in self.scales:
            for scheme, found in (("projected", one.projected), ("eliminated", one.eliminated)):
                row: dict[str, object] = {
                    "scale": one.scale,
                    "scheme": scheme,
                    "n_samples": self.n_samples,
                }
                for name, number in _numbers(one, found).items():
                    row[name], row[f"{name}_error"] = number.value, number.error
                row |= _tail(found)
                rows.append(row)
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        lines = [
            f"flow of the synaptic vertices, {self.n_samples} samples, weight decay "
            f"{self.weight_decay:g}"
        ]
        for one in self.scales:
            for scheme, found in (("projected", one.projected), ("eliminated", one.eliminated)):
                numbers = _numbers(one, found)
                text = "  ".join(
                    f"{shown} {shown_number(numbers[name].value, numbers[name].error)}"
                    for name, shown in (
                        ("k0", "k_0"), ("M2:0", "M_2"), ("range", "range / b"),
                        ("V4:contact", "V_4"), ("V6:contact", "V_6"),
                    )
                    if name in numbers
                )  # fmt: skip
                lines.append(f"  b = {one.scale:<4} {scheme:<10} {text}")
        lines += [f"  assumed: {a}" for a in self.assumptions]
        return "\n".join([*lines, *(f"  flag: {f}" for f in self.flags)])


def _numbers(one: VertexScale, found: KernelExpansion) -> dict[str, Estimate]:
    """Return the numbers of one scheme at one scale, by name."""
    moments, d = found.moments().estimates(), found.dimension
    out = {"k0": moments[0]}
    for a in range(d):
        out |= {f"M2:{a}": moments[1 + a], f"Z:{a}": moments[1 + d + a]}
    reach = found.correlation_length()
    # In units of the blocks: what is left of the nonlocality at this scale.
    out["range"] = Estimate(
        reach.value / found.spacing, reach.error / found.spacing, n_samples=reach.n_samples
    )
    out["far_share"] = found.far_share()
    if one.loop is not None:
        out["loop_k0"] = one.loop.estimate()
    high = one.higher
    if high is None:
        return out
    kinds = {"contact": high.contact, "uniform": high.uniform}
    if found is one.projected:
        kinds = {"contact": high.contact_projected, "uniform": high.uniform_projected}
        out["V4:plateau"] = high.plateau()
    for kind, numbers in kinds.items():
        for n, number in zip(high.orders, numbers.estimates(), strict=True):
            out[f"V{n}:{kind}"] = number
    if high.uniform_loop is not None and found is one.eliminated:
        for n, number in enumerate(high.uniform_loop.estimates(), 2):
            out[f"V{n}:uniform_loop"] = number
    return out


def _tail(found: KernelExpansion) -> dict[str, object]:
    power, exponential, law = found.tail()
    row: dict[str, object] = {"tail": law}
    fits: tuple[tuple[str, FitResult | None, float], ...] = (
        ("exponent", power, 1.0),
        ("rate", exponential, found.spacing),
    )
    for name, fit, unit in fits:
        for column in (name, f"{name}_error", f"{name}_chi2", f"{name}_dof"):
            row[column] = np.nan
        if fit is not None:
            number = fit.estimate(name)
            row |= {
                name: number.value * unit,
                f"{name}_error": number.error * unit,
                f"{name}_chi2": fit.chi2,
                f"{name}_dof": fit.dof,
            }
    return row
