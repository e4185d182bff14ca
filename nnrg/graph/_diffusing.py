"""The part of a ConnectionGraph that is about diffusion: Laplacians, and what their spectra say."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from nnrg.graph._laplacian_parts import laplacian_parts

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from nnrg.graph.connection_graph import ConnectionGraph
    from nnrg.graph.spectral import SpectralCurve, SpectralDimension

__all__ = ["Diffusing"]

Floats = npt.NDArray[np.float64]
Rng: TypeAlias = np.random.Generator | np.random.SeedSequence | int | None


class Diffusing:
    """Methods of `ConnectionGraph` that are about diffusion on it."""

    __slots__ = ()

    def laplacian(self, kind: str = "combinatorial") -> csr_array:
        """Return a Laplacian of the graph, positive semi-definite.

        Parameters
        ----------
        kind : {"combinatorial", "normalised", "signed"}
            D - A; 1 - D^{-1/2} A D^{-1/2} (zero on isolated nodes); D - A with D the sums of
            absolute weights, for graphs with negative weights.

        Raises
        ------
        ArgumentError
            If the kind is none of these, or weights are negative where they must not be.
        """
        from scipy.sparse import csr_array, diags_array

        graph = cast("ConnectionGraph", self)
        weights, diagonal, _ = laplacian_parts(graph.indptr, graph.indices, graph.weights, kind)
        adjacency = csr_array((weights, graph.indices, graph.indptr), shape=(diagonal.size,) * 2)
        return (diags_array(diagonal) - adjacency).tocsr()

    def spectrum(self, k: int | None = None, *, kind: str = "combinatorial") -> Floats:
        """Return the `k` smallest eigenvalues of a Laplacian, ascending; all of them by default.

        Raises
        ------
        AnalysisError
            If all are asked of a graph of more than 10 000 nodes.
        """
        from nnrg.graph.spectral import lowest_eigenvalues

        return lowest_eigenvalues(self.laplacian(kind), k)

    def spectral_entropy(
        self, tau: npt.ArrayLike, *, kind: str = "combinatorial", rng: Rng = None
    ) -> SpectralCurve:
        """Return S(tau) of rho = exp(-tau L)/Z in nats; see `nnrg.graph.spectral`."""
        from nnrg.graph.spectral import spectral_entropy

        return spectral_entropy(self, tau, kind=kind, rng=rng)

    def heat_capacity(
        self, tau: npt.ArrayLike, *, kind: str = "combinatorial", rng: Rng = None
    ) -> SpectralCurve:
        """Return C(tau) = -dS/d ln tau, dimensionless; see `nnrg.graph.spectral`."""
        from nnrg.graph.spectral import heat_capacity

        return heat_capacity(self, tau, kind=kind, rng=rng)

    def spectral_dimension(
        self, *, kind: str = "combinatorial", rng: Rng = None
    ) -> SpectralDimension:
        """Return d_s = 2 C on the plateau of C(tau), with its error; see `nnrg.graph.spectral`."""
        from nnrg.graph.spectral import spectral_dimension

        return spectral_dimension(self, kind=kind, rng=rng)
