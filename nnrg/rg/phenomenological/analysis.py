"""Activity in, a phenomenological flow with its null model out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_real, shown
from nnrg._version import __version__
from nnrg.errors import ArgumentError
from nnrg.fields import SynapticField
from nnrg.lattice import Lattice
from nnrg.progress import Told, reporter
from nnrg.rg.neighbourhoods.hierarchy import Hierarchy
from nnrg.rg.neighbourhoods.pairs import PairBlocks, flat_units
from nnrg.rg.phenomenological._activity import Activity, arranged, varying_units
from nnrg.rg.phenomenological._density import measure_density
from nnrg.rg.phenomenological._measure import (
    draw_numbers,
    fit_all,
    judged_numbers,
    measure_pass,
)
from nnrg.rg.phenomenological._verdict import conclude
from nnrg.rg.phenomenological.flow import PhenomenologicalFlow
from nnrg.rg.phenomenological.nulls import IndependentUnits, as_null, judge, stimulus_labels

__all__ = ["phenomenological_flow"]

Values = npt.NDArray[np.floating[Any]]


def phenomenological_flow(
    activity: SynapticField | npt.ArrayLike,
    *,
    blocks: PairBlocks | None = None,
    hierarchy: Hierarchy | None = None,
    levels: int | None = None,
    threshold: float | None = None,
    modes: bool = True,
    nulls: str | IndependentUnits | Sequence[str | IndependentUnits] = ("independent",),
    stimulus: npt.ArrayLike | None = None,
    rng: object = None,
    progress: Told | None = None,
) -> PhenomenologicalFlow:
    r"""Coarse-grain activity by correlated pairs, and measure what scales with the size of blocks.

    Parameters
    ----------
    activity : SynapticField or array of shape (n_samples, n_units)
        In any unit. Samples are independent unless `blocks` says that they are a time series.
    blocks : PairBlocks, optional
        Which samples choose the blocks and their modes; all others are measured. By default half of
        them, drawn with seed 0.
    hierarchy : Hierarchy, optional
        Nested blocks of equal size, known from elsewhere than these samples; units are then not
        paired.
    levels : int, optional
        Level 0, single units, is one of them. By default as many as leave four blocks.
    threshold : float, optional
        A unit is silent where its activity is at most this, in the unit of activity. By default 0
        where no activity is negative and some is zero; else silence means nothing.
    modes : bool
        Whether to coarse-grain by the leading modes of all units too, of at most 2048 units.
    nulls : str, IndependentUnits, or sequence with one of them
        ``"independent"`` is null model N8 with 20 draws; () is none.
    stimulus : array_like of shape (n_samples,), optional
        What was shown in each sample: null draws keep the law of each unit given the stimulus.
    rng : int, numpy.random.Generator or None
        Source of the null draws.
    progress : callable, optional
        Told how many passes are done and their number: one of the data and one for each draw. By
        default a line on a terminal, once two seconds are over.

    Returns
    -------
    PhenomenologicalFlow

    Raises
    ------
    ArgumentError
        If an argument is of the wrong kind or out of range, or blocks are of unequal size.
    NonFiniteError
        If activity is NaN or infinite.
    AnalysisError
        If there are too few units that vary, or too few independent samples.

    Notes
    -----
    With :math:`x_K` the sum of the activity of the K units of a block, means over blocks,

    .. math:: M_2(K) = \langle x_K^2 \rangle_c \sim K^\alpha, \qquad
              -\ln P_0(K) \sim K^{\tilde\beta}, \qquad
              \lambda_r(K) \sim (K / r)^\mu, \qquad \tau(K) \sim K^z .

    :math:`P_0` is the chance that all units of a block are silent; :math:`\lambda_r` the variance
    along the r-th mode of the covariance inside a block of the largest size that has 16 samples
    that choose for each mode; :math:`\tau` the lag at which the autocorrelation falls to 1/e
    (L. Meshulam et al., Physical Review Letters 123 (2019) 178103,
    doi:10.1103/PhysRevLett.123.178103). Independent units have :math:`\alpha = \tilde\beta = 1` and
    :math:`\mu = z = 0`, fully correlated ones :math:`\alpha = 2`. Correlations
    :math:`C(r) \sim r^{-2\Delta}` in d dimensions with compact blocks have
    :math:`\alpha = 2 - 2 \Delta / d` and :math:`\mu = \alpha - 1`; pairing adapts to the
    correlations and need not keep that.

    Modes are chosen on samples of their own, on which they are not measured: no spread of
    eigenvalues is made by noise, as it is (Marchenko and Pastur) where the same samples choose.
    Noise of the modes mixes those of like variance and flattens the spectrum, to first order in
    proportion to 1/n; modes chosen by half the samples tell how much, which is taken out.

    Errors: delete-group jackknife over measured samples, or stretches of time, with all scales
    together, everything refitted in each replicate, blocks and modes as they were chosen. The
    joint modes of all units are those of S. Bradde and W. Bialek, Journal of Statistical Physics
    167 (2017) 462, doi:10.1007/s10955-017-1770-6.

    Examples
    --------
    Units that share nothing do not beat units that share nothing:

    >>> import numpy as np
    >>> from nnrg.rg.phenomenological import phenomenological_flow
    >>> x = np.random.default_rng(1).exponential(size=(600, 64)) * np.linspace(1, 3, 64)
    >>> flow = phenomenological_flow(x, rng=2)
    >>> print(flow.exponents()["alpha"].effective, flow.beaten)
    1.016(14) False
    """
    blocks = PairBlocks() if blocks is None else blocks
    _check_policies(blocks, hierarchy, stimulus)
    null = as_null(nulls)
    field = _as_field(activity)
    values: Values = flat_units(field)
    varies, note = varying_units(values, field.name)
    split = blocks.samples(field)
    notes = [note] if note else []
    if not field.independent and not blocks.series:
        notes.append("samples are not independent of one another: errors are too small")
    if hierarchy is not None:
        if hierarchy.n_sites != varies.size:
            raise ArgumentError(
                f"hierarchy must be of the {varies.size} units of field {field.name!r}, got one "
                f"of {hierarchy.n_sites}"
            )
        if not varies.all():
            raise ArgumentError(
                f"a hierarchy cannot hold units that do not vary: {note}; leave them out of both"
            )
    values = np.ascontiguousarray(values[:, varies])
    held_out: Values | None = None
    if blocks.chosen_on is not None:
        held_out = np.asarray(blocks.chosen_on)[:, varies]
    labels, text = (None, "") if stimulus is None else stimulus_labels(stimulus, len(values))
    silent_at, silent = _silence(values, threshold)
    notes += [text] if text else []

    def arrange(these: Values, held: Values | None) -> Activity:
        return arranged(these, held, split, blocks, hierarchy, levels, silent_at)

    tell, close = reporter("null draws", progress)
    try:
        passes = 1 + (0 if null is None else null.draws)
        measured = arrange(values, held_out)
        one = measure_pass(measured, silent=silent, modes=modes, errors=True)
        tell(1, passes)
        data, fits = fit_all(one, measured)
        numbers = judged_numbers(data, fits)
        seed = as_seed(rng)
        drawn: dict[str, list[Any]] = {name: [] for name in one.observables}
        judged: dict[str, list[float]] = {name: [] for name in numbers}
        for done, child in enumerate(seed.spawn(null.draws) if null is not None else (), 2):
            generator = np.random.default_rng(child)
            assert null is not None
            shuffled = null.draw(values, labels, blocks.series, generator)
            held = None if held_out is None else null.draw(held_out, None, blocks.series, generator)
            here = arrange(shuffled, held)
            again = measure_pass(here, silent=silent, modes=modes, errors=False, largest=True)
            for name, found in again.observables.items():
                drawn[name].append(found.values)
            single = draw_numbers(again, here, fits)
            for name in judged:
                judged[name].append(single[name])
            tell(done, passes)
    finally:
        close()
    groups = int(measured.starts.size)
    scores, rank_p = judge(numbers, {n: np.array(v) for n, v in judged.items() if v}, groups)
    beaten, verdict = conclude(fits, scores, rank_p, null, stimulus is not None)
    return PhenomenologicalFlow(
        name=field.name,
        scales=np.array(measured.sizes, dtype=np.int64),
        n_blocks=np.array([measured.n_blocks(i) for i in range(len(measured.sizes))]),
        observables=data,
        absent=one.absent,
        spectra=one.spectra,
        density=measure_density(measured),
        fits=fits,
        draws={name: np.stack(rows) for name, rows in drawn.items() if rows},
        scores=scores,
        rank_p=rank_p,
        beaten=beaten,
        verdict=verdict,
        n_samples=len(measured.values),
        n_groups=groups,
        notes=(*field.notes, *notes, *measured.notes),
        attrs={
            "nnrg_version": __version__,
            "blocks": repr(blocks),
            "blocks_chosen_by": "given" if hierarchy is not None else blocks.provenance,
            "modes_chosen_by": blocks.provenance,
            "units": int(varies.size),
            "nulls": repr(null),
            "seed": str(seed.entropy),
        },
    )


def _check_policies(blocks: object, hierarchy: object, stimulus: object) -> None:
    if not isinstance(blocks, PairBlocks):
        raise ArgumentError(
            f"blocks must be PairBlocks, got {shown(blocks)}; blocks known from elsewhere are "
            "given as hierarchy=Hierarchy(labels)"
        )
    if hierarchy is not None and not isinstance(hierarchy, Hierarchy):
        raise ArgumentError(
            f"hierarchy must be a Hierarchy, got {shown(hierarchy)}; try Hierarchy([labels])"
        )
    if stimulus is not None and (blocks.series or blocks.chosen_on is not None):
        raise ArgumentError(
            "with a stimulus samples must be independent trials that are split: shuffling them "
            "destroys time, and samples held out have no labels; leave out stimulus, or use "
            "PairBlocks(split=0.5)"
        )


def _as_field(activity: object) -> SynapticField:
    if isinstance(activity, SynapticField):
        return activity
    array = np.asarray(activity)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ArgumentError(
            f"activity must have shape (n_samples, n_units), got {array.shape}; samples come first"
        )
    if array.dtype.kind in "biu":  # counts of spikes
        array = array.astype(np.float64)
    return SynapticField(array, Lattice(array.shape[1]), name="activity", natural=False)


def _silence(values: Values, threshold: object) -> tuple[float | None, str]:
    """Return below which activity is silence, or why silence means nothing."""
    if threshold is not None:
        at = as_real("threshold", threshold, hint="give it in the unit of activity")
        if not np.any(values > at):
            raise ArgumentError(
                f"no unit is ever above threshold {at:g}, activity goes up to {values.max():g}"
            )
        return at, ""
    if values.min() < 0:
        return None, "activity is negative, so that silence means nothing; give threshold="
    if values.min() > 0:
        return None, "no unit is ever silent; give threshold="
    return 0.0, ""
