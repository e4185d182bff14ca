"""The flow of the data's kernel beside that of the trained weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.estimate import Estimate, shown_number
from nnrg.stats.partition import sample_groups
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._elimination import block_modes
from nnrg.theory.synaptic._samples import finite
from nnrg.theory.synaptic.vertex_flow import VertexFlow

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrainedKernelFlow", "compare_kernel_flow"]

Array = npt.NDArray[np.float64]

_GROUPS = 64
_LEVEL = 0.01


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrainedKernelFlow:
    """Kernel of the block field, predicted from data and measured on trained weights.

    Attributes
    ----------
    scales : tuple of int
    distances : int array of shape (n_r,)
        Displacements along the first axis, in blocks.
    predicted, measured : tuple of Replicates, n_r numbers each
        One for each scale.
    temperature : Estimate
        What the measured kernels are multiplied by, fitted at b = 1 or given.
    n_samples : int
        Trained fields.
    same_inputs : bool
        Whether all fields were trained on the inputs of the prediction, which then is exact.
    """

    scales: tuple[int, ...]
    distances: npt.NDArray[np.intp]
    predicted: tuple[Replicates, ...]
    measured: tuple[Replicates, ...]
    temperature: Estimate
    n_samples: int
    same_inputs: bool

    def deviations(self) -> Array:
        """Return (measured - predicted) / error, shape (n_scales, n_r)."""
        rows = []
        for p, m in zip(self.predicted, self.measured, strict=True):
            spread = m.errors() if self.same_inputs else np.hypot(m.errors(), p.errors())
            rows.append((m.values - p.values) / spread)
        return np.array(rows)

    @property
    def p(self) -> float:
        """Chance of so large a largest deviation, Holm's correction over scales and distances."""
        from scipy.stats import t

        from nnrg.stats.multiple_testing import adjust_p_values

        chances = 2 * t.sf(np.abs(self.deviations().ravel()), self.measured[0].dof)
        return float(np.min(adjust_p_values(chances, "holm")))

    @property
    def agrees(self) -> bool:
        """Whether the trained field's kernel flows as the data's does, at the 1 % level."""
        return self.p > _LEVEL

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each scale and distance."""
        import pandas as pd

        rows = []
        for b, p, m, z in zip(
            self.scales, self.predicted, self.measured, self.deviations(), strict=True
        ):
            errors = np.zeros_like(p.values) if self.same_inputs else p.errors()
            for i, r in enumerate(self.distances):
                rows.append(
                    {
                        "scale": b,
                        "distance": int(r),
                        "predicted": p.values[i],
                        "predicted_error": errors[i],
                        "measured": m.values[i],
                        "measured_error": m.errors()[i],
                        "z": z[i],
                        "n_samples": self.n_samples,
                    }
                )
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        verdict = "flows as that of the data" if self.agrees else "does not flow as the data's"
        lines = [
            f"kernel of {self.n_samples} trained fields, temperature {self.temperature}: {verdict} "
            f"(p = {self.p:.2g})"
        ]
        for b, p, m, z in zip(
            self.scales, self.predicted, self.measured, self.deviations(), strict=True
        ):
            text = "  ".join(
                f"K({r}) {p.values[i]:.4g} | {shown_number(m.values[i], m.errors()[i])} "
                f"[{z[i]:+.1f}]"
                for i, r in enumerate(self.distances[:4])
            )
            lines.append(f"  b = {b}: {text}")
        return "\n".join(lines)


def compare_kernel_flow(
    flow: VertexFlow,
    fields: npt.ArrayLike,
    *,
    distances: int = 3,
    temperature: float | None = None,
    same_inputs: bool = True,
) -> TrainedKernelFlow:
    r"""Compare the kernel that data make with the one of trained weights, scale by scale.

    Parameters
    ----------
    flow : VertexFlow
        The prediction: kernels after elimination.
    fields : array of shape (S, N)
        Weights of independently trained neurons; more than N + 2 of them.
    distances : int
        Displacements 0 .. distances - 1 along the first axis; fewer where a scale has not as many.
    temperature : float, optional
        Of the trained fields about their mean; fitted at b = 1 from the trace of K times their
        covariance if left out.
    same_inputs : bool
        Whether all fields were trained on the inputs of `flow`, with other noise.

    Returns
    -------
    TrainedKernelFlow

    Raises
    ------
    ArgumentError
        If the shapes do not fit.
    AnalysisError
        If there are too few fields to invert their covariance.

    Notes
    -----
    Least squares with label noise sigma on P samples ends at weights of covariance :math:`T K^{-1}`
    with T = sigma^2 / P: the field's own action has the kernel of the data, that of its blocks the
    eliminated one, :math:`(P K^{-1} P^T)^{-1}`. Measured as the inverse covariance of block fields
    times (n - N_b - 1) / n, unbiased for Gaussian fields (n = S - 1). What departs from it is not
    quadratic, not at the minimum, or not of these data. With weight decay the law is that of
    weights in equilibrium with noise of their own, not of least squares with noisy labels.

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
    w = finite("fields", fields)
    first = flow.scales[0]
    vertices = first.eliminated_vertices
    size = vertices.inputs.shape[1]
    if w.ndim != 2 or w.shape[1] != size:
        raise ArgumentError(f"fields must have shape (S, {size}), got {w.shape}")
    group = sample_groups(len(w), _GROUPS) if len(w) > 1 else np.zeros(len(w), dtype=np.intp)
    sizes = np.bincount(group).astype(np.float64)
    if len(w) - sizes.max(initial=0) < size + 3:
        raise AnalysisError(
            f"{len(w)} fields are too few to invert the covariance of {size} sites; give more than "
            f"{size + 3 + int(sizes.max(initial=0))}"
        )
    kernel = vertices.kernel()
    kernel[np.diag_indices_from(kernel)] += flow.weight_decay
    given = None if temperature is None else as_real("temperature", temperature)
    if given is not None and not given > 0:
        raise ArgumentError(f"temperature must be above zero, got {given:g}")
    smallest = min(len(one.eliminated.displacements.along(0)) for one in flow.scales)
    count = min(as_count("distances", distances), smallest)
    modes = [block_modes(vertices.sites, one.scale) for one in flow.scales]
    lines = [one.eliminated.displacements.along(0)[:count] for one in flow.scales]
    rows = []
    for at in [*(group != g for g in range(len(sizes))), slice(None)]:
        covariance = np.cov(w[at], rowvar=False)
        heat = float((kernel * covariance).sum() / size) if given is None else given
        row = [np.array([heat])]
        n = len(w[at]) - 1
        for one, block, line in zip(flow.scales, modes, lines, strict=True):
            inverse = np.linalg.inv(block @ covariance @ block.T)
            scaled = np.asarray(heat * (n - len(block) - 1) / n * inverse, dtype=np.float64)
            row.append(one.eliminated.displacements.of_matrix(scaled)[line])
        rows.append(np.concatenate(row))
    found = Replicates.from_jackknife(rows[-1], np.stack(rows[:-1]), sizes)
    parts = [found.select(1 + i * count + np.arange(count)) for i in range(len(modes))]
    return TrainedKernelFlow(
        scales=tuple(one.scale for one in flow.scales),
        distances=np.arange(count),
        predicted=tuple(
            one.eliminated.profile.select(line)
            for one, line in zip(flow.scales, lines, strict=True)
        ),
        measured=tuple(parts),
        temperature=found.estimates(n_samples=len(w))[0],
        n_samples=len(w),
        same_inputs=bool(same_inputs),
    )
