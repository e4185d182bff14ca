"""The law of a weight field that was trained on known data for so many steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.lattice import Lattice
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._displacements import Displacements
from nnrg.theory.synaptic._elimination import block_modes, inverse_kernel
from nnrg.theory.synaptic._mode_response import batch_noise, batch_weights, mode_response
from nnrg.theory.synaptic.expansion import KernelExpansion, expand_profile
from nnrg.theory.synaptic.vertices import PerceptronVertices

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrainedLaw", "training_law"]

Array = npt.NDArray[np.float64]

# A mode is relaxed where so little of its first weight is left.
_RELAXED = 0.05
# Beyond this share of the residual the weights' own motion adds to the noise of mini-batches.
_SHARE = 0.05
# Beyond this share of what independent batches would make the next order in the rate is seen.
_CANCELLED = 0.3
# Modes of less curvature than this share of the largest are none that the data have.
_FLAT = 1e-10
# F' of every sample that counts as an exact fit, in units of the root of F''.
_EXACT = 1e-9


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrainedLaw:
    r"""Gaussian law of trained weights, over starts, noise of labels and order of mini-batches.

    Attributes
    ----------
    mean : array of shape (N,)
        Relative to the expansion point of the vertices.
    covariance : array of shape (N, N)
    parts : mapping of str to float
        Variance of a weight from ``"start"``, ``"labels"``, ``"teachers"`` and ``"batches"``, mean
        over sites.
    curvatures : array of shape (N,)
        Eigenvalues of the data's kernel, falling.
    left : array of shape (N,)
        What is left of the first weight of each of these modes.
    sites : Lattice
    spacing : float
    n_samples : int
        Of the data.
    steps : int
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
    steps: int
    assumptions: tuple[str, ...]
    flags: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for array in (self.mean, self.covariance, self.curvatures, self.left):
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
        b = as_count("scale", scale)
        if any(n % b or n < 2 * b for n in self.sites.shape):
            raise ArgumentError(
                f"blocks of {b} sites must divide {self.sites!r} into two at least; take smaller "
                "ones"
            )
        modes = block_modes(self.sites, b)
        try:
            inverse = inverse_kernel(modes @ self.covariance @ modes.T)
        except AnalysisError:
            raise AnalysisError(
                f"a mode of the trained field in blocks of {b} has no variance to rounding, so "
                "that its kernel is infinite; give sigma_w or label_noise, or train fewer steps"
            ) from None
        start = max(Displacements.of(self.sites, reach).reach)
        sites = self.sites.coarsened([b] * self.sites.dimension)
        shape = Displacements.of(sites, max(1, start // b))
        profile = shape.of_matrix(inverse)
        known = Replicates.from_jackknife(profile, np.stack([profile, profile]))
        return expand_profile(shape, known, self.spacing * b, False)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each mode of the data: curvature, what is left, mean and variance."""
        import pandas as pd

        return pd.DataFrame(
            {"mode": np.arange(self.curvatures.size), "curvature": self.curvatures,
             "left": self.left}
        )  # fmt: skip

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {value:.4g}" for name, value in self.parts.items() if value)
        lines = [
            f"law of {self.curvatures.size} weights after {self.steps} steps on {self.n_samples} "
            "samples",
            f"  curvatures {self.curvatures[0]:.4g} .. {self.curvatures[-1]:.4g}, "
            f"{self.relaxed:.0%} of the modes relaxed",
            f"  variance of a weight: {parts or 'none'}",
        ]
        lines += [f"  assumed: {a}" for a in self.assumptions]
        return "\n".join([*lines, *(f"  flag: {f}" for f in self.flags)])


def training_law(
    vertices: PerceptronVertices,
    *,
    optimiser: Any,
    steps: int,
    sigma_w: float = 0.0,
    label_noise: float = 0.0,
    teacher: float = 0.0,
    batch: int | None = None,
    output: int = 0,
) -> TrainedLaw:
    r"""Return the law of the weights of one neuron after so many steps on a quadratic cost.

    Parameters
    ----------
    vertices : PerceptronVertices
        Of a linear neuron; or of any other at an exact fit of its targets, for small deviations.
    optimiser : GradientDescent, HeavyBall or Nesterov
        With any schedule.
    steps : int
    sigma_w : float
        Weights start from :math:`N(0, \sigma_w^2 / N)` about the expansion point.
    label_noise : float
        Standard deviation of noise in the labels, drawn once for each neuron.
    teacher : float
        Standard deviation of each weight of a linear teacher of its own for each neuron, besides
        the targets of the vertices.
    batch : int, optional
        B samples of a step, without replacement in each epoch, in an order of its own for each
        neuron. Linear neurons only.
    output : int

    Returns
    -------
    TrainedLaw

    Raises
    ------
    ArgumentError
        If a number is out of range or the optimiser is no linear map of the weights.
    AnalysisError
        If the cost is not quadratic where it is asked about.

    Notes
    -----
    Derived here. A mode of curvature :math:`\lambda` keeps a share a of its start and has gone
    :math:`f = (1 - a) / \lambda` for a unit force, both from the recursion of the optimiser; for
    gradient descent :math:`a = (1 - \eta \lambda)^t`. Over starts, labels and teachers

    .. math:: G = \frac{\sigma_w^2}{N} a^2 + \frac{\sigma^2}{P} f^2 \lambda
              + \tau^2 (1 - a)^2 ,

    so that the field's own kernel 1 / G is that of its start in modes not yet learned and, with
    noisy labels, that of the data, :math:`P \lambda / \sigma^2`, in those that are. Mini-batches
    draw the mean gradient with the covariance of single gradients, r^2 x x; of independent batches
    at a small rate they make a field without correlation, :math:`\eta r^2 / 2 B`, and batches
    without replacement leave modes slower than an epoch with less.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.simulate.training import GradientDescent
    >>> from nnrg.theory.synaptic.perceptron import perceptron_vertices
    >>> from nnrg.theory.synaptic.trained_law import training_law
    >>> x = np.random.default_rng(1).normal(size=(200, 8))
    >>> data = perceptron_vertices(x, activation="linear", order=2)
    >>> law = training_law(data, optimiser=GradientDescent(0.5), steps=400, label_noise=0.1)
    >>> bool(np.allclose(np.linalg.inv(law.covariance) * 0.1**2 / 200, data.kernel()))
    True
    """
    from nnrg.simulate.training.losses import MeanSquaredError
    from nnrg.simulate.training.optimisers import GradientDescent, HeavyBall

    if not isinstance(vertices, PerceptronVertices):
        raise ArgumentError(
            f"vertices must be PerceptronVertices, got {shown(vertices)}; see perceptron_vertices"
        )
    if not isinstance(optimiser, GradientDescent | HeavyBall):
        raise ArgumentError(
            f"optimiser must be GradientDescent, HeavyBall or Nesterov, got {shown(optimiser)}; "
            "others are no linear map of the weights"
        )
    if vertices.order < 2:
        raise AnalysisError("the quadratic kernel is V_2; take vertices of order 2 or more")
    count, o = as_count("steps", steps, 0), as_count("output", output, 0, vertices.shape[0] - 1)
    spreads = {"sigma_w": sigma_w, "label_noise": label_noise, "teacher": teacher}
    start, labels, taught = (as_real(name, value) for name, value in spreads.items())
    if min(start, labels, taught) < 0:
        raise ArgumentError(
            f"sigma_w, label_noise and teacher are at least 0, got {start:g}, {labels:g}, "
            f"{taught:g}"
        )
    x, factors = vertices.inputs, vertices.factors[:, :, o]
    square = isinstance(vertices.loss, MeanSquaredError)
    linear = square and vertices.activation.name == "linear"
    other = batch is not None or taught > 0 or not _exact_fit(factors)
    if not square or (not linear and other):
        raise AnalysisError(
            f"the cost of a {vertices.activation.name} neuron is quadratic near an exact fit "
            "only, and of squared errors; expand at weights that fit the targets, without teacher "
            "and batch"
        )
    n_samples, size = x.shape
    curvatures, modes = np.linalg.eigh((x * factors[2, :, None]).T @ x / n_samples)
    curvatures, modes = np.maximum(curvatures[::-1], 0.0), modes[:, ::-1]
    left, force = mode_response(curvatures, optimiser, count)
    if not np.isfinite(left).all() or np.abs(left).max() > 1e6:
        raise ArgumentError(
            f"training diverges: rate times curvature is "
            f"{optimiser.rates(max(count, 1)).max() * curvatures[0]:.3g}, the stability bound "
            f"{optimiser.stability_bound()}; take a smaller rate"
        )
    spectra = {
        "start": start**2 / size * left**2,
        "labels": labels**2 / n_samples * force**2 * curvatures,
        "teachers": (taught * force * curvatures) ** 2,
    }
    mean = modes @ (force * (modes.T @ -(x.T @ factors[1] / n_samples)))
    covariance = (modes * sum(spectra.values())) @ modes.T
    parts = {name: float(values.mean()) for name, values in spectra.items()}
    assumptions, flags = ["the cost quadratic about the expansion point"], []
    if batch is not None:
        b = as_count("batch", batch, 1, n_samples)
        turned = x @ modes
        still = labels**2 * (
            1 + (turned**2 @ (force**2 * curvatures - 2 * force)) / n_samples
        )  # of noisy labels, what no weight has fitted
        astray = spectra["start"] + (taught * left) ** 2
        quiet = (factors[1] + x @ mean) ** 2 + still
        weights, cancelled = batch_weights(curvatures, optimiser, count, n_samples, b)
        noise, share = batch_noise(turned, quiet, curvatures, weights, astray)
        covariance = covariance + modes @ noise @ modes.T
        parts["batches"] = float(np.trace(noise) / size)
        assumptions.append("noise of mini-batches as large at every step as at the last")
        lost = float(cancelled[curvatures > _FLAT * curvatures[0]].max(initial=0.0))
        if lost > _CANCELLED:
            flags.append(
                f"batches of one epoch take {lost:.0%} of the noise of some mode from each other, "
                "of which the first order in the rate alone is in this law; take more data, and "
                "less of an epoch"
            )
        if share > _SHARE:
            flags.append(
                f"{share:.2g} of the residual is the weights' own motion, of which the noise of "
                "mini-batches is taken in the mean only; take a smaller rate, or train longer"
            )
    return TrainedLaw(
        mean=mean,
        covariance=(covariance + covariance.T) / 2,
        parts=parts,
        curvatures=curvatures,
        left=left,
        sites=vertices.sites,
        spacing=vertices.spacing,
        n_samples=n_samples,
        steps=count,
        assumptions=tuple(assumptions),
        flags=tuple(flags),
        provenance=MappingProxyType(
            {**vertices.provenance, "optimiser": optimiser.describe(), "batch": batch, **spreads}
        ),
    )


def _exact_fit(factors: Array) -> bool:
    scale = float(np.sqrt(np.abs(factors[2]).mean()))
    return float(np.abs(factors[1]).max()) <= _EXACT * max(scale, 1e-300)
