"""The law of a weight field that was trained on known data for so many steps: the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.lattice import Lattice
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._displacements import Displacements
from nnrg.theory.synaptic._elimination import block_modes, block_support, inverse_kernel
from nnrg.theory.synaptic._label_noise import FourthCumulant
from nnrg.theory.synaptic.expansion import KernelExpansion, expand_profile

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrainedLaw"]

Array = npt.NDArray[np.float64]

# A mode is relaxed where so little of its first weight is left.
_RELAXED = 0.05


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrainedLaw:
    r"""Gaussian law of trained weights, over starts, noise of labels and order of mini-batches.

    Attributes
    ----------
    mean : array of shape (N,)
        Relative to the expansion point of the vertices.
    covariance : array of shape (N, N)
    parts : mapping of str to float
        Variance of a weight from ``"start"``, ``"labels"``, ``"teachers"``, ``"vertices"`` and
        ``"batches"``, mean over sites.
    curvatures : array of shape (N,)
        Eigenvalues of the data's kernel, falling.
    left : array of shape (N,)
        What is left of the first weight of each of these modes.
    sites : Lattice
    spacing : float
    n_samples : int
        Of the data.
    steps : int or None
        None where training has ended.
    support : array of shape (N, m) or None
        Orthonormal modes that this is the law of, others left out; None for all.
    temperature_free : bool
        Whether the covariance is per unit of a temperature, which is fitted to fields.
    gaussian : bool
        Whether it is known that the weights are Gaussian: `fourth` is zero.
    assumptions, flags : tuple of str
    provenance : mapping
    """

    mean: Array
    covariance: Array
    parts: dict[str, float]
    curvatures: Array
    left: Array
    sites: Lattice
    spacing: float
    n_samples: int
    steps: int | None
    assumptions: tuple[str, ...]
    support: Array | None = None
    temperature_free: bool = False
    gaussian: bool = False
    flags: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    _labels: FourthCumulant | None = None

    def __post_init__(self) -> None:
        for array in (self.mean, self.covariance, self.curvatures, self.left, self.support):
            if array is not None:
                array.flags.writeable = False

    @property
    def relaxed(self) -> float:
        """Share of modes of whose first weight less than 5 % is left."""
        return float((np.abs(self.left) < _RELAXED).mean())

    def kernel(self, scale: int = 1, *, reach: int | None = None) -> KernelExpansion:
        """Return the kernel of the block field's own action at scale b, all else integrated out.

        Parameters
        ----------
        scale : int
            b, which must divide every axis.
        reach : int, optional
            In sites, as of `coarse_grain_vertices`.

        Raises
        ------
        ArgumentError
            If blocks do not divide the lattice.
        AnalysisError
            If a mode of the blocks has no variance: no noise, and a start that is forgotten or was
            never drawn.
        """
        b, modes = self._blocks(scale)
        kept = block_support(modes, self.support)
        try:
            inverse = inverse_kernel(kept.T @ modes @ self.covariance @ modes.T @ kept)
        except AnalysisError:
            raise AnalysisError(
                f"a mode of the trained field in blocks of {b} has no variance to rounding, so "
                "that its kernel is infinite; give sigma_w or label_noise, or train fewer steps"
            ) from None
        start = max(Displacements.of(self.sites, reach).reach)
        sites = self.sites.coarsened([b] * self.sites.dimension)
        shape = Displacements.of(sites, max(1, start // b))
        profile = shape.of_matrix(kept @ inverse @ kept.T)
        known = Replicates.from_jackknife(profile, np.stack([profile, profile]))
        return expand_profile(shape, known, self.spacing * b, False)

    def fourth(self, scale: int = 1) -> float:
        r"""Return :math:`\kappa_4 / \kappa_2^2` of the block field at scale b, mean over blocks.

        Zero where starts and noise are Gaussian and the neuron is linear. Of another neuron, at the
        end of training, the leading order in the noise of the labels, by V_3 and V_4. NaN where it
        is not known: by V_2 alone, part of the way, and with mini-batches.

        Raises
        ------
        ArgumentError
            If blocks do not divide the lattice.
        """
        modes = self._blocks(scale)[1]
        if self.gaussian:
            return 0.0
        return float("nan") if self._labels is None else float(self._labels.excess(modes).mean())

    def _blocks(self, scale: int) -> tuple[int, Array]:
        """Return b and its block modes."""
        b = as_count("scale", scale)
        if any(n % b or n < 2 * b for n in self.sites.shape):
            raise ArgumentError(
                f"blocks of {b} sites must divide {self.sites!r} into two at least; take smaller "
                "ones"
            )
        return b, block_modes(self.sites, b)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each mode of the data: curvature, what is left, mean and variance."""
        import pandas as pd

        return pd.DataFrame(
            {"mode": np.arange(self.curvatures.size), "curvature": self.curvatures,
             "left": self.left}
        )  # fmt: skip

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {value:.4g}" for name, value in self.parts.items() if value)
        ended = "at the end of training" if self.steps is None else f"after {self.steps} steps"
        lines = [
            f"law of {self.curvatures.size} weights {ended} on {self.n_samples} samples",
            f"  curvatures {self.curvatures[0]:.4g} .. {self.curvatures[-1]:.4g}, "
            f"{self.relaxed:.0%} of the modes relaxed",
            f"  variance of a weight: {parts or 'none'}",
        ]
        lines += [f"  assumed: {a}" for a in self.assumptions]
        return "\n".join([*lines, *(f"  flag: {f}" for f in self.flags)])
