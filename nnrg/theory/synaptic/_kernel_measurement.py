"""The kernel of trained fields at each scale: inverse covariances of block fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.stats.partition import sample_groups
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._displacements import Displacements

__all__ = ["KernelMeasurement"]

Array = npt.NDArray[np.float64]

_GROUPS = 64


@dataclass(frozen=True, slots=True, eq=False)
class KernelMeasurement:
    """How fields are turned into kernels, the same for all of them.

    Attributes
    ----------
    modes : tuple of arrays of shape (n, N)
        Block modes of each scale.
    shapes : tuple of Displacements
    kernel : array of shape (N, N) or None
        The temperature is fitted so that this is the kernel of the fields in the mean.
    temperature : float
        Where there is no kernel.
    supports : tuple of arrays of shape (n, m)
        Modes of the block fields, at each scale, that kernels are measured on.
    rank : int
        Modes of the kernel that are not zero.
    """

    modes: tuple[Array, ...]
    shapes: tuple[Displacements, ...]
    kernel: Array | None
    temperature: float
    supports: tuple[Array, ...]
    rank: int

    def row(self, fields: Array) -> Array:
        """Return the temperature, and the kernel by displacement of all scales, one after another.

        Notes
        -----
        The inverse of a covariance of n degrees of freedom is too large by n / (n - N - 1) in the
        mean (Gaussian fields).
        """
        return self._kernels(np.cov(fields, rowvar=False), len(fields) - 1)

    def _kernels(self, covariance: Array, n: int) -> Array:
        heat = self.temperature
        if self.kernel is not None:
            heat = float((self.kernel * covariance).sum() / self.rank)
        row = [np.array([heat])]
        for block, kept, shape in zip(self.modes, self.supports, self.shapes, strict=True):
            seen = kept.T @ block if kept.shape[1] < len(kept) else block
            inverse = np.linalg.inv(seen @ covariance @ seen.T)
            if seen is not block:
                inverse = kept @ inverse @ kept.T
            scaled = np.asarray(heat * (n - len(seen) - 1) / n * inverse, dtype=np.float64)
            row.append(shape.of_matrix(scaled))
        return np.concatenate(row)

    def measure(self, fields: Array) -> tuple[Replicates, Replicates]:
        """Return `row`, and kappa_4 / kappa_2^2 at each scale, with groups of fields left out.

        Raises
        ------
        AnalysisError
            If there are too few fields to invert their covariance.
        """
        size = max(kept.shape[1] for kept in self.supports)
        group = sample_groups(len(fields), _GROUPS) if len(fields) > 1 else np.zeros(1, np.intp)
        sizes = np.bincount(group, minlength=1).astype(np.float64)
        if len(fields) - sizes.max(initial=0) < size + 3:
            raise AnalysisError(
                f"{len(fields)} fields are too few to invert the covariance of {size} modes; give "
                f"more than {size + 3 + int(sizes.max(initial=0))}"
            )
        # About the mean of all, so that sums of squares hold their digits.
        fields = fields - fields.mean(axis=0)
        parts = [fields[group == g] for g in range(len(sizes))]
        square, total = fields.T @ fields, fields.sum(axis=0)
        powers = [_power_sums(parts, block) for block in self.modes]
        rows, fourth = [], []
        for left_out in [*range(len(sizes)), None]:
            keep = np.arange(len(sizes)) != left_out
            part = fields[:0] if left_out is None else parts[left_out]
            count = len(fields) - len(part)
            mean = (total - part.sum(axis=0)) / count
            covariance = (square - part.T @ part - count * np.outer(mean, mean)) / (count - 1)
            rows.append(self._kernels(covariance, count - 1))
            fourth.append([_excess(one[:, keep].sum(axis=1), count) for one in powers])
        return (
            Replicates.from_jackknife(rows[-1], np.stack(rows[:-1]), sizes),
            Replicates.from_jackknife(fourth[-1], np.array(fourth[:-1]), sizes),
        )


def _power_sums(parts: list[Array], block: Array) -> Array:
    """Return sums of the powers 1 to 4 of block fields, shape (4, groups, sites)."""
    out = np.empty((4, len(parts), len(block)))
    for g, part in enumerate(parts):
        phi = part @ block.T
        for k in range(4):
            out[k, g] = (phi ** (k + 1)).sum(axis=0)
    return out


def _excess(sums: Array, n: int) -> float:
    """Return kappa_4 / kappa_2^2, mean over sites, from sums of powers (4, sites).

    Each site by its own variance, for unequal ones would look like an interaction; unbiased for
    Gaussian fields.
    """
    first, second, third, fourth = sums / n
    variance = second - first**2
    central = fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4
    excess = central / variance**2 - 3
    return float((((n + 1) * excess + 6) * (n - 1) / ((n - 2) * (n - 3))).mean())
