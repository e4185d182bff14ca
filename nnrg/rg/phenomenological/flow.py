"""The phenomenological RG of activity: blocks of correlated units, and what scales with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg.rg.cumulants import align
from nnrg.rg.phenomenological._density import BlockDensity
from nnrg.rg.phenomenological._modes import Spectrum
from nnrg.rg.phenomenological.exponents import ScalingExponent
from nnrg.rg.phenomenological.nulls import NullScore
from nnrg.stats.replicates import Replicates

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PhenomenologicalFlow"]

Array = npt.NDArray[np.float64]

_TITLES = {
    "variance": "M_2",
    "free_energy": "-ln P_0",
    "time": "time",
    "kurtosis": "kurtosis",
    "mode_kurtosis": "of modes",
}


@dataclass(frozen=True, slots=True, eq=False)
class PhenomenologicalFlow:
    """Numbers at every block size, exponents, and what the null model says of them.

    Attributes
    ----------
    name : str
        Of the field.
    scales : int array of shape (n_scales,)
        K, units in a block.
    n_blocks : int array of shape (n_scales,)
    observables : mapping from name to Replicates of n_scales numbers
        ``variance``, M_2, of block sums, in the unit of activity squared; ``free_energy``,
        -ln P_0; ``time``, the lag at which the autocorrelation falls to 1/e, in steps;
        ``kurtosis``, kappa_4 / kappa_2^2 of block sums; ``mode_kurtosis``, the same of units in the
        N / K leading modes. Means over blocks, or units. NaN where a number could not be told.
    absent : mapping from name to str
        Why one of these is missing.
    spectra : tuple of Spectrum
        Covariance eigenvalues inside blocks of each size.
    density : BlockDensity
        Of standardised block activity.
    fits : mapping from name to ScalingExponent
    draws : mapping from name to array of shape (n_draws, n_scales)
        The observables in draws of the null model.
    scores : tuple of NullScore
        Smallest p first.
    rank_p : float
        Chance of so large a score if the units were independent; NaN if no null model was run.
    beaten : bool
        Whether N8 is beaten: both p-values are at most 0.05.
    verdict : str
    n_samples : int
        Samples measured.
    n_groups : int
        Groups of them that the jackknife leaves out.
    notes : tuple of str
    attrs : mapping
        Provenance and settings.
    """

    name: str
    scales: npt.NDArray[np.int64]
    n_blocks: npt.NDArray[np.int64]
    observables: Mapping[str, Replicates]
    absent: Mapping[str, str]
    spectra: tuple[Spectrum, ...]
    density: BlockDensity
    fits: Mapping[str, ScalingExponent]
    draws: Mapping[str, Array]
    scores: tuple[NullScore, ...]
    rank_p: float
    beaten: bool
    verdict: str
    n_samples: int
    n_groups: int
    notes: tuple[str, ...]
    attrs: Mapping[str, Any]

    def __post_init__(self) -> None:
        for array in (self.scales, self.n_blocks, *self.draws.values()):
            array.flags.writeable = False

    def exponents(self) -> dict[str, ScalingExponent]:
        """Return alpha, beta, mu and z, measured or not."""
        return dict(self.fits)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each scale and observable.

        Returns
        -------
        pandas.DataFrame
            Columns scale, observable, value, error, n_samples, null, null_spread, z, flag.
        """
        import pandas as pd

        rows: list[dict[str, object]] = []
        for name, data in self.observables.items():
            errors, drawn = data.errors(), self.draws.get(name)
            for level, k in enumerate(self.scales.tolist()):
                value = float(data.values[level])
                mean = spread = z = np.nan
                if drawn is not None and np.all(np.isfinite(drawn[:, level])):
                    mean = float(drawn[:, level].mean())
                    spread = float(drawn[:, level].std(ddof=1))
                    # What a shuffle leaves as it is differs by rounding alone.
                    if spread > 1e-9 * abs(mean):
                        z = (value - mean) / (spread * np.sqrt(1 + 1 / len(drawn)))
                rows.append(
                    {
                        "scale": k,
                        "observable": name,
                        "value": value,
                        "error": float(errors[level]),
                        "n_samples": self.n_samples,
                        "null": mean,
                        "null_spread": spread,
                        "z": z,
                        "flag": "" if np.isfinite(value) else "cannot be told",
                    }
                )
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        shown = [name for name in _TITLES if name in self.observables]
        lines = [["K", "blocks", *(_TITLES[name] for name in shown)]]
        estimates = {name: self.observables[name].estimates() for name in shown}
        for level, k in enumerate(self.scales.tolist()):
            cells = [str(estimates[name][level]) for name in shown]
            lines.append([str(k), str(self.n_blocks[level]), *cells])
        text = [
            f"{self.name}: {self.scales[0]} .. {self.scales[-1]} units in a block, "
            f"{self.n_samples} samples measured in {self.n_groups} groups",
            f"blocks: {self.attrs['blocks_chosen_by']}",
            align(lines),
            *(str(fit) for fit in self.fits.values()),
            *(f"N8: {score}" for score in self.scores),
            f"verdict: {self.verdict}",
            *(f"note: {note}" for note in self.notes),
        ]
        return "\n".join(text)
