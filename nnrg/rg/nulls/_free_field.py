"""N7: the Gaussian free field on the same lattice, fitted to variance and neighbour differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.fields import Lattice, SynapticField

__all__ = ["fit_free_field", "gaussian", "most_likely"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator], SynapticField]

_STEPS = 100


def fit_free_field(field: SynapticField) -> tuple[float, Floats]:
    r"""Return mass r and stiffness Z of each axis of the free field that is most likely.

    Returns
    -------
    r : float
        In the unit of the field to the minus two.
    Z : array of shape (d,)
        In the same unit; zero along an axis of one site.

    Raises
    ------
    AnalysisError
        If the field does not vary, or not along some axis: no free field has these numbers.

    Notes
    -----
    .. math:: S = \sum_x \tfrac r2 (\phi_x - \mu)^2
              + \sum_a \tfrac{Z_a}{2} \sum_x (\phi_{x+a} - \phi_x)^2

    over the bonds that the lattice has, with one common mean. Its modes k are those of the lattice
    Laplacian, Fourier on periodic axes and cosines on open ones. The likelihood is largest where
    :math:`\langle 1/D_k \rangle` is the variance about the common mean and
    :math:`\langle \hat k_a^2 / D_k \rangle` the mean square difference of neighbours along each
    axis, :math:`D_k = r + \sum_a Z_a \hat k_a^2`:
    a convex problem, solved by Newton's method.
    """
    sites = field.lattice
    values = field.values.astype(np.float64)
    values -= values.mean()
    # Modes enter through their eigenvalues along each axis; an axis of one site has none.
    axes = [a for a, length in enumerate(sites.shape) if length > 1]
    moments = np.array([np.mean(values**2), *(_jump(values, sites, a) for a in axes)])
    if not np.all(moments > 1e-24 * np.max(field.values.astype(np.float64) ** 2)):
        raise AnalysisError(
            f"field {field.name!r} does not vary along every axis: it has no free field; "
            "leave out the null model 'gaussian'"
        )
    unit = moments[0]
    moments = moments / unit
    laplace = [_eigenvalues(sites, a) for a in axes]
    # One of the samples' mean modes is spent on the common mean.
    share = np.ones(sites.shape)
    share.flat[0] = (field.n_samples - 1) / field.n_samples
    theta = most_likely(moments, [np.ones([1] * sites.dimension), *laplace], share)
    if theta is None:
        raise AnalysisError(
            f"field {field.name!r} has no free field of its variance and neighbour differences; "
            "leave out the null model 'gaussian'"
        )
    stiffness = np.zeros(sites.dimension)
    stiffness[axes] = theta[1:] / unit
    return float(theta[0] / unit), stiffness


def most_likely(moments: Floats, parts: list[Floats], share: Floats) -> Floats | None:
    """Return theta of the kernel D_k = sum_i theta_i part_i(k) that is most likely.

    Parameters
    ----------
    moments : array of shape (m,)
        Of order one, the first, of a part that is one everywhere, being one.
    parts : m arrays
        On all modes, or shaped to spread over them.
    share : array
        Of each mode, what of it the samples tell: 0 to 1.

    Returns
    -------
    array of shape (m,) or None
        None if no kernel has these moments, <share part_i / D>.
    """
    theta = np.zeros(moments.size)
    theta[0] = 1.0
    for _ in range(_STEPS):
        kernel = _sum_of(theta, parts, share)
        inverse = 1 / kernel
        gradient = moments - [np.mean(share * p * inverse) for p in parts]
        square = share * inverse * inverse
        hessian = np.array([[np.mean(p * q * square) for q in parts] for p in parts])
        step = np.linalg.solve(hessian, -gradient)
        decrement = -float(gradient @ step)
        if decrement < 1e-20:
            break
        level = _loss(theta, moments, share, kernel)
        length = 1.0
        while length > 1e-10:
            trial = _sum_of(theta + length * step, parts, share)
            if trial.min() > 0 and (
                _loss(theta + length * step, moments, share, trial)
                <= level - 0.25 * length * decrement + 1e-13 * abs(level)
            ):
                break
            length /= 2
        theta = theta + length * step
        if decrement < 1e-14 or length <= 1e-10:
            break
    return theta if np.all(np.abs(gradient) < 1e-6 * moments) else None


def gaussian(field: SynapticField) -> Draw:
    """Prepare N7: exact draws of the fitted free field, mode by mode."""
    r, stiffness = fit_free_field(field)
    sites, n = field.lattice, field.n_samples
    mean = float(field.values.mean(dtype=np.float64))
    laplace = [_eigenvalues(sites, a) for a in range(sites.dimension)]
    amplitude = 1 / np.sqrt(_kernel(np.array([r, *stiffness]), laplace, sites, n))
    closed = [1 + a for a, p in enumerate(sites.periodic) if p]
    opened = [1 + a for a, p in enumerate(sites.periodic) if not p]
    kind = np.float64 if field.values.dtype == np.float64 else np.float32

    def draw(rng: np.random.Generator) -> SynapticField:
        from scipy.fft import fftn, idctn, ifftn

        # White noise is white in the cosine modes too: only Fourier modes need the way there.
        values: Array = rng.standard_normal((n, *sites.shape))
        if closed:
            values = ifftn(fftn(values, axes=closed) * amplitude, axes=closed).real
        else:
            values *= amplitude
        if opened:
            values = idctn(values, axes=opened, norm="ortho")
        values += mean - values.mean()
        return field.replaced(values.astype(kind, copy=False), "Gaussian free field, fitted")

    return draw


def _eigenvalues(sites: Lattice, axis: int) -> Floats:
    """Eigenvalues of minus the Laplacian along one axis, shaped to spread over the others."""
    length = sites.shape[axis]
    turn = 1.0 if sites.periodic[axis] else 0.5
    values = 4 * np.sin(np.pi * turn * np.arange(length) / length) ** 2
    return np.asarray(values.reshape([-1 if a == axis else 1 for a in range(sites.dimension)]))


def _kernel(theta: Floats, laplace: list[Floats], sites: Lattice, n_samples: int) -> Floats:
    """Return D_k on all modes; 1 for the mean of a single sample, of which nothing is known."""
    kernel = np.full(sites.shape, theta[0])
    for z, eigenvalues in zip(theta[1:], laplace, strict=True):
        kernel += z * eigenvalues
    if n_samples == 1:
        kernel.flat[0] = 1.0
    return kernel


def _sum_of(theta: Floats, parts: list[Floats], share: Floats) -> Floats:
    """Return D_k; 1 for modes of which nothing is known."""
    kernel = np.zeros(share.shape)
    for t, part in zip(theta, parts, strict=True):
        kernel += t * part
    kernel[share == 0] = 1.0
    return kernel


def _loss(theta: Floats, moments: Floats, share: Floats, kernel: Floats) -> float:
    return float(theta @ moments - np.mean(share * np.log(kernel)))


def _jump(values: Floats, sites: Lattice, axis: int) -> float:
    """Sum of squared differences of neighbours along an axis, for each site."""
    step = np.diff(values, axis=1 + axis)
    total = float(np.sum(step * step))
    if sites.periodic[axis]:
        wrapped = np.take(values, 0, axis=1 + axis) - np.take(values, -1, axis=1 + axis)
        total += float(np.sum(wrapped * wrapped))
    return total / values.size
