"""Couplings of a field on inputs, out of its two- and four-point functions: mass and contact."""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial, pi, prod

import numpy as np
import numpy.typing as npt

from nnrg.stats._multisets import multisets

__all__ = ["COLUMNS", "Grid", "couplings"]

Floats = npt.NDArray[np.float64]

COLUMNS = ("mass2", "quartic", "dimensionless", "residual")


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Pairs and quadruples of k inputs, in the order of `JointCumulants.indices`.

    Attributes
    ----------
    dimension : int
        d.
    pairs : int array of shape (k (k + 1) / 2, 2)
    distances2 : array of shape (k (k + 1) / 2,)
        Squares, in the unit of the input squared.
    quads : int array of shape (n, 4)
    spread : array of shape (n,)
        Sum over the four inputs of the squared distance to their centre.
    weights : array of shape (n,)
        In how many orders a quadruple can be written.
    """

    dimension: int
    pairs: npt.NDArray[np.intp]
    distances2: Floats
    quads: npt.NDArray[np.intp]
    spread: Floats
    weights: Floats

    @classmethod
    def of(cls, points: Floats) -> Grid:
        """Return that of points of shape (k, d)."""
        k = len(points)
        pairs, quads = multisets(k, 2), multisets(k, 4)
        at = points[quads]
        centred = at - at.mean(axis=1, keepdims=True)
        counts = [np.unique(row, return_counts=True)[1] for row in quads]
        return cls(
            dimension=points.shape[1],
            pairs=pairs,
            distances2=((points[pairs[:, 0]] - points[pairs[:, 1]]) ** 2).sum(axis=1),
            quads=quads,
            spread=(centred**2).sum(axis=(1, 2)),
            weights=np.array([24 / prod(map(factorial, c.tolist())) for c in counts]),
        )

    @property
    def diagonal(self) -> npt.NDArray[np.bool_]:
        """Which pairs are of one input with itself."""
        return np.asarray(self.pairs[:, 0] == self.pairs[:, 1])


def couplings(grid: Grid, two: Floats, four: Floats, mass2: float) -> Floats:
    r"""Return the numbers of `COLUMNS`.

    Parameters
    ----------
    grid : Grid
    two, four : arrays
        Two-point functions of the pairs and connected four-point functions of the quadruples.
    mass2 : float
        m^2 of :math:`G = A e^{-m^2 r^2 / 4}`.

    Notes
    -----
    :math:`G(p) = A (4\pi/m^2)^{d/2} e^{-p^2/m^2}`, so that :math:`G(p)^{-1} = Z (m^2 + p^2 + ..)`
    with :math:`Z = (m^2/4\pi)^{d/2} / (A m^2)`. A contact vertex :math:`\frac{\lambda}{4!} \int
    \phi^4` makes :math:`G_c^{(4)} = -\lambda A^4 (\pi/m^2)^{d/2} e^{-m^2 s / 4}`, s the sum of
    squared distances to the centre; projected on it over all quadruples, and divided by Z^2.
    """
    d = grid.dimension
    amplitude = float(two[grid.diagonal].mean())
    contact = amplitude**4 * (pi / mass2) ** (d / 2) * np.exp(-mass2 * grid.spread / 4)
    bare = -float(np.sum(grid.weights * four * contact) / np.sum(grid.weights * contact**2))
    rest = np.sum(grid.weights * (four + bare * contact) ** 2) / np.sum(grid.weights * four**2)
    z = (mass2 / (4 * pi)) ** (d / 2) / (amplitude * mass2)
    canonical = bare / z**2
    return np.array([mass2, canonical, canonical / mass2 ** (2 - d / 2), np.sqrt(rest)])
