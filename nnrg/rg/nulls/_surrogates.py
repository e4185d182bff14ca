"""N4: Gaussian surrogates, fields with the two-point function of a field and nothing beyond it.

On a periodic lattice phases of the Fourier modes are drawn at random, amplitudes are kept. On an
open lattice that would close the lattice on itself and join its two ends by a bond that the field
has not. There samples are mixed by a random rotation instead, which keeps the covariance of every
two sites, whatever their order; or, where samples are few or depend on one another, a stationary
Gaussian field is drawn on a larger lattice and cut to size.

Phases of one sample keep its variance, and mixtures that of each site. The other kind of variance,
of sites or of samples, is divided out before and put back after where it is seen to differ; so are
the means of sites.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.fields import SynapticField
from nnrg.rg.nulls._matrices import haar
from nnrg.rg.nulls._scales import means_of_sites, scales_of_samples, scales_of_sites

__all__ = ["FEWEST_MIXED", "mixed_samples", "phase"]

Array = npt.NDArray[Any]
Draw = Callable[[np.random.Generator], SynapticField]

# A mixture of m samples keeps 3 / (m + 2) of their fourth cumulant: a sixth at sixteen.
FEWEST_MIXED = 16
# Samples are mixed in groups of at most so many: at 256 one per cent is left of it, and the cost of
# a rotation, which grows like the third power, stays below that of the flow.
_MOST_MIXED = 256
# Mixtures that tell how much the halves of correlated samples have in common anyway.
_BASELINE = 8


def phase(field: SynapticField) -> Draw:
    """Prepare N4 in the way that the field's lattice and samples allow."""
    if all(field.lattice.periodic):
        return _random_phases(field)
    if field.independent and field.n_samples >= FEWEST_MIXED:
        return mixed_samples(field)
    return _stationary(field)


def _random_phases(field: SynapticField) -> Draw:
    """Multiply each mode but the mean by a random phase.

    Of samples that depend on one another a mode gets one phase in all of them, which keeps every
    product of two samples.
    """
    from scipy.fft import rfftn

    n, shape = field.n_samples, field.sites.shape
    axes = tuple(range(1, 1 + len(shape)))
    values = field.values.astype(np.float64)
    mean: float | Array = 0.0
    scales: float | Array = 1.0
    if field.independent and n >= FEWEST_MIXED:
        profile = means_of_sites(values.reshape(n, -1))
        if profile is not None:
            # The mean over all sites is a mode of its own, and kept as it is.
            mean = profile.reshape(shape) - profile.mean()
            values -= mean
        found = scales_of_sites((values - values.mean(axis=0)).reshape(n, -1))
        if found is not None:
            scales = found.reshape(shape)
            values = np.divide(values, scales, out=np.zeros_like(values), where=scales > 0)
    modes = rfftn(values, axes=axes)
    noisy = (field.n_samples if field.independent else 1, *shape)

    def draw(rng: np.random.Generator) -> SynapticField:
        from scipy.fft import irfftn, rfftn

        # Modes of white noise have independent uniform phases, conjugate where they must be.
        turn = rfftn(rng.standard_normal(noisy), axes=axes)
        turn /= np.abs(turn)
        turn[(slice(None), *(0,) * len(shape))] = 1.0
        values = irfftn(modes * turn, s=shape, axes=axes)
        return _drawn(field, mean + scales * values, "Fourier phases drawn at random")

    return draw


