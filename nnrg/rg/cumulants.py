"""Cumulants of the block mean at every scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count
from nnrg.rg.flow import Flow
from nnrg.rg.levels import scale_label
from nnrg.rg.moments import cumulant_names, flag_ratios, observe
from nnrg.rg.nulls import VALUES_KEPT, Nulls, measure_nulls
from nnrg.rg.observables import Observables
from nnrg.rg.record import describe_flow, flag_groups
from nnrg.stats.estimate import format_value_error
from nnrg.stats.jackknife import jackknife_covariance
from nnrg_kernels.pyramid import Pyramid

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cumulants", "align", "assemble", "from_statistics", "measure_cumulants"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cumulants(Observables):
    """kappa_1..kappa_n of the unrescaled block mean at each scale, with errors and nulls.

    Names are ``kappa_1`` .. ``kappa_n`` (unit of the field to the n), ``ratio_3`` .. ``ratio_n``,
    lambda_n = kappa_n / kappa_2^{n/2} (dimensionless), and ``neighbour:mu``, the correlation of
    neighbouring sites along axis mu (dimensionless).
    """

    kind: ClassVar[str] = "cumulants"

    @property
    def order(self) -> int:
        """Highest order."""
        return sum(name.startswith("kappa_") for name in self.names)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each scale and order.

        Columns: scale, order, kappa, kappa_error, ratio, ratio_error, n_samples, null, z, flag.
        null and z are those of the ratio, of kappa_n itself for orders 1 and 2, against the first
        null model.
        """
        import pandas as pd

        errors, null, z = self.errors(), self.null_mean(), self.z()
        rows = []
        for level, b in enumerate(self.scales):
            for n in range(1, self.order + 1):
                i = self.names.index(f"kappa_{n}")
                ratio, ratio_error, at = self._ratio(level, n, errors)
                rows.append(
                    {
                        "scale": b.item(),
                        "order": n,
                        "kappa": self.values[level, i],
                        "kappa_error": errors[level, i],
                        "ratio": ratio,
                        "ratio_error": ratio_error,
                        "n_samples": int(self.n_samples[level]),
                        "null": null[level, at],
                        "z": z[level, at],
                        "flag": self.flags[level][at],
                    }
                )
        return pd.DataFrame(rows)

    def _ratio(self, level: int, n: int, errors: Array) -> tuple[float, float, int]:
        at = self.names.index(f"kappa_{n}" if n < 3 else f"ratio_{n}")
        if n == 1:
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = self.values[level, 0] / np.sqrt(self.values[level, 1])
                left = self.replicates[:, level, 0] / np.sqrt(self.replicates[:, level, 1])
            square = jackknife_covariance(left[:, None], [ratio], self.weights[:, level])[0, 0]
            return float(ratio), float(np.sqrt(square)), at
        if n == 2:
            return 1.0, 0.0, at
        return float(self.values[level, at]), float(errors[level, at]), at

    def __str__(self) -> str:
        return self.table()

    def table(self) -> str:
        """Return the flow of the variance, the neighbour correlation and the ratios as text."""
        errors, z = self.errors(), self.z()
        shown = ["kappa_2"] + [n for n in self.names if n.startswith("neighbour")]
        shown += [n for n in ("ratio_3", "ratio_4", "ratio_6") if n in self.names]
        lines = [[" b", "sites"]]
        for name in shown:
            lines[0] += [name.replace("neighbour", "corr"), "z"]
        sites = self.series["sites"]
        for level, b in enumerate(self.scales):
            row = [scale_label(b), f"{int(sites[level])}"]
            for name in shown:
                i = self.names.index(name)
                row.append(format_value_error(self.values[level, i], errors[level, i]))
                row[-1] += "*" if self.flags[level][i].startswith("below") else ""
                score = z[level, i]
                row.append("" if np.isnan(score) else f"{score:+.1f}")
            lines.append(row)
        return align(lines)


