"""The inverse of a two-point function, with what was done to it for the inverse to exist."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.stats._arrays import real_array

__all__ = ["RegularisedInverse", "regularised_inverse"]

Array = npt.NDArray[np.float64]

# Beyond, the smallest eigenvalue of a kernel in double precision is rounding.
_SINGULAR = 1e12
# Beyond, what is weakest in the kernel makes the couplings in position space.
ILL_CONDITIONED = 1e4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegularisedInverse:
    """G^{-1} of a two-point function on a few points, through coordinates c = B phi.

    In these coordinates the two-point function (with the nugget, if there is one) is the identity.

    Attributes
    ----------
    kernel : array of shape (n_points, n_points)
        G, in the unit of the field squared.
    spectrum : array of shape (n_points,)
        Its eigenvalues, largest first.
    nugget : float
        What was added to the diagonal of G, in the unit of the field squared: the variance of
        independent Gaussian noise at each point.
    coordinates : array of shape (n_modes, n_points)
        B, in the inverse unit of the field; its rows belong to the largest eigenvalues.
    """

    kernel: Array
    spectrum: Array
    nugget: float
    coordinates: Array

    def __post_init__(self) -> None:
        for array in (self.kernel, self.spectrum, self.coordinates):
            array.flags.writeable = False

    @property
    def n_modes(self) -> int:
        """Number of eigenvectors that are kept."""
        return int(self.coordinates.shape[0])

    @property
    def n_points(self) -> int:
        """Number of points of the field."""
        return int(self.coordinates.shape[1])

    @property
    def matrix(self) -> Array:
        """(G + nugget)^{-1} on the kept eigenvectors, zero on the others; shape (n, n)."""
        return np.asarray(self.coordinates.T @ self.coordinates)

    @property
    def condition(self) -> float:
        """Ratio of the largest to the smallest eigenvalue of what was inverted."""
        kept = self.spectrum[: self.n_modes] + self.nugget
        return float(kept[0] / kept[-1])

    @property
    def bare_condition(self) -> float:
        """Ratio of the largest to the smallest eigenvalue of G itself; infinity if singular."""
        low = float(self.spectrum[-1])
        return float(self.spectrum[0] / low) if low > 0 else float("inf")

    @property
    def kept(self) -> float:
        """Share of the trace of G that lies in the kept eigenvectors."""
        return float(self.spectrum[: self.n_modes].sum() / self.spectrum.sum())

    @property
    def regularised(self) -> bool:
        """Whether anything was added or left out."""
        return self.nugget > 0 or self.n_modes < self.n_points

    @property
    def flag(self) -> str:
        """Why the inverse should not be trusted; empty if there is no reason."""
        if self.condition > ILL_CONDITIONED:
            return (
                f"ill-conditioned two-point function: condition {self.condition:.1e}, couplings "
                "between points depend on the regulator"
            )
        return ""

    def __str__(self) -> str:
        text = f"{self.n_modes} of {self.n_points} modes, condition {self.condition:.3g}"
        if self.regularised:
            text += f" (of G itself {self.bare_condition:.3g})"
        if self.nugget:
            text += f", nugget {self.nugget:.3g}"
        if self.n_modes < self.n_points:
            text += f", {100 * self.kept:.4g} % of the variance"
        return text


def regularised_inverse(
    kernel: npt.ArrayLike,
    *,
    nugget: float = 0.0,
    modes: int | None = None,
    threshold: float | None = None,
) -> RegularisedInverse:
    """Invert a two-point function on a few points.

    Parameters
    ----------
    kernel : array_like of shape (n_points, n_points)
        G, symmetric and positive, in the unit of the field squared.
    nugget : float
        Added to its diagonal, in the same unit: then the action is that of the field plus
        independent Gaussian noise of this variance at each point. None is added silently.
    modes : int, optional
        Keep so many eigenvectors, those of the largest eigenvalues: a band-limited grid. Then
        the action is that of these modes, all others integrated out.
    threshold : float, optional
        Keep the eigenvectors whose eigenvalue is at least this share of the largest one.

    Returns
    -------
    RegularisedInverse

    Raises
    ------
    ArgumentError
        If the kernel is no symmetric matrix, or an option is out of range.
    NonFiniteError
        If it holds NaN or infinity.
    AnalysisError
        If it is singular to twelve digits, or not positive.

    Notes
    -----
    Kernels of smooth networks have eigenvalues that fall exponentially: the condition number of
    exp(-(x - y)^2) on points from -2 to 2 is 1e4 for ten and 4e14 for twenty. What the smallest
    eigenvalues are decides what G^{-1} looks like, so both ways out are the caller's.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.edgeworth.inverse import regularised_inverse
    >>> x = np.linspace(-2, 2, 8)
    >>> smooth = np.exp(-0.5 * (x[:, None] - x) ** 2)
    >>> print(regularised_inverse(smooth, threshold=1e-3))
    6 of 8 modes, condition 152 (of G itself 1.32e+04), 99.95 % of the variance
    """
    g = real_array("a two-point function", kernel)
    if g.ndim == 0:
        g = g.reshape(1, 1)
    if g.ndim != 2 or g.shape[0] != g.shape[1] or not g.size:
        raise ArgumentError(f"a two-point function must be a square matrix, got shape {g.shape}")
    if not np.isfinite(g).all():
        raise NonFiniteError("the two-point function holds NaN or infinity; mend the correlator")
    if not np.allclose(g, g.T, rtol=1e-8, atol=1e-10 * np.abs(g).max()):
        raise ArgumentError("a two-point function must be symmetric; give (G + G^T) / 2")
    nugget = as_real("nugget", nugget, hint="a variance, or 0 for none")
    if nugget < 0:
        raise ArgumentError(f"nugget must not be negative, got {nugget}; it is a variance")
    if modes is not None and threshold is not None:
        raise ArgumentError("give modes or threshold, not both: each says which modes are kept")
    n = g.shape[0]
    values, vectors = np.linalg.eigh((g + g.T) / 2)
    values, vectors = values[::-1], vectors[:, ::-1]
    if not values[0] > 0 or values[-1] < -1e-10 * values[0]:
        raise AnalysisError(
            f"a two-point function must be positive, got eigenvalues {values[-1]:.3g} to "
            f"{values[0]:.3g}; check that it is that of a real field"
        )
    m = n
    if modes is not None:
        m = as_count("modes", modes, 1, n, hint="as many as there are points keeps all")
    elif threshold is not None:
        threshold = as_real("threshold", threshold)
        if not 0 < threshold <= 1:
            raise ArgumentError(f"threshold must be within (0, 1], got {threshold}; try 1e-3")
        m = int(np.count_nonzero(values >= threshold * values[0]))
    kept = values[:m] + nugget
    if not kept[-1] * _SINGULAR > kept[0]:
        raise AnalysisError(
            f"the two-point function on {n} points is singular (condition beyond {_SINGULAR:.0e}): "
            "it has no inverse; keep fewer modes=, set threshold=1e-3, take fewer or other "
            "points, or add a nugget="
        )
    # A sign of each eigenvector, so that results do not depend on the library.
    signs = np.sign(vectors[np.argmax(np.abs(vectors), axis=0), np.arange(n)])
    coordinates = (vectors * signs)[:, :m].T / np.sqrt(kept)[:, None]
    return RegularisedInverse(
        kernel=g,
        spectrum=np.array(values),
        nugget=nugget,
        coordinates=np.ascontiguousarray(coordinates),
    )
