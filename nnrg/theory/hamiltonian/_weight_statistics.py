"""What a square matrix of weights is made of: symmetric and antisymmetric parts and their forms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.theory.hamiltonian.clifford import clifford_check

__all__ = ["NAMES", "Forms", "block_means", "line_forms", "weight_statistics"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ROUNDING = 1e-13

NAMES = (
    "symmetric",
    "reciprocity",
    "diagonal",
    "klein_gordon",
    "klein_gordon_distance",
    "kinetic",
    "on_site",
    "stiffness",
    "dirac",
    "dirac_distance",
    "clifford",
    "henrici",
    "commutator",
    "variance",
)
"""What is measured of a matrix; see `read_weights`."""


@dataclass(frozen=True, slots=True)
class Forms:
    """What the parts of a matrix are compared with, on the sites of one scale.

    Attributes
    ----------
    laplacian : array of shape (n_sites, n_sites)
        Minus the second difference, or the Laplacian of a graph.
    difference : array of shape (n_sites, n_sites) or None
        The central difference; a graph has none.
    components : int
        Neurons of one site, next to one another.
    """

    laplacian: Floats
    difference: Floats | None
    components: int = 1

    def without(self, sites: Ints) -> Forms:
        """Return the forms on the remaining sites."""
        kept = np.setdiff1d(np.arange(len(self.laplacian)), sites)
        at = np.ix_(kept, kept)
        difference = None if self.difference is None else self.difference[at]
        return Forms(self.laplacian[at], difference, self.components)


def line_forms(n_sites: int, components: int) -> Forms:
    """Return the forms of an open line, the order of neurons in the file."""
    up = np.eye(n_sites, k=1)
    neighbours = up + up.T
    return Forms(np.diag(neighbours.sum(axis=1)) - neighbours, 0.5 * (up - up.T), components)


def block_means(matrix: Floats, labels: Ints) -> Floats:
    """Return means over blocks of rows and columns, the same for both; labels of -1 are in none."""
    kept = np.flatnonzero(labels >= 0)
    sizes = np.bincount(labels[kept])
    mean = np.zeros((sizes.size, labels.size))
    mean[labels[kept], kept] = 1 / sizes[labels[kept]]
    return np.asarray(mean @ matrix @ mean.T)


def weight_statistics(
    matrix: Floats, forms: Forms, reference: float, *, spectrum: bool = True
) -> Floats:
    """Return `NAMES` of one matrix.

    Parameters
    ----------
    matrix : array of shape (n, n)
        With n = n_sites * components.
    forms : Forms
    reference : float
        Mean square of entries that "variance" is in units of.
    spectrum : bool
        Whether eigenvalues are computed; without them "henrici" is NaN.

    Raises
    ------
    ArgumentError
        If all entries are zero.
    """
    power = float(np.vdot(matrix, matrix))
    if power == 0:
        raise ArgumentError("all weights are zero: there is nothing to read")
    transposed = float(np.einsum("ij,ji->", matrix, matrix))
    diagonal = np.diagonal(matrix)
    own = float(diagonal @ diagonal)
    size = len(matrix)
    # Of its own mean: a diagonal of one sign leaves another one off it.
    pull = float(matrix.sum() - diagonal.sum()) ** 2 / (size * (size - 1))
    off = power - own - pull
    even, odd = 0.5 * (matrix + matrix.T), 0.5 * (matrix - matrix.T)
    share, kinetic, on_site, stiffness = _klein_gordon(even, forms)
    dirac, clifford = _dirac(odd, forms)
    # |W W^T - W^T W|^2 without the difference, which would cancel.
    right, left = matrix @ matrix.T, matrix.T @ matrix
    commutator = float(np.linalg.norm(right - left)) / power
    return np.array(
        [
            0.5 * (1 + transposed / power),
            (transposed - own - pull) / off if off > _ROUNDING * power else np.nan,
            own / power,
            share,
            _distance(share),
            kinetic,
            on_site,
            stiffness,
            dirac,
            _distance(dirac),
            clifford,
            _henrici(matrix, power) if spectrum else np.nan,
            commutator,
            power / size**2 / reference,
        ]
    )


def _distance(share: float) -> float:
    """Return what is left beside a form, over the whole, as a length."""
    return float(np.sqrt(max(1 - share, 0.0)))


def _henrici(matrix: Floats, power: float) -> float:
    eigenvalues = np.linalg.eigvals(matrix)
    rest = power - float(np.sum(np.abs(eigenvalues) ** 2))
    return float(np.sqrt(max(rest, 0.0) / power))


def _klein_gordon(even: Floats, forms: Forms) -> tuple[float, float, float, float]:
    """Return the share of the symmetric part that is c_0 + c_1 K, that of c_1, and the two."""
    c = forms.components
    sites = len(forms.laplacian)
    # Sum over the components of a site: the form is one matrix for each of them.
    summed = np.einsum("xcyc->xy", even.reshape(sites, c, sites, c))
    gram = c * np.array(
        [
            [sites, np.trace(forms.laplacian)],
            [np.trace(forms.laplacian), np.vdot(forms.laplacian, forms.laplacian)],
        ]
    )
    overlap = np.array([np.trace(summed), np.vdot(summed, forms.laplacian)])
    found = np.linalg.lstsq(gram, overlap, rcond=None)[0]
    power = float(np.vdot(even, even))
    if power == 0:
        return np.nan, np.nan, float(found[0]), float(found[1])
    share = float(overlap @ found) / power
    return share, share - overlap[0] ** 2 / (gram[0, 0] * power), float(found[0]), float(found[1])


def _dirac(odd: Floats, forms: Forms) -> tuple[float, float]:
    """Return the share that is P x D + Q x (1, K), and how far P and Q are from Clifford's."""
    if forms.difference is None:
        return np.nan, np.nan
    c, sites = forms.components, len(forms.laplacian)
    parts = odd.reshape(sites, c, sites, c)
    slope = np.einsum("xayb,xy->ab", parts, forms.difference)
    size = float(np.vdot(forms.difference, forms.difference))
    kinetic = slope / size
    mass = np.stack(
        [np.einsum("xaxb->ab", parts), np.einsum("xayb,xy->ab", parts, forms.laplacian)]
    )
    gram = np.array(
        [
            [sites, np.trace(forms.laplacian)],
            [np.trace(forms.laplacian), np.vdot(forms.laplacian, forms.laplacian)],
        ]
    )
    found = np.linalg.lstsq(gram, mass.reshape(2, -1), rcond=None)[0]
    power = float(np.vdot(odd, odd))
    if power == 0:
        return np.nan, np.nan
    share = (float(np.vdot(slope, kinetic)) + float(np.vdot(mass.reshape(2, -1), found))) / power
    if c == 1 or not kinetic.any():
        return share, np.nan
    return share, clifford_check(kinetic[None], found[0].reshape(c, c)).residual
