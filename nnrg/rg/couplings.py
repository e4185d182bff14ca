"""The effective action at every scale, as a result: couplings with errors, and their table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from nnrg.rg.cumulants import align
from nnrg.rg.levels import scale_label
from nnrg.rg.observables import Observables
from nnrg.stats.estimate import format_value_error

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Couplings"]

# Characters of the operators' columns in one table.
_SCREEN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Couplings(Observables):
    """g_a(b) of the rescaled block field, with errors, nulls, goodness of fit and flags.

    ``series`` holds, for each scale: ``chi2``, ``dof`` and ``p`` of the fit on functions outside
    the basis and their studentised residuals (``residual:phi^4``), ``condition`` of the scaled
    matrix, ``sites`` used, ``factor`` of the rescaling, ``sigma`` the standard deviation of the
    rescaled field, and the spreads of variance over samples and over sites.
    """

    kind: ClassVar[str] = "couplings"

    @property
    def fields(self) -> npt.NDArray[np.int64]:
        """Number of powers of phi in each operator, shape (n_operators,)."""
        return np.array(str(self.attrs["fields"]).split(), dtype=np.int64)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each scale and operator.

        Columns: scale, operator, value, error, n_samples, null (mean over the draws of the first
        null model), z, flag.
        """
        import pandas as pd

        k, a = self.values.shape
        return pd.DataFrame(
            {
                "scale": np.repeat(self.scales, a),
                "operator": list(self.names) * k,
                "value": self.values.ravel(),
                "error": self.errors().ravel(),
                "n_samples": np.repeat(self.n_samples, a),
                "null": self.null_mean().ravel(),
                "z": self.z().ravel(),
                "flag": [f for row in self.flags for f in row],
            }
        )

    def __str__(self) -> str:
        return self.table()

    def table(self) -> str:
        """Return dimensionless couplings, their z-scores and the goodness of fit as text.

        Numbers are g_n sigma^n, with sigma the standard deviation of the rescaled field at that
        scale: free of the unit of the weights. `to_dataframe` has them in that unit.
        """
        sigma = self.series["sigma"][:, None] ** self.fields
        values, errors = self.values * sigma, self.errors() * sigma
        keys: dict[str, str] = {}
        fits = []
        for level, row in enumerate(self.flags):
            chi2, dof, p = (self.series[s][level] for s in ("chi2", "dof", "p"))
            fit = ["", ""] if np.isnan(chi2) else [f"{chi2:.1f}/{dof:.0f}", f"{p:.2g}"]
            here = dict.fromkeys(f.partition(":")[0] for flag in row for f in flag.split("; ") if f)
            letters = [keys.setdefault(flag, chr(ord("a") + len(keys))) for flag in here]
            fits.append([*fit, ",".join(letters)])
        cells = [
            ["-" if np.isnan(v) else format_value_error(v, e) for v, e in zip(*row, strict=True)]
            for row in zip(values, errors, strict=True)
        ]
        ends = [["chi2/dof", "p", "flags"], *fits]
        text = _columns(self.scales, self.names, cells, ends)
        if keys:
            text += "\n  " + "; ".join(f"{letter}: {flag}" for flag, letter in keys.items())
        for null, draws in self.nulls.items():
            scores = [["" if np.isnan(s) else f"{s:+.1f}" for s in row] for row in self.z(null)]
            table = _columns(self.scales, self.names, scores)
            text += f"\n\nz against {draws.shape[0]} draws of {null}:\n{table}"
        return text


def _columns(
    scales: npt.NDArray[np.int64] | npt.NDArray[np.float64],
    names: tuple[str, ...],
    cells: list[list[str]],
    ends: list[list[str]] | None = None,
) -> str:
    """Return a table of operators by scale, cut into several where it is wider than a screen.

    `ends` are the last columns of the last one, its heading first.
    """
    tail = ends or [[]] * (1 + len(cells))
    width = [3 + max(len(name), *(len(row[a]) for row in cells)) for a, name in enumerate(names)]
    tables, first = [], 0
    for a in range(1, len(names) + 1):
        if a == len(names) or sum(width[first : a + 1]) > _SCREEN:
            last = tail if a == len(names) else [[]] * (1 + len(cells))
            lines = [[" b", *names[first:a], *last[0]]]
            for b, row, end in zip(scales, cells, last[1:], strict=True):
                lines.append([scale_label(b), *row[first:a], *end])
            tables.append(align(lines, left=(len(lines[0]) - 1,) if last[0] else ()))
            first = a
    return "\n".join(tables)
