"""The flow of the data's kernel beside that of the trained weights: the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.stats.estimate import Estimate, shown_number
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic.expansion import KernelExpansion

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NullKernels", "TrainedKernelFlow"]

Array = npt.NDArray[np.float64]

_LEVEL = 0.01
_SHOWN = 4


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NullKernels:
    """Kernels of fields that nothing was learned by, at each scale.

    Attributes
    ----------
    kernels : tuple of KernelExpansion
        The errors are the standard deviation of a single draw, or standard errors.
    distances : int array of shape (n_r,)
    draws : int
        Permutations drawn; zero for another ensemble of fields.
    """

    kernels: tuple[KernelExpansion, ...]
    distances: npt.NDArray[np.intp]
    draws: int

    def _rows(self) -> list[Replicates]:
        return [
            one.profile.select(one.displacements.along(0)[self.distances]) for one in self.kernels
        ]

    @property
    def values(self) -> Array:
        """Kernel at each scale and distance, shape (n_scales, n_r)."""
        return np.array([row.values for row in self._rows()])

    @property
    def spreads(self) -> Array:
        """Spread of `values`, of the same shape."""
        return np.array([row.errors() for row in self._rows()])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrainedKernelFlow:
    r"""Kernel of the block field, predicted from data and measured on trained weights.

    Attributes
    ----------
    scales : tuple of int
    distances : int array of shape (n_r,)
        Displacements along the first axis, in blocks.
    predicted, measured : tuple of Replicates, n_r numbers each
        One for each scale.
    temperature : Estimate
        What the measured kernels are multiplied by: fitted at b = 1, or given, or one where a
        `TrainedLaw` predicts the kernel with no number left free.
    n_samples : int
        Trained fields.
    same_inputs : bool
        Whether all fields were trained on the inputs of the prediction, which then is exact.
    predicted_kernels, measured_kernels : tuple of KernelExpansion
        The same at all displacements: k_0, range, tail of each scale.
    fourth : Replicates of n_scales numbers
        :math:`\kappa_4 / \kappa_2^2` of the block fields, each site by its own variance; zero if
        the action is quadratic.
    fourth_predicted : array of shape (n_scales,)
        The same from the data; NaN where it is not predicted, as from V_2 alone.
    nulls : mapping of str to NullKernels
    provenance : mapping
    """

    scales: tuple[int, ...]
    distances: npt.NDArray[np.intp]
    predicted: tuple[Replicates, ...]
    measured: tuple[Replicates, ...]
    temperature: Estimate
    n_samples: int
    same_inputs: bool
    predicted_kernels: tuple[KernelExpansion, ...]
    measured_kernels: tuple[KernelExpansion, ...]
    fourth: Replicates
    fourth_predicted: Array
    nulls: Mapping[str, NullKernels] = field(default_factory=lambda: MappingProxyType({}))
    provenance: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def deviations(self) -> Array:
        """Return (measured - predicted) / error, shape (n_scales, n_r)."""
        rows = []
        for p, m in zip(self.predicted, self.measured, strict=True):
            spread = m.errors() if self.same_inputs else np.hypot(m.errors(), p.errors())
            rows.append((m.values - p.values) / spread)
        return np.array(rows)

    def fourth_deviations(self) -> Array:
        """Return (measured - predicted) / error of `fourth`; NaN where it is not predicted."""
        return np.asarray((self.fourth.values - self.fourth_predicted) / self.fourth.errors())

    def null_deviations(self, null: str) -> Array:
        """Return (measured - null) / error, shape (n_scales, n_r).

        Raises
        ------
        ArgumentError
            If there is no such null.
        """
        if null not in self.nulls:
            raise ArgumentError(
                f"null must be one of {', '.join(self.nulls) or 'none'}, got {null!r}"
            )
        found = self.nulls[null]
        errors = np.array([m.errors() for m in self.measured])
        values = np.array([m.values for m in self.measured])
        return np.asarray((values - found.values) / np.hypot(errors, found.spreads))

    def _chance(self, deviations: Array, dof: float) -> float:
        from scipy.stats import t

        from nnrg.stats.multiple_testing import adjust_p_values

        chances = 2 * t.sf(np.abs(deviations.ravel()), dof)
        return float(np.min(adjust_p_values(chances, "holm")))

    @property
    def p(self) -> float:
        """Chance of so large a largest deviation, Holm's correction over scales and distances."""
        return self._chance(self.deviations(), self.measured[0].dof)

    def null_p(self, null: str) -> float:
        """Return the chance of the measured kernels under a null, as `p`.

        Raises
        ------
        ArgumentError
            If there is no such null.
        """
        deviations, dof = self.null_deviations(null), self.measured[0].dof
        draws = self.nulls[null].draws
        return self._chance(deviations, min(dof, draws - 1) if draws else dof)

    def joint(self) -> tuple[float, int, float]:
        r"""Return chi^2 of all deviations together, their number, and its chance.

        Hotelling's :math:`T^2` with the covariance of all scales and distances, and its F
        distribution; NaN where there are more numbers than half the groups of fields.
        """
        from scipy.stats import f

        rows = np.hstack([m.replicates for m in self.measured])
        values = np.concatenate([m.values for m in self.measured])
        found = self.measured[0].derived(values, rows)
        expected = np.concatenate([p.values for p in self.predicted])
        away = values - expected
        n, dof = values.size, found.dof
        if n > dof / 2:
            return np.nan, n, np.nan
        spread = found.covariance()
        if not self.same_inputs:
            given = np.hstack([p.replicates for p in self.predicted])
            spread = spread + self.predicted[0].derived(expected, given).covariance()
        chi2 = float(away @ np.linalg.solve(spread, away))
        return chi2, n, float(f.sf(chi2 * (dof - n + 1) / (n * dof), n, dof - n + 1))

    @property
    def agrees(self) -> bool:
        """Whether the trained field's kernel flows as the data's does, at the 1 % level.

        By the largest deviation and by all together, each at half the level.
        """
        joint = self.joint()[2]
        return min(self.p, 1.0 if np.isnan(joint) else joint) > _LEVEL / 2

    @property
    def quadratic(self) -> bool:
        """Whether no scale has a fourth cumulant at the 1 % level: the field is Gaussian so far."""
        errors = self.fourth.errors()
        known = errors > 0
        if not known.any():
            return True
        z = self.fourth.values[known] / errors[known]
        return self._chance(z, self.fourth.dof) > _LEVEL

    @property
    def verdict(self) -> str:
        """What these fields tell, at the 1 % level."""
        chi2, n, joint = self.joint()
        chances = f"adjusted p = {self.p:.2g}"
        if not np.isnan(joint):
            chances += f"; together chi^2 = {chi2:.1f} of {n} numbers, p = {joint:.2g}"
        if not self.agrees:
            return f"does not flow as predicted from the data ({chances})"
        alike = [name for name in self.nulls if self.null_p(name) > _LEVEL]
        if alike:
            return (
                f"cannot be told: agrees with the prediction ({chances}), and with fields that are "
                f"{' or '.join(alike)} too"
            )
        apart = f", apart from {' and '.join(self.nulls)} fields" if self.nulls else ""
        return f"flows as predicted from the data ({chances}){apart}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each scale and distance."""
        import pandas as pd

        rows = []
        nulls = {name: (null.values, null.spreads) for name, null in self.nulls.items()}
        for k, (b, p, m, z) in enumerate(
            zip(self.scales, self.predicted, self.measured, self.deviations(), strict=True)
        ):
            errors = np.zeros_like(p.values) if self.same_inputs else p.errors()
            for i, r in enumerate(self.distances):
                row: dict[str, object] = {
                    "scale": b,
                    "distance": int(r),
                    "predicted": p.values[i],
                    "predicted_error": errors[i],
                    "measured": m.values[i],
                    "measured_error": m.errors()[i],
                    "z": z[i],
                    "n_samples": self.n_samples,
                }
                for name, (values, spreads) in nulls.items():
                    row |= {name: values[k, i], f"{name}_spread": spreads[k, i]}
                rows.append(row)
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        heat = f"temperature {self.temperature}"
        if not self.temperature.error > 0:
            same = self.temperature.value == 1
            heat = "nothing fitted" if same else f"temperature {self.temperature.value:g} given"
        lines = [
            f"kernel of {self.n_samples} trained fields, {heat}: {self.verdict}",
        ]
        for b, p, m, z in zip(
            self.scales, self.predicted, self.measured, self.deviations(), strict=True
        ):
            text = "  ".join(
                f"K({r}) {p.values[i]:.4g} | {shown_number(m.values[i], m.errors()[i])} "
                f"[{z[i]:+.1f}]"
                for i, r in enumerate(self.distances[:_SHOWN])
            )
            lines.append(f"  b = {b}: {text}")
        known = np.isfinite(self.fourth_predicted).all()
        fourth = "  ".join(
            f"{p:.3g} | {shown_number(v, e)} [{z:+.1f}]" if known else shown_number(v, e)
            for p, v, e, z in zip(
                self.fourth_predicted, self.fourth.values, self.fourth.errors(),
                self.fourth_deviations(), strict=True,
            )
        )  # fmt: skip
        lines.append(
            f"  kappa_4 / kappa_2^2 by scale{'' if known else ', not predicted'}: {fourth}"
        )
        for name in self.nulls:
            z = self.null_deviations(name)
            lines.append(
                f"  {name} fields: largest deviation {np.abs(z).max():.1f} errors, "
                f"p = {self.null_p(name):.2g}"
            )
        return "\n".join(lines)
