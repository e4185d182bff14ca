"""Hubble rates over learning rate, width, depth and data, from networks trained for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, as_real, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.progress import reporter
from nnrg.provenance import describe_run, utc_now
from nnrg.simulate.training import TrainingData, TrainingRecord
from nnrg.theory.cosmology._scan_result import HubbleScan
from nnrg.theory.cosmology._scan_rows import ScanPlace, ScanRow
from nnrg.theory.cosmology._scan_runs import ScanRuns, as_rates, scan_places
from nnrg.theory.cosmology.against_rate import HubbleLaw, hubble_law
from nnrg.theory.cosmology.matches import MATCHES, cosmological_match

__all__ = ["hubble_scan"]


def hubble_scan(
    data: TrainingData | tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    *,
    match: str = "momentum",
    learning_rates: Sequence[float] | None = None,
    widths: Sequence[int] = (128,),
    depths: Sequence[int] = (1,),
    data_sizes: Sequence[int] | None = None,
    momentum: float = 0.9,
    activation: Any = "tanh",
    sigma_w: float = 1.0,
    sigma_b: float = 0.5,
    mode: str | int = 0,
    n_seeds: int = 8,
    steps: int | None = None,
    tolerance: float = 0.05,
    folder: str | PathLike[str] | None = None,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> HubbleScan:
    r"""Train networks at many learning rates, and measure Hubble rate and mass of each.

    Parameters
    ----------
    data : TrainingData or (inputs, targets), optional
        Inputs (P, n) and targets; by default `circle_data`.
    match : {"slow_roll", "second_order", "momentum"}
        As of `cosmological_match`: the last trains with `HeavyBall`, the others with
        `GradientDescent`.
    learning_rates : sequence of float, optional
        By default five over two decades for each network, where eta times the largest eigenvalue of
        the tangent kernel is 0.002 to 0.2, or 0.001 to 0.1 for the heavy ball.
    widths, depths, data_sizes : sequence of int
        Neurons of hidden layers, number of these, and data used, the first so many. Each is varied
        with the others at their first value. All data by default, or 16 of the circle.
    momentum : float
        Of the heavy ball, above 0 and below 1.
    activation : str, Activation or callable
    sigma_w, sigma_b : float
        As of `MLP`.
    mode : "mean" or int
        As of `fit_background`.
    n_seeds : int
        Networks of each kind, two at least.
    steps : int, optional
        Of each training; by default two decays of the mode, or five Hubble times.
    tolerance : float
        Deviation of H from the match, relative, below which the duality holds; of the universe that
        a scan brings along, see `compare_universe`.
    folder : path, optional
        Records of training are kept there, and a scan that was stopped goes on; needs `rng`.
    rng : numpy.random.Generator, SeedSequence, int or None
        Seeds have the same start at all learning rates.
    progress : callable, optional
        Called with (trainings made, all of them); by default a bar is shown on a terminal.

    Returns
    -------
    HubbleScan

    Raises
    ------
    ArgumentError
        If an argument is out of range, the folder holds records of another scan, or records take
        more than two gigabytes of memory.
    NonFiniteError
        If data hold NaN or infinity.
    AnalysisError
        If training of the first network diverges at every learning rate.
    SourceError
        If the folder cannot be written.

    Notes
    -----
    The verdict of a row is about H of single networks: the root mean square of
    :math:`H / H_{match} - 1` over all starts against `tolerance`, told from it by its fiducial
    distribution if deviations are normal. "Holds" is wrong with a probability of 2.5 % at most,
    "fails" of 6 % with two seeds, 4 % with four, 2.5 % with eight. Where training is not the linear
    one of a constant kernel, seeds differ, although their mean may be right. The exponent of H in
    the learning rate is one of a unit of time, see `hubble_law`.

    Examples
    --------
    >>> found = hubble_scan(widths=(256,), learning_rates=(1e-4, 1e-3, 1e-2), n_seeds=4, rng=1)
    >>> [row.verdict for row in found.rows]
    ['holds', 'holds', 'holds']
    >>> law = found.laws[found.places[0]]
    >>> round(law.exponent.value, 2), round(law.decades, 2)
    (-0.5, 2.0)
    """
    started = utc_now()
    if match not in MATCHES:
        raise ArgumentError(f"match must be one of {', '.join(MATCHES)}, got {shown(match)}")
    seeds, within = as_count("n_seeds", n_seeds, 2), as_real("tolerance", tolerance)
    mu = as_real("momentum", momentum) if match == "momentum" else 0.0
    if within <= 0:
        raise ArgumentError(f"tolerance must be positive, got {within}")
    if match == "momentum" and not 0 < mu < 1:
        raise ArgumentError(
            f"momentum must be above 0 and below 1, got {mu}; matches of gradient descent are "
            "slow_roll and second_order"
        )
    if folder is not None and rng is None:
        raise ArgumentError("a folder is to go on with the same scan: give rng, too")
    if folder is not None and (not isinstance(folder, str | PathLike) or not str(folder)):
        raise ArgumentError(f"folder must be a path, got {shown(folder)}")
    places, x, y = scan_places(data, widths, depths, data_sizes)
    runs = ScanRuns(
        match=match,
        momentum=mu,
        mode=mode,
        tolerance=within,
        n_seeds=seeds,
        law=(activation, as_real("sigma_w", sigma_w), as_real("sigma_b", sigma_b)),
        seed=as_seed(rng),
        rates=None if learning_rates is None else as_rates(learning_rates),
        steps=None if steps is None else as_count("steps", steps, 10),
        folder=None if folder is None else Path(folder),
        data=(x, y),
    )
    for place in places:
        runs.model(place)  # which refuses what is too large, before anything is trained
    rows: list[ScanRow] = []
    kept: TrainingRecord | None = None
    tell, close = reporter("hubble scan", progress)
    try:
        for place in places:
            begun = runs.begin(place)
            rates = runs.rates_of(begun)
            for i, eta in enumerate(rates):
                row, record = runs.run(begun, eta)
                rows.append(row)
                tell(len(rows), len(places) * len(rates))
                middle = i <= (len(rates) - 1) // 2
                if place == places[0] and record is not None and (middle or kept is None):
                    kept = record
    finally:
        close()
    if kept is None:
        raise AnalysisError(
            f"training of {places[0]} ends at every learning rate: {rows[0].reason}; try smaller "
            "ones"
        )
    universe = runs.compare(places[0], kept)
    laws, unfitted = _laws(rows, places)
    unit = cosmological_match(1.0, 1.0, match=match, momentum=mu).time_unit
    return HubbleScan(
        match=match,
        mode=str(mode),
        activation=runs.activation,
        time_unit=unit,
        momentum=mu,
        tolerance=within,
        rows=tuple(rows),
        laws=MappingProxyType(laws),
        unfitted=MappingProxyType(unfitted),
        universe=universe,
        n_samples=seeds,
        assumptions=universe.assumptions,
        provenance=MappingProxyType(
            {**describe_run("hubble_scan", started), "seed": str(runs.seed.entropy)}
        ),
    )


def _laws(
    rows: Sequence[ScanRow], places: Sequence[ScanPlace]
) -> tuple[dict[ScanPlace, HubbleLaw], dict[ScanPlace, str]]:
    laws: dict[ScanPlace, HubbleLaw] = {}
    unfitted: dict[ScanPlace, str] = {}
    for place in places:
        fits = [row.fit for row in rows if row.place == place and row.fit is not None]
        usable = [fit for fit in fits if (fit.replicates["hubble"] > 0).all()]
        try:
            laws[place] = hubble_law(usable)
        except AnalysisError as error:
            unfitted[place] = str(error)
    return laws, unfitted