def align(lines: Sequence[Sequence[str]], left: Sequence[int] = ()) -> str:
    """Return rows of cells as columns, right-aligned but for those of `left`."""
    widths = [max(len(row[c]) for row in lines) for c in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if c in left else cell.rjust(w)
            for c, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in lines
    )


def measure_cumulants(
    flow: Flow,
    *,
    order: int = 8,
    nulls: Nulls = None,
    rng: object = None,
) -> Cumulants:
    """Return the cumulants of the unrescaled block mean at each scale, with errors and nulls.

    Parameters
    ----------
    flow : Flow
    order : int
        Highest order, 2 to 8.
    nulls : names, NullModel objects or DefaultNulls, optional
        Null models run through the same flow; ``()`` for none.
    rng : int, numpy Generator or None
        Seed of the null draws.

    Returns
    -------
    Cumulants

    Notes
    -----
    k-statistics (unbiased for independent sites) of all samples and sites pooled, with one common
    mean; errors from the jackknife over `flow.groups`.

    Examples
    --------
    >>> import numpy as np
    >>> import nnrg
    >>> values = np.random.default_rng(1).normal(size=(64, 16, 16))
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice((16, 16))))
    >>> flow.cumulants(order=4, rng=1).estimate("kappa_2", 1).flag
    ''
    """
    order = as_count("order", order, 2, 8, hint="8 takes no longer than 2")
    seed = as_seed(rng)

    def numbers(null: Flow) -> Array:
        return np.asarray(observe(null.statistics, order, replicates=False)[0])

    flow, drawn = measure_nulls(flow, nulls, seed, numbers)
    return assemble(flow, order, {name: np.stack(rows) for name, rows in drawn.items()}, seed)


def assemble(
    flow: Flow, order: int, draws: dict[str, Array], seed: np.random.SeedSequence
) -> Cumulants:
    """Return the cumulants of a flow, given what its null models gave."""
    return from_statistics(
        flow.statistics,
        order,
        scales=flow.scales,
        sites=[s.n_sites for s in flow.sites],
        draws=draws,
        attrs=describe_flow(flow, seed),
        flag=flag_groups(flow),
        factor=flow.factors(),
    )


def from_statistics(
    statistics: Pyramid,
    order: int,
    *,
    scales: Sequence[float],
    sites: Sequence[int],
    draws: dict[str, Array],
    attrs: dict[str, str | int | float],
    flag: str,
    factor: Array,
) -> Cumulants:
    """Return cumulants from group sums; `flag` is put on every number that has none of its own."""
    numbers = observe(statistics, order, replicates=True)
    names = cumulant_names(order, statistics.gradients.shape[2])
    # These keep every value at b = 1: what their draws differ by there is rounding.
    one_point = [i for i, name in enumerate(names) if not name.startswith("neighbour")]
    for name in VALUES_KEPT & draws.keys():
        draws[name][:, 0, one_point] = numbers[0, 0, one_point]
    flags = flag_ratios(names, numbers[0], statistics.counts.sum(axis=1), flag)
    # A number that some of the groups do not have has no error, and is none.
    filled = statistics.counts.T > 0
    without = ~np.isfinite(numbers[1:]) & filled[..., None]
    unstable = np.isfinite(numbers[0]) & without.any(axis=0)
    numbers[0][unstable] = np.nan
    flags = tuple(
        tuple(
            "unstable: there is no number without some of the groups" if lost else own
            for own, lost in zip(row, gone, strict=True)
        )
        for row, gone in zip(flags, unstable, strict=True)
    )
    return Cumulants(
        scales=np.array(scales),
        names=names,
        values=numbers[0],
        replicates=numbers[1:],
        weights=statistics.counts.T.astype(np.float64),
        nulls=draws,
        flags=flags,
        n_samples=np.full(len(scales), statistics.counts.shape[1], dtype=np.int64),
        attrs=attrs,
        series={"sites": np.array(sites, dtype=np.float64), "factor": factor},
    )
