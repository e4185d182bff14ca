"""The law of a weight field that was trained on known data for so many steps."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.activation_functions import as_activation
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.theory.synaptic._label_noise import FourthCumulant, beyond_quadratic
from nnrg.theory.synaptic._mode_response import batch_noise, batch_weights, mode_response
from nnrg.theory.synaptic._trained_law import TrainedLaw
from nnrg.theory.synaptic.vertices import PerceptronVertices

__all__ = ["TrainedLaw", "training_law"]

Array = npt.NDArray[np.float64]

# Training has ended where so little of every mode's first weight is left.
_ENDED = 1e-3
_QUARTIC = 4
# Beyond this share of the variance one order of the noise is not enough.
_LARGE = 0.3
# Beyond this share of the residual the motion of the weights is no small part of it.
_SHARE = 0.05
# Beyond this share of what independent batches would make the next order in the rate is seen.
_CANCELLED = 0.3
# Modes of less curvature than this share of the largest are none that the data have.
_FLAT = 1e-10
# F' of every sample that counts as an exact fit, in units of the root of F''.
_EXACT = 1e-9


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
        Of a linear neuron; or of any other at an exact fit of its targets, for small deviations,
        to fourth order for what V_3 and V_4 add at the end of training.
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
    noisy labels, that of the data, :math:`P \lambda / \sigma^2`, in those that are. Where a neuron
    is not linear V_3 and V_4 add the next order in :math:`\sigma^2` to mean and covariance of the
    minimum, and make its fourth cumulant. Mini-batches
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
    linear = square and vertices.activation is as_activation("linear")
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
    noisy = None
    if not linear and vertices.order >= _QUARTIC and float(np.abs(left).max()) < _ENDED:
        kernel = (modes * curvatures) @ modes.T
        shift, more = (
            labels**power * one
            for power, one in zip((2, 4), beyond_quadratic(x, factors, kernel), strict=True)
        )
        mean, covariance = mean + shift, covariance + more
        parts["vertices"] = float(np.trace(more) / size)
        if labels > 0:
            noisy = FourthCumulant.of(x, factors, kernel, labels)
        assumptions = ["noise of the labels to second order, by V_3 and V_4"]
        if parts["vertices"] > _LARGE * parts["labels"]:
            flags.append(
                f"V_3 and V_4 add {parts['vertices'] / parts['labels']:.2g} of the variance: the "
                "next order counts; take less noise, or more samples"
            )
    b = n_samples if batch is None else as_count("batch", batch, 1, n_samples)
    if b < n_samples:
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
        if lost > _CANCELLED and noise.any():
            flags.append(
                f"batches of one epoch take {lost:.0%} of the noise of some mode from each other, "
                "of which the first order in the rate alone is in this law; take more data, and "
                "less of an epoch"
            )
        if share > _SHARE:
            flags.append(
                f"{share:.2g} of the residual is the weights' own motion, at every step taken as "
                "at the last, and as Gaussian; take a smaller rate, or train longer"
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
        gaussian=linear and b == n_samples,
        _labels=noisy,
        flags=tuple(flags),
        provenance=MappingProxyType(
            {**vertices.provenance, "optimiser": optimiser.describe(), "batch": batch, **spreads}
        ),
    )


def _exact_fit(factors: Array) -> bool:
    scale = float(np.sqrt(np.abs(factors[2]).mean()))
    return float(np.abs(factors[1]).max()) <= _EXACT * max(scale, 1e-300)
