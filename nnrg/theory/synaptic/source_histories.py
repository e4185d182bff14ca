"""Vertices of training whose data, step size or weights change: the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as _field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg.stats.estimate import shown_number
from nnrg.stats.replicates import Replicates

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SourceHistory"]

Array = npt.NDArray[np.float64]

_LEVEL = 0.01
_ROWS = 16


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SourceHistory:
    r"""Vertices along one fixed field at each stage of training, V_n(t).

    Two things change them: the sources themselves, which are data and step size, and the point of
    the expansion, which moves as weights learn.

    Attributes
    ----------
    times : array of shape (S,)
        Beginning of each stage.
    stages : tuple of Replicates of n numbers
        V_1 .. V_n about the point of each stage, contracted with copies of the field, times
        eta / eta_0 of the stage: the forces in the time unit of the first stage.
    at_first_point : tuple of Replicates of n numbers
        The same about the point of the first stage: the sources alone.
    point_moves : bool
        Whether the stages have different points.
    field : array of shape (n_out, n_in) or (n_parameters,)
        Of norm one.
    scales : array of shape (S,)
        eta / eta_0.
    same_data : bool
        Whether all stages have the same data, so that their errors have much in common.
    n_samples : int
        Of the first stage.
    assumptions : tuple of str
    provenance : mapping
        Of the record that it is from, if it is from one.
    """

    times: Array
    stages: tuple[Replicates, ...]
    at_first_point: tuple[Replicates, ...]
    point_moves: bool
    field: Array
    scales: Array
    same_data: bool
    n_samples: int
    assumptions: tuple[str, ...]
    provenance: Mapping[str, Any] = _field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for array in (self.times, self.field, self.scales):
            array.flags.writeable = False

    @property
    def order(self) -> int:
        """Highest n."""
        return int(self.stages[0].values.size)

    def changes(self, *, sources: bool = False) -> Array:
        """Return the change of each vertex from stage to stage in its errors, (S - 1, n).

        Other data are taken as independent, of the same data the common part of the errors cancels;
        NaN where neither stage has an error.

        Parameters
        ----------
        sources : bool
            Of data and step size alone, about the point of the first stage.
        """
        found = self.at_first_point if sources else self.stages
        out = np.full((len(found) - 1, self.order), np.nan)
        for i in range(len(out)):
            before, after = found[i], found[i + 1]
            change = after.values - before.values
            if self.same_data:
                rows = after.replicates - before.replicates
                spread = Replicates.from_jackknife(change, rows, before.sizes).errors()
            else:
                spread = np.hypot(before.errors(), after.errors())
            np.divide(change, spread, out=out[i], where=spread > 0)
        return out

    @property
    def static(self) -> bool:
        """Whether no source changes at the 1 % level, Holm's correction over all.

        A point of the expansion that moves is not a source.
        """
        return self._same(self.changes(sources=True))

    def _same(self, z: Array) -> bool:
        from scipy.stats import t

        from nnrg.stats.multiple_testing import adjust_p_values

        z = z[np.isfinite(z)]
        p = 2 * t.sf(np.abs(z), min(stage.dof for stage in self.stages))
        return bool(p.size == 0 or np.min(adjust_p_values(p, "holm")) > _LEVEL)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each stage and order."""
        import pandas as pd

        rows = [
            {
                "time": t,
                "order": n + 1,
                "strength": v,
                "error": e,
                "at_first_point": w,
                "at_first_point_error": f,
                "scale": s,
                "n_samples": self.n_samples,
            }
            for t, stage, still, s in zip(
                self.times, self.stages, self.at_first_point, self.scales, strict=True
            )
            for n, (v, e, w, f) in enumerate(
                zip(stage.values, stage.errors(), still.values, still.errors(), strict=True)
            )
        ]
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        kind = "static" if self.static else "time-dependent"
        if np.ptp(self.scales) > 0:
            kind += f", eta / eta_0 from {self.scales.min():.3g} to {self.scales.max():.3g}"
        head = (
            f"sources of {len(self.stages)} stages, V_n along one field of norm 1 in "
            f"{self.field.size} weights, times eta / eta_0"
        )
        lines = [f"{head}: {kind}"]
        if self.point_moves:
            moved = "no change is seen" if self._same(self.changes()) else "they change with it"
            lines = [
                head,
                f"  about the weights of the first stage, data and step size alone: {kind}",
                f"  about the weights of each stage, a point that moves: {moved}",
            ]
        for t, stage in list(zip(self.times, self.stages, strict=True))[:_ROWS]:
            numbers = zip(stage.values, stage.errors(), strict=True)
            text = "  ".join(f"V_{n + 1} {shown_number(v, e)}" for n, (v, e) in enumerate(numbers))
            lines.append(f"  t = {t:g}: {text}")
        if len(self.stages) > _ROWS:
            lines.append(f"  and {len(self.stages) - _ROWS} more; see to_dataframe")
        return "\n".join([*lines, *(f"  assumed: {a}" for a in self.assumptions)])
