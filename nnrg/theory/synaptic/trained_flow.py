"""The flow of the data's kernel beside that of the trained weights."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, as_real, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.lattice import Lattice
from nnrg.simulate.training._identity import digest
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._displacements import Displacements
from nnrg.theory.synaptic._elimination import block_modes, block_support
from nnrg.theory.synaptic._kernel_flow import NullKernels, TrainedKernelFlow
from nnrg.theory.synaptic._kernel_measurement import KernelMeasurement
from nnrg.theory.synaptic._samples import finite
from nnrg.theory.synaptic.expansion import KernelExpansion, expand_profile
from nnrg.theory.synaptic.trained_law import TrainedLaw
from nnrg.theory.synaptic.vertex_flow import VertexFlow

if TYPE_CHECKING:
    from nnrg.fields import SynapticField
    from nnrg.rg.flow import Flow

__all__ = ["NullKernels", "TrainedKernelFlow", "compare_kernel_flow"]

Array = npt.NDArray[np.float64]


def compare_kernel_flow(
    flow: VertexFlow | TrainedLaw,
    fields: npt.ArrayLike | SynapticField | Flow,
    *,
    levels: int | None = None,
    distances: int = 3,
    reach: int | None = None,
    temperature: float | None = None,
    same_inputs: bool = True,
    permutations: int = 0,
    untrained: npt.ArrayLike | SynapticField | Flow | None = None,
    rng: np.random.Generator | int | None = None,
) -> TrainedKernelFlow:
    r"""Compare the kernel that data make with the one of trained weights, scale by scale.

    Parameters
    ----------
    flow : VertexFlow or TrainedLaw
        The prediction: kernels after elimination, for weights at stationarity; or the law of
        weights after so many steps, which leaves nothing to fit.
    fields : array of shape (S, N), SynapticField or Flow
        Weights of independently trained neurons; more than N + 2 of them. Of a `Flow` its field.
        Of a law on a support its part there.
    levels : int, optional
        Scales b = 1, 2, .. 2^(levels - 1); those of `flow`, or 3 for a law.
    distances : int
        Displacements 0 .. distances - 1 along the first axis; fewer where a scale has not as many.
    reach : int, optional
        Largest displacement that k_0, range and tail of a law are taken from, in sites at b = 1.
    temperature : float, optional
        Of the trained fields about their mean; fitted at b = 1 from the trace of K times their
        covariance if left out. Not for a law of training, which has it.
    same_inputs : bool
        Whether all fields were trained on the inputs of `flow`, with other noise.
    permutations : int
        How many times the sites of all fields are permuted for a null; zero, or two and more.
    untrained : array of shape (S', N), SynapticField or Flow, optional
        Weights of the same neurons before training, as another null.
    rng : numpy.random.Generator, int or None
        Of the permutations.

    Returns
    -------
    TrainedKernelFlow

    Raises
    ------
    ArgumentError
        If the shapes do not fit or a number is out of range.
    AnalysisError
        If there are too few fields to invert their covariance.

    Notes
    -----
    Least squares with label noise sigma on P samples ends at weights of covariance :math:`T K^{-1}`
    with T = sigma^2 / P: the field's own action has the kernel of the data, that of its blocks the
    eliminated one, :math:`(P K^{-1} P^T)^{-1}`. Before that, with mini-batches, or without noise,
    the law is that of `training_law`, and its blocks have :math:`(P G P^T)^{-1}`. Measured as the
    inverse covariance of block fields times (n - N_b - 1) / n, unbiased for Gaussian fields
    (n = S - 1). Block fields are the block means of `nnrg.renormalize` times the root of the number
    of sites in a block. What departs from the prediction is not quadratic, or not of these data.
    With weight decay the law of a `VertexFlow` is that of weights in equilibrium with noise of
    their own, not of least squares with noisy labels. Derived here.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.synaptic.coarse_graining import coarse_grain_vertices
    >>> from nnrg.theory.synaptic.perceptron import perceptron_vertices
    >>> from nnrg.theory.synaptic.trained_flow import compare_kernel_flow
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=(60, 8)) + rng.normal(size=(60, 1))
    >>> noise = rng.normal(size=(400, 60))
    >>> w = np.linalg.lstsq(x, noise.T)[0].T
    >>> flow = coarse_grain_vertices(perceptron_vertices(x, activation="linear", order=2), levels=2)
    >>> found = compare_kernel_flow(flow, w)
    >>> found.agrees, abs(found.temperature.value * 60 - 1) < 0.1
    (True, True)
    """
    if not isinstance(flow, VertexFlow | TrainedLaw):
        raise ArgumentError(f"flow must be a VertexFlow or a TrainedLaw, got {shown(flow)}")
    law = flow if isinstance(flow, TrainedLaw) else None
    given = None if temperature is None else as_real("temperature", temperature)
    fitted = law is None or law.temperature_free
    if given is not None and not (fitted and given > 0):
        raise ArgumentError(
            "temperature must be above zero, and is not asked for with a law of training, got "
            f"{given:g}"
        )
    scales, kernels = _predictions(flow, levels, reach)
    sites = kernels[0].displacements.sites
    w = _weights("fields", fields, sites)
    fit = _fitted_kernel(flow) if fitted and given is None else None
    shapes = [one.displacements for one in kernels]
    modes = tuple(block_modes(sites, b) for b in scales)
    support = None if law is None else law.support
    if support is not None:
        w = w @ support @ support.T
    how = KernelMeasurement(
        modes, tuple(shapes), fit, given or 1.0,
        tuple(block_support(one, support) for one in modes),
        sites.n_sites if support is None else support.shape[1],
    )  # fmt: skip
    found, fourth = how.measure(w)
    lines = [shape.along(0) for shape in shapes]
    count = min(as_count("distances", distances), *(len(line) for line in lines))
    steps = np.arange(count)
    spacings = [one.spacing for one in kernels]
    measured = _expansions(found, shapes, spacings)
    nulls, seed = {}, as_seed(rng)
    if permutations:
        draws = as_count("permutations", permutations, 2)
        # The order of sites alone is destroyed: the temperature stays that of the fields.
        same = replace(how, kernel=None, temperature=float(found.values[0]))
        rows = Replicates.from_bootstrap(*_permuted(same, w, draws, seed), units=draws)
        nulls["permuted"] = NullKernels(
            kernels=_expansions(rows, shapes, spacings), distances=steps, draws=draws
        )
    if untrained is not None:
        first = _weights("untrained", untrained, sites)
        before, _ = how.measure(first if support is None else first @ support @ support.T)
        nulls["untrained"] = NullKernels(
            kernels=_expansions(before, shapes, spacings), distances=steps, draws=0
        )
    return TrainedKernelFlow(
        scales=scales,
        distances=steps,
        predicted=tuple(
            one.profile.select(line[:count]) for one, line in zip(kernels, lines, strict=True)
        ),
        measured=tuple(
            one.profile.select(line[:count]) for one, line in zip(measured, lines, strict=True)
        ),
        temperature=found.estimates(n_samples=len(w))[0],
        n_samples=len(w),
        same_inputs=bool(same_inputs) or law is not None,
        predicted_kernels=kernels,
        measured_kernels=measured,
        fourth=fourth,
        fourth_predicted=np.array([_fourth(flow, b) for b in scales]),
        nulls=MappingProxyType(nulls),
        provenance=MappingProxyType(
            {**flow.provenance, "fields_sha256": digest(w), "seed": str(seed.entropy)}
        ),
    )


def _predictions(
    flow: VertexFlow | TrainedLaw, levels: int | None, reach: int | None
) -> tuple[tuple[int, ...], tuple[KernelExpansion, ...]]:
    if isinstance(flow, TrainedLaw):
        count = 3 if levels is None else as_count("levels", levels, 1, 30)
        scales = tuple(2**level for level in range(count))
        return scales, tuple(flow.kernel(b, reach=reach) for b in scales)
    if reach is not None:
        raise ArgumentError("the reach of a VertexFlow is its own; give it to its maker")
    count = len(flow.scales) if levels is None else as_count("levels", levels, 1, len(flow.scales))
    chosen = flow.scales[:count]
    return tuple(one.scale for one in chosen), tuple(one.eliminated for one in chosen)


def _fitted_kernel(flow: VertexFlow | TrainedLaw) -> Array:
    """Return the kernel that the temperature is fitted to."""
    if isinstance(flow, TrainedLaw):
        return np.asarray(np.linalg.pinv(flow.covariance, hermitian=True), np.float64)
    fit = flow.scales[0].eliminated_vertices.kernel()
    fit[np.diag_indices_from(fit)] += flow.weight_decay
    return fit


def _fourth(flow: VertexFlow | TrainedLaw, scale: int) -> float:
    """Return the fourth cumulant over the square of the second; NaN where it is not known."""
    if isinstance(flow, TrainedLaw):
        return flow.fourth(scale)
    vertices = flow.scales[0].eliminated_vertices
    linear = vertices.loss.name == "mse" and vertices.activation.name == "linear"
    return 0.0 if linear else float("nan")


def _weights(name: str, fields: npt.ArrayLike | SynapticField | Flow, sites: Lattice) -> Array:
    """Return fields as rows of numbers on all sites."""
    from nnrg.fields import SynapticField
    from nnrg.rg.flow import Flow

    field = fields.field if isinstance(fields, Flow) else fields
    if isinstance(field, SynapticField):
        if not isinstance(field.sites, Lattice) or field.sites.shape != sites.shape:
            raise ArgumentError(f"{name} must live on {sites!r}, got {field.sites!r}")
        field = np.asarray(field.values, np.float64).reshape(field.n_samples, -1)
    w = finite(name, field)
    if w.ndim != 2 or w.shape[1] != sites.n_sites:
        raise ArgumentError(f"{name} must have shape (S, {sites.n_sites}), got {w.shape}")
    if not (w.std(axis=0) > 0).any():
        raise AnalysisError(f"all {name} are the same: they have no kernel; give several")
    return w


def _expansions(
    found: Replicates, shapes: list[Displacements], spacings: list[float]
) -> tuple[KernelExpansion, ...]:
    """Return the kernel of each scale from a row of them, the temperature first."""
    out, begin = [], 1
    for shape, spacing in zip(shapes, spacings, strict=True):
        profile = found.select(begin + np.arange(len(shape.vectors)))
        out.append(expand_profile(shape, profile, spacing, False))
        begin += len(shape.vectors)
    return tuple(out)


def _permuted(
    how: KernelMeasurement, fields: Array, draws: int, seed: np.random.SeedSequence
) -> tuple[Array, Array]:
    """Return the mean over permutations of the sites of all fields, and each of them."""
    generator = np.random.default_rng(seed)
    rows = np.array(
        [how.row(fields[:, generator.permutation(fields.shape[1])]) for _ in range(draws)]
    )
    return rows.mean(axis=0), rows
