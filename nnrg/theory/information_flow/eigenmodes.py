"""Eigenmodes of a kernel on the measure of the data: from a matrix, a function, or features."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.simulate._inputs import as_inputs
from nnrg.stats._arrays import real_array
from nnrg.stats.partition import sample_groups
from nnrg.stats.replicates import Replicates
from nnrg.theory.correlators.architecture import Architecture
from nnrg.theory.information_flow.modes import KernelModes

__all__ = ["feature_modes", "gaussian_modes", "kernel_modes"]

Floats = npt.NDArray[np.float64]
Kernel: TypeAlias = Callable[[Floats, Floats], npt.ArrayLike]

_RESOLVED = 1e-12
_MOST_POINTS = 4000


def gaussian_modes(eigenvalues: npt.ArrayLike) -> KernelModes:
    """Return modes that are independent Gaussian features with a given spectrum.

    Parameters
    ----------
    eigenvalues : array_like of shape (M,)
        Positive; in any order.

    Raises
    ------
    ArgumentError
        If they are not positive finite numbers.

    Examples
    --------
    >>> gaussian_modes([0.25, 1.0]).values.tolist()
    [1.0, 0.25]
    """
    values = real_array("eigenvalues", eigenvalues)
    if values.ndim != 1 or not values.size or not (np.isfinite(values) & (values > 0)).all():
        raise ArgumentError(
            f"eigenvalues must be a row of positive numbers, got {shown(eigenvalues)}; leave zero "
            "modes out"
        )
    values = np.sort(values)[::-1].copy()
    # Two replicates that agree: errors of zero, without a matrix of M x M.
    one = Replicates.from_jackknife(values, np.tile(values, (2, 1)))
    return KernelModes(
        eigenvalues=one,
        functions=None,
        n_points=0,
        source="Gaussian features",
        assumptions=("features independent, Gaussian", "the spectrum is given"),
    )


def kernel_modes(
    kernel: Kernel | Architecture | npt.ArrayLike,
    inputs: npt.ArrayLike | None = None,
    *,
    sampled: bool = True,
    groups: int = 16,
) -> KernelModes:
    r"""Find the eigenmodes of a kernel on inputs that stand for the measure of the data.

    Parameters
    ----------
    kernel : callable, network of `correlators`, or array_like of shape (n_points, n_points)
        ``kernel(x, y)`` between inputs (k, d) and (m, d), as `NetworkKernel`; or its matrix.
    inputs : array_like of shape (n_points, d) or (n_points,)
        Needed by a callable or a network.
    sampled : bool
        Whether inputs are independent draws from the measure; if not they are all there is, and
        eigenvalues have no error.
    groups : int
        Of inputs left out for the errors.

    Returns
    -------
    KernelModes

    Raises
    ------
    ArgumentError
        If the matrix is not symmetric or inputs are missing.
    NonFiniteError
        If it holds NaN or infinity.
    AnalysisError
        If the kernel is not positive.

    Notes
    -----
    :math:`\int p(y) K(x, y) \phi_k(y) = \lambda_k \phi_k(x)`, p the measure of the inputs: the
    order of the modes is that of :math:`\lambda_k`, not of a frequency of the input. Eigenvalues of
    n inputs are those of the measure up to O(n^(-1/2)), the smallest of them up to a bias.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(64) * 2 * np.pi / 64
    >>> circle = lambda a, b: np.exp(np.cos(a - b.T))
    >>> modes = kernel_modes(circle, x, sampled=False)
    >>> modes.values[:3].round(4).tolist()  # Bessel functions I_0(1), I_1(1), twice
    [1.2661, 0.5652, 0.5652]
    """
    matrix = _matrix(kernel, inputs)
    n = len(matrix)
    values, vectors = np.linalg.eigh(matrix / n)
    values, vectors = values[::-1], vectors[:, ::-1]
    if not values[0] > 0 or values[-1] < -1e-8 * values[0]:
        raise AnalysisError(
            f"a kernel must be positive, got eigenvalues {values[-1]:.3g} to {values[0]:.3g}"
        )
    kept = int(np.count_nonzero(values > _RESOLVED * values[0]))
    rows = None
    if sampled:
        label = sample_groups(n, as_count("groups", groups, 2, n))
        rows = np.zeros((int(label.max()) + 1, kept))
        for g, row in enumerate(rows):
            rest = np.flatnonzero(label != g)
            found = np.linalg.eigvalsh(matrix[np.ix_(rest, rest)] / rest.size)[::-1][:kept]
            row[: found.size] = np.maximum(found, 0)
    return _modes(values[:kept], vectors[:, :kept] * n**0.5, rows, "a kernel", kept < n)


def feature_modes(
    features: npt.ArrayLike, *, sampled: bool = True, groups: int = 16
) -> KernelModes:
    """Find the eigenmodes of the kernel K = F F^T of features of the data.

    Parameters
    ----------
    features : array_like of shape (n_points, n_features)
    sampled, groups
        As for `kernel_modes`.

    Returns
    -------
    KernelModes

    Raises
    ------
    ArgumentError
        If the shape does not fit.
    NonFiniteError
        If a feature is NaN or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> modes = feature_modes(np.random.default_rng(1).normal(size=(400, 2)) * [2, 1])
    >>> print(*modes.eigenvalues.estimates())
    3.81(22) 0.99(8)
    """
    f = real_array("features", features)
    if f.ndim != 2 or len(f) < 2 or not f.shape[1]:
        raise ArgumentError(f"features must have shape (n_points, n_features), got {f.shape}")
    if not np.isfinite(f).all():
        raise NonFiniteError("features hold NaN or infinity; leave those points out")
    n = len(f)
    values, vectors = np.linalg.eigh(f.T @ f / n)
    values, vectors = values[::-1], vectors[:, ::-1]
    if not values[0] > 0:
        raise AnalysisError("all features are zero: there are no modes")
    kept = int(np.count_nonzero(values > _RESOLVED * values[0]))
    rows = None
    if sampled:
        label = sample_groups(n, as_count("groups", groups, 2, n))
        rows = np.zeros((int(label.max()) + 1, kept))
        whole = f.T @ f
        for g, row in enumerate(rows):
            part = f[label == g]
            covariance = (whole - part.T @ part) / (n - len(part))
            row[:] = np.maximum(np.linalg.eigvalsh(covariance)[::-1][:kept], 0)
    functions = f @ (vectors[:, :kept] / np.sqrt(values[:kept]))
    return _modes(values[:kept], functions, rows, "features", kept < min(f.shape))


def _modes(
    values: Floats, functions: Floats, rows: Floats | None, source: str, cut: bool
) -> KernelModes:
    values = np.array(values)
    found = Replicates.from_jackknife(values, np.tile(values, (2, 1)) if rows is None else rows)
    measure = "all there is" if rows is None else "independent draws from the measure of the data"
    return KernelModes(
        eigenvalues=found,
        functions=np.ascontiguousarray(functions),
        n_points=len(functions),
        source=source,
        assumptions=(f"the inputs are {measure}",),
        flag="eigenvalues below 1e-12 of the largest are rounding and left out" if cut else "",
    )


def _matrix(kernel: object, inputs: npt.ArrayLike | None) -> Floats:
    if isinstance(kernel, Architecture) or callable(kernel):
        if inputs is None:
            raise ArgumentError("a kernel that is a function needs the inputs: give inputs=")
        x = as_inputs(inputs)
        if len(x) > _MOST_POINTS:
            raise ArgumentError(f"at most {_MOST_POINTS} inputs, got {len(x)}; draw fewer")
        made = kernel.kernel(x).values if isinstance(kernel, Architecture) else kernel(x, x)
    else:
        made = kernel
    matrix = real_array("a kernel", made)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        raise ArgumentError(f"a kernel must be a square matrix, got shape {matrix.shape}")
    if len(matrix) > _MOST_POINTS:
        raise ArgumentError(f"at most {_MOST_POINTS} inputs, got {len(matrix)}; draw fewer")
    if inputs is not None and len(as_inputs(inputs)) != len(matrix):
        raise ArgumentError("the kernel must have one row for each input")
    if not np.isfinite(matrix).all():
        raise NonFiniteError("the kernel holds NaN or infinity; check the inputs")
    if not np.allclose(matrix, matrix.T, rtol=1e-8, atol=1e-10 * np.abs(matrix).max()):
        raise ArgumentError("a kernel must be symmetric; give (K + K^T) / 2")
    return (matrix + matrix.T) / 2
