"""Mass and contact coupling of an ensemble of networks, with replicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.simulate.shallow import HiddenLayer, one_hidden_layer
from nnrg.stats._heavy_tails import heavy_tail
from nnrg.stats.fits import FitResult, correlated_fit
from nnrg.stats.joint_cumulants import joint_cumulants
from nnrg.stats.replicates import Replicates
from nnrg.theory.information_flow._contact import COLUMNS, Grid, couplings

__all__ = ["Measured", "measure"]

Floats = npt.NDArray[np.float64]

# Errors by which a correlation must be clear of zero for its logarithm to be used.
_CLEAR = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Couplings of one ensemble.

    Attributes
    ----------
    couplings : Replicates
        The numbers of `COLUMNS`, NaN if there is no mass.
    fit : FitResult or None
        That of the mass.
    flag : str
    """

    couplings: Replicates
    fit: FitResult | None
    flag: str


def measure(
    networks: Sequence[HiddenLayer],
    sets: Sequence[Floats],
    grid: Grid,
    n_networks: int,
    seed: np.random.SeedSequence,
    *,
    together: bool,
) -> list[Measured]:
    """Draw networks and measure them at each set of points.

    With `together` the first network is drawn once and looked at on all sets.
    """
    if together:
        every = one_hidden_layer(
            networks[0],
            np.concatenate(list(sets)),
            n_networks=n_networks,
            rng=np.random.default_rng(seed),
        )
        k = len(sets[0])
        outputs = [every[:, at * k : (at + 1) * k] for at in range(len(sets))]
        return [_one(each, grid) for each in outputs]
    found = []
    for network, points, child in zip(networks, sets, seed.spawn(len(sets)), strict=True):
        rng = np.random.default_rng(child)
        found.append(_one(one_hidden_layer(network, points, n_networks=n_networks, rng=rng), grid))
    return found


def _one(outputs: Floats, grid: Grid) -> Measured:
    found = joint_cumulants(outputs, 4).replicates
    k, pairs, quads = outputs.shape[1], len(grid.pairs), len(grid.quads)
    data = found.select(
        np.concatenate([k + np.arange(pairs), found.values.size - quads + np.arange(quads)])
    )
    unknown = np.full(len(COLUMNS), np.nan)
    fit = _mass(grid, data.select(np.arange(pairs)))
    if fit is None:
        rows = np.tile(unknown, (len(data.replicates), 1))
        flag = "no correlation of two inputs is clear of zero: a mass cannot be told"
        return Measured(data.derived(unknown, rows), None, flag)
    masses = np.concatenate([fit.parameters.values, fit.parameters.replicates[:, 0]])
    rows = np.stack([data.values, *data.replicates])
    numbers = np.stack(
        [couplings(grid, row[:pairs], row[pairs:], m) for row, m in zip(rows, masses, strict=True)]
    )
    made = data.derived(numbers[0], numbers[1:])
    flags = [heavy_tail(made.select([0, 1, 2])), fit.flag and f"mass: {fit.flag}"]
    return Measured(made, fit, "; ".join(filter(None, flags)))


def _mass(grid: Grid, two: Replicates) -> FitResult | None:
    """Fit m^2 r^2 to -4 ln of the correlations that are clear of zero."""
    first = np.flatnonzero(grid.diagonal)[grid.pairs[:, 0]]
    second = np.flatnonzero(grid.diagonal)[grid.pairs[:, 1]]

    def correlations(row: Floats) -> Floats:
        return np.asarray(row / np.sqrt(row[first] * row[second]))

    rho = two.map(correlations)
    used = np.flatnonzero((grid.distances2 > 0) & (rho.values > _CLEAR * rho.errors()))
    if not used.size:
        return None
    logs = rho.select(used).map(lambda row: -4 * np.log(row))
    r2 = grid.distances2[used]
    if not np.isfinite(logs.replicates).all() or not (logs.errors() > 0).all():
        return None
    distances = np.sqrt(r2)
    # Correlations of a smooth field nearly move as one: the inverse of their covariance is noise.
    return correlated_fit(
        r2[:, None],
        r2,
        logs,
        names=("mass2",),
        covariance="diagonal",
        window=(float(distances.min()), float(distances.max())),
    )