def mixed_samples(field: SynapticField) -> Draw:
    """Replace samples X by mean + Q (X - mean) with Q a random rotation of groups of samples.

    Samples of unequal scales S by mean + S Q (X - mean), less the mean of the second term.
    """
    n = field.n_samples
    flat = field.values.reshape(n, -1)
    n_groups = -(-n // _MOST_MIXED)
    groups = []
    for g in range(n_groups):
        member = np.arange(g, n, n_groups)
        x = flat[member].astype(np.float64)
        mean = x.mean(axis=0)
        groups.append((member, mean, _root(x - mean)))

    def mixed(rng: np.random.Generator, scales: Array | None) -> Array:
        deviation = np.empty(flat.shape)
        for member, _, root in groups:
            rows = haar(member.size, len(root), rng, centred=True) @ root
            if scales is not None:
                # Of any field the covariance is kept, on average, and the variance exactly.
                size = np.sqrt(np.mean(rows * rows))
                rows *= scales[member, None]
                rows -= rows.mean(axis=0)
                rows *= size / np.sqrt(np.mean(rows * rows))
            deviation[member] = rows
        return deviation

    equal = (mixed(np.random.default_rng([0, i]), None) for i in range(_BASELINE))
    means = np.empty(flat.shape)
    for member, mean, _ in groups:
        means[member] = mean
    scales = scales_of_samples(flat - means, equal)

    def draw(rng: np.random.Generator) -> SynapticField:
        values = means + mixed(rng, scales)
        return _drawn(
            field, values.reshape(field.values.shape), "samples mixed by a random rotation"
        )

    return draw


def _root(deviation: Array) -> Array:
    """Return B with B^T B = X^T X for deviations X from the mean, with as few rows as can be."""
    from scipy.linalg import helmert

    m, n_sites = deviation.shape
    if m - 1 <= n_sites:
        return np.asarray(helmert(m) @ deviation)
    return np.asarray(np.linalg.qr(deviation, mode="r"))


def _stationary(field: SynapticField) -> Draw:
    """Draw stationary Gaussian fields with the mean correlogram of the samples.

    The correlogram divides by the number of pairs, so that open ends do not damp it. It is kept to
    a quarter of each open axis and brought to zero at half of it; what little of its spectrum is
    negative then is cut off. Covariances of samples, and their means, are those of the field.

    Raises
    ------
    AnalysisError
        If no sample varies.
    """
    from scipy.fft import irfftn, next_fast_len, rfftn

    n, shape = field.n_samples, field.sites.shape
    axes = tuple(range(1, 1 + len(shape)))
    means = field.values.mean(axis=axes, dtype=np.float64, keepdims=True)
    deviation = field.values.astype(np.float64) - means
    if not np.any(np.abs(deviation) > 1e-12 * np.abs(means)):
        raise AnalysisError(
            f"field {field.name!r} is constant within each sample: it has no two-point function; "
            "leave out the null model 'phase'"
        )
    larger = tuple(
        length if closed else next_fast_len(length + length // 2 + 1, real=True)
        for length, closed in zip(shape, field.lattice.periodic, strict=True)
    )
    power = (np.abs(rfftn(deviation, s=larger, axes=axes)) ** 2).sum(axis=0)
    correlogram = irfftn(power, s=larger)
    for axis, (length, whole) in enumerate(zip(shape, larger, strict=True)):
        lag = np.minimum(np.arange(whole), whole - np.arange(whole))
        taper = np.ones(whole)
        if not field.lattice.periodic[axis]:
            beyond = np.clip((lag - length / 4) / (length / 4), 0.0, 1.0)
            taper = np.cos(np.pi / 2 * beyond) ** 2 * length / np.maximum(length - lag, 1)
        correlogram *= taper.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    spectrum = np.maximum(rfftn(correlogram).real, 0.0)
    amplitude = np.sqrt(spectrum / irfftn(spectrum, s=larger)[(0,) * len(shape)])
    flat = deviation.reshape(n, -1)
    weights, vectors = np.linalg.eigh(flat @ flat.T / prod(shape))
    mix = vectors * np.sqrt(np.maximum(weights, 0.0))
    inside = (slice(None), *(slice(length) for length in shape))

    def draw(rng: np.random.Generator) -> SynapticField:
        from scipy.fft import irfftn, rfftn

        noise = rfftn(rng.standard_normal((n, *larger)), axes=axes)
        values = irfftn(noise * amplitude, s=larger, axes=axes)[inside]
        mixed = (mix @ values.reshape(n, -1)).reshape(n, *shape) + means
        return _drawn(field, mixed, "Gaussian field of the same correlogram")

    return draw


def _drawn(field: SynapticField, values: Array, note: str) -> SynapticField:
    kind = np.float64 if field.values.dtype == np.float64 else np.float32
    return field.replaced(values.astype(kind, copy=False), note)
