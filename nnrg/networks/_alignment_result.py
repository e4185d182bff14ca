"""What an alignment of networks found, and what the same procedure finds in shuffled ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.networks._label import label
from nnrg.networks._matching import Matching
from nnrg.networks.network import Network

__all__ = ["Alignment"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Networks whose hidden units have been put in the order of those of one of them.

    Attributes
    ----------
    networks : tuple of Network
        In memory, units permuted (and signs changed): every one computes what it did.
    reference : int
        The network that was left as it is.
    populations : tuple of str
        What was aligned.
    matchings : tuple of Matching
        Of each network: order and signs of units.
    quality : float64 array of shape (n_networks, n_populations)
        Cosine of aligned weights (biases left out), or mean correlation of aligned activations,
        with the reference's: 1 for the same unit. Dimensionless.
    null_mean, null_spread : float64 arrays like `quality`
        Mean and standard deviation of what the same procedure finds in networks whose numbers
        were shuffled within each tensor: matching alone makes it positive.
    null_draws : int
        How many of those there were.
    left_alone : mapping of str to str
        Populations that were not aligned, and why.
    how : str
        What units were matched by.
    """

    networks: tuple[Network, ...]
    reference: int
    populations: tuple[str, ...]
    matchings: tuple[Matching, ...]
    quality: Array
    null_mean: Array
    null_spread: Array
    null_draws: int
    left_alone: Mapping[str, str]
    how: str

    def z_scores(self) -> Array:
        """Return (quality - null mean) / null spread, of shape (n_networks, n_populations)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            scores: Array = (self.quality - self.null_mean) / self.null_spread
        scores[self.reference] = np.nan
        return scores

    def __str__(self) -> str:
        lines = [
            f"{len(self.networks)} networks aligned with number {self.reference} by {self.how}; "
            f"null: {self.null_draws} shuffled networks"
        ]
        scores = self.z_scores()
        for k, name in enumerate(self.populations):
            for i in range(len(self.networks)):
                if i != self.reference:
                    found = "above chance" if scores[i, k] > 3 else "no more than chance"
                    lines.append(
                        f"  {label(name, 40)}, network {i}: {self.quality[i, k]:.3f}, null "
                        f"{self.null_mean[i, k]:.3f}({self.null_spread[i, k]:.3f}): {found}"
                    )
        lines += [f"  {label(n, 40)}: left alone: {why}" for n, why in self.left_alone.items()]
        return "\n".join(lines)
