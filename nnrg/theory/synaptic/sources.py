"""Sources that change with time: other data, or another step size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.stats.estimate import shown_number
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._samples import averages, finite
from nnrg.theory.synaptic.perceptron import PerceptronVertices

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SourceHistory", "source_history"]

Array = npt.NDArray[np.float64]

_LEVEL = 0.01


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SourceHistory:
    r"""Vertices along one fixed field at each stage of training, V_n(t).

    Attributes
    ----------
    times : array of shape (S,)
        Beginning of each stage.
    stages : tuple of Replicates of n numbers
        V_1 .. V_n contracted with copies of the field, times eta / eta_0 of the stage: the
        forces in the time unit of the first stage.
    field : array of shape (n_out, n_in)
        Of norm one.
    scales : array of shape (S,)
        eta / eta_0.
    """

    times: Array
    stages: tuple[Replicates, ...]
    field: Array
    scales: Array

    def __post_init__(self) -> None:
        for array in (self.times, self.field, self.scales):
            array.flags.writeable = False

    @property
    def order(self) -> int:
        """Highest n."""
        return int(self.stages[0].values.size)

    def changes(self) -> Array:
        """Return the change of each vertex from stage to stage in its errors, (S - 1, n).

        Data of the stages taken as independent; NaN where neither stage has an error.
        """
        out = np.full((len(self.stages) - 1, self.order), np.nan)
        for i in range(len(out)):
            before, after = self.stages[i], self.stages[i + 1]
            spread = np.hypot(before.errors(), after.errors())
            np.divide(after.values - before.values, spread, out=out[i], where=spread > 0)
        return out

    @property
    def static(self) -> bool:
        """Whether no vertex changes at the 1 % level, Holm's correction over all."""
        from scipy.special import erfc

        from nnrg.stats.multiple_testing import adjust_p_values

        z = self.changes().ravel()
        z = z[np.isfinite(z)]
        p = erfc(np.abs(z) / np.sqrt(2))
        return bool(p.size == 0 or np.min(adjust_p_values(p, "holm")) > _LEVEL)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each stage and order."""
        import pandas as pd

        rows = [
            {"time": t, "order": n + 1, "strength": v, "error": e, "scale": s}
            for t, stage, s in zip(self.times, self.stages, self.scales, strict=True)
            for n, (v, e) in enumerate(zip(stage.values, stage.errors(), strict=True))
        ]
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        kind = "static" if self.static else "time-dependent"
        lines = [f"sources of {len(self.stages)} stages: {kind}"]
        for t, stage in list(zip(self.times, self.stages, strict=True))[:16]:
            numbers = zip(stage.values, stage.errors(), strict=True)
            text = "  ".join(f"V_{n + 1} {shown_number(v, e)}" for n, (v, e) in enumerate(numbers))
            lines.append(f"  t = {t:g}: {text}")
        return "\n".join(lines)


def source_history(
    times: npt.ArrayLike,
    stages: Sequence[PerceptronVertices],
    *,
    learning_rates: npt.ArrayLike = 1.0,
    field: npt.ArrayLike | None = None,
) -> SourceHistory:
    r"""Return the vertices of training whose data or step size change.

    Parameters
    ----------
    times : array of shape (S,)
        Beginning of each stage, increasing.
    stages : sequence of PerceptronVertices
        Of the data of each stage, one shape and order.
    learning_rates : float or array of shape (S,)
        eta of each stage. A step size that changes multiplies all forces in a fixed unit of time.
    field : array of shape (n_out, n_in), optional
        Along which the vertices are followed; along J of the first stage if left out.

    Returns
    -------
    SourceHistory

    Raises
    ------
    ArgumentError
        If the stages do not fit each other.

    Notes
    -----
    w'' + gamma w' + (eta(t) / eta_0) dC_t / dw = 0 where h_0^2 = eta_0 sets the unit of time; the
    other reading, a unit of time that follows eta, is `cosmic_history`.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.synaptic.perceptron import perceptron_vertices
    >>> from nnrg.theory.synaptic.sources import source_history
    >>> x = np.random.default_rng(1).normal(size=(2, 400, 5))
    >>> y = x[:, :, 0] * np.array([[1.0], [-1.0]])
    >>> stages = [perceptron_vertices(a, b, order=2) for a, b in zip(x, y)]
    >>> source_history([0.0, 10.0], stages).static
    False
    """
    t = finite("times", times)
    if not stages or t.shape != (len(stages),) or (t.size > 1 and np.diff(t).min() <= 0):
        raise ArgumentError(
            f"times must be increasing, one for each of {len(stages)} stages, got shape {t.shape}"
        )
    shapes = {(one.shape, one.order) for one in stages}
    if len(shapes) > 1:
        raise ArgumentError(f"stages must have one shape and order, got {sorted(shapes)}")
    eta = finite("learning_rates", learning_rates)
    if eta.shape not in ((), t.shape) or not eta.min() > 0:
        raise ArgumentError(
            f"learning_rates must be positive, one number or one for each stage, got {eta.shape}"
        )
    scales = np.broadcast_to(eta, t.shape) / eta.flat[0]
    phi = stages[0].source()[0] if field is None else finite("field", field)
    phi = phi[None] if phi.ndim == 1 else phi
    norm = float(np.sqrt((phi**2).sum()))
    if phi.shape != stages[0].shape or not norm > 0:
        raise ArgumentError(
            f"field must have shape {stages[0].shape} and not be zero, got {phi.shape}; without a "
            "source give one"
        )
    phi = phi / norm
    found = []
    for one, scale in zip(stages, scales, strict=True):
        h = one.inputs @ phi.T
        rows = [(one.factors[n] * h**n).sum(axis=1) for n in range(1, one.order + 1)]
        found.append(averages(scale * np.stack(rows, axis=1)))
    return SourceHistory(times=t, stages=tuple(found), field=phi, scales=scales)
