"""Momenta of a periodic lattice: which modes are told apart, and the path through the corners."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.theory.hamiltonian._arguments import as_positive, as_shape

__all__ = ["BrillouinPath", "as_modes", "brillouin_path"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Corners in units of pi/a: Gamma, X, M and R, and back.
_CORNERS = {
    1: (("Γ", (0,)), ("X", (1,))),
    2: (("Γ", (0, 0)), ("X", (1, 0)), ("M", (1, 1)), ("Γ", (0, 0))),
    3: (
        ("Γ", (0, 0, 0)),
        ("X", (1, 0, 0)),
        ("M", (1, 1, 0)),
        ("R", (1, 1, 1)),
        ("Γ", (0, 0, 0)),
    ),
}


@dataclass(frozen=True, slots=True)
class BrillouinPath:
    """Modes along straight lines between corners of the Brillouin zone.

    Attributes
    ----------
    modes : int array of shape (n_modes, d)
        Numbers of waves along each axis, as `measure_dispersion` takes them.
    distance : array of shape (n_modes,)
        Length of the path up to each mode, in units of inverse spacing's.
    corners : tuple of (str, float)
        Names of the corners, and where they are on the path.
    shape : tuple of int
    spacing : float
    """

    modes: Ints
    distance: Floats
    corners: tuple[tuple[str, float], ...]
    shape: tuple[int, ...]
    spacing: float

    def __post_init__(self) -> None:
        self.modes.flags.writeable = False
        self.distance.flags.writeable = False

    def between(self, points: int = 400) -> tuple[Floats, Floats]:
        """Return distances, shape (points,), and momenta, shape (d, points), for a curve."""
        at = np.linspace(0, self.distance[-1], as_count("points", points, 2))
        ends = [place for _, place in self.corners]
        turned = np.pi / self.spacing * np.array([c for _, c in _CORNERS[len(self.shape)]])
        return at, np.stack([np.interp(at, ends, axis) for axis in turned.T])


def brillouin_path(shape: object, spacing: float = 1.0) -> BrillouinPath:
    r"""Return the modes of a lattice on the path Gamma, X, M, R, Gamma through its corners.

    Parameters
    ----------
    shape : int or tuple of one to three ints
        Equal even lengths, so that corners and diagonals are modes of the lattice.
    spacing : float
        a.

    Returns
    -------
    BrillouinPath
        From 0 to :math:`\pi/a` in one dimension; in two and three back to 0 along the diagonal.

    Raises
    ------
    ArgumentError
        If lengths are odd or differ.

    Examples
    --------
    >>> path = brillouin_path((8, 8))
    >>> [name for name, _ in path.corners], path.modes[4].tolist()
    (['Γ', 'X', 'M', 'Γ'], [4, 0])
    """
    lengths, a = as_shape(shape), as_positive("spacing", spacing)
    n = lengths[0]
    if n % 2 or any(other != n for other in lengths):
        raise ArgumentError(f"a path needs equal even lengths, got {shown(lengths)}; try (32, 32)")
    half, d = n // 2, len(lengths)
    corners = [np.array(c) for _, c in _CORNERS[d]]
    modes, distance, ends = [corners[0] * half], [0.0], [0.0]
    for begin, end in pairwise(corners):
        step = float(np.linalg.norm(end - begin)) * np.pi / (a * half)
        for i in range(1, half + 1):
            modes.append(begin * half + (end - begin) * i)
            distance.append(ends[-1] + i * step)
        ends.append(distance[-1])
    names = [name for name, _ in _CORNERS[d]]
    return BrillouinPath(
        np.array(modes, dtype=np.int64),
        np.array(distance),
        tuple(zip(names, ends, strict=True)),
        lengths,
        a,
    )


def as_modes(modes: npt.ArrayLike | None, shape: tuple[int, ...]) -> Ints:
    """Return numbers of waves from 0 to n - 1, by default of one of each k and -k."""
    if modes is None:
        index = np.indices(shape).reshape(len(shape), -1).T
        opposite = -index % np.array(shape)
        rank = np.ravel_multi_index(tuple(index.T), shape)
        return np.asarray(index[rank <= np.ravel_multi_index(tuple(opposite.T), shape)])
    chosen = np.asarray(modes)
    if chosen.ndim == 1 and len(shape) == 1:
        chosen = chosen[:, None]
    if chosen.ndim != 2 or chosen.shape[1] != len(shape) or chosen.dtype.kind not in "iu":
        raise ArgumentError(
            f"modes must be integers of shape (n_modes, {len(shape)}), got shape {chosen.shape}"
        )
    if not chosen.size or np.any(np.abs(chosen) >= np.array(shape)):
        raise ArgumentError(f"modes must be numbers of waves below the lengths {shape}")
    return np.asarray(chosen % np.array(shape))
