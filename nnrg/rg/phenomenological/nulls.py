"""N8: units that know nothing of one another, each with the law that it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.estimate import Estimate, format_value_error
from nnrg.stats.multiple_testing import adjust_p_values, outlier_scores, student_p_values

__all__ = ["IndependentUnits", "NullScore", "as_null", "judge", "stimulus_labels"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class IndependentUnits:
    """Null model N8, heterogeneous independent units, and how many times it is drawn.

    The samples of each unit are shuffled for themselves: its mean, variance and sparsity stay, what
    units have to do with one another goes. Where a stimulus is given they are shuffled among
    samples of the same stimulus, so that tuning stays, and with it what units have in common by
    being tuned alike (arXiv:2507.23030: such units reproduce published exponents). Of a time series
    each unit is shifted around by a time of its own, so that it keeps its memory.

    Parameters
    ----------
    draws : int
        Independent draws, at least 3. The whole analysis is repeated on each, pairing included.

    Raises
    ------
    ArgumentError
        If the draws are no integer in range.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.rg.phenomenological.nulls import IndependentUnits
    >>> x = np.arange(8.0)[:, None] + [0, 10]
    >>> drawn = IndependentUnits().draw(x, None, False, np.random.default_rng(1))
    >>> bool((np.sort(drawn, axis=0) == x).all()), bool((drawn[:, 1] - drawn[:, 0] == 10).all())
    (True, False)
    """

    draws: int = 20

    def __post_init__(self) -> None:
        as_count("draws", self.draws, 3, 1_000_000, hint="try 20")

    name = "independent"
    label = "N8"

    def draw(
        self,
        values: npt.NDArray[Any],
        stimulus: Ints | None,
        series: bool,
        rng: np.random.Generator,
    ) -> npt.NDArray[Any]:
        """Return activity of shape (n_samples, n_units) with each unit shuffled for itself."""
        out: npt.NDArray[Any]
        if series:
            steps, units = values.shape
            shift = rng.integers(0, steps, size=units)
            at = (np.arange(steps)[:, None] + shift) % steps
            return np.take_along_axis(values, at, axis=0)
        if stimulus is None:
            return rng.permuted(values, axis=0)
        out = np.empty_like(values)
        for label in range(int(stimulus.max()) + 1):
            at = np.flatnonzero(stimulus == label)
            out[at] = rng.permuted(values[at], axis=0)
        return out


def as_null(nulls: object) -> IndependentUnits | None:
    """Return the null model asked for, None for an empty sequence.

    Raises
    ------
    ArgumentError
        If it is another one.
    """
    given = (nulls,) if isinstance(nulls, str | IndependentUnits) else nulls
    if isinstance(given, Sequence) and len(given) == 0:
        return None
    if isinstance(given, Sequence) and len(given) == 1:
        if isinstance(given[0], IndependentUnits):
            return given[0]
        if isinstance(given[0], str) and given[0] == IndependentUnits.name:
            return IndependentUnits()
    raise ArgumentError(
        "nulls must be ('independent',), an IndependentUnits(draws=...) or (), got "
        f"{shown(nulls)}; the null model of the phenomenological RG is independent units"
    )


def stimulus_labels(stimulus: npt.ArrayLike, n_samples: int) -> tuple[Ints, str]:
    """Return labels 0, 1, .. of the stimulus of each sample, and a note on those shown once.

    Raises
    ------
    ArgumentError
        If there is not one label for each sample.
    AnalysisError
        If no stimulus was shown twice.
    """
    given = np.asarray(stimulus)
    if given.shape != (n_samples,):
        raise ArgumentError(
            f"stimulus must hold one label for each of {n_samples} samples, got shape {given.shape}"
        )
    _, labels = np.unique(given, return_inverse=True)
    shown_times = np.bincount(labels)
    once = int(np.count_nonzero(shown_times == 1))
    if once == shown_times.size:
        raise AnalysisError(
            f"each of {once} stimuli was shown once: nothing can be shuffled at a fixed stimulus; "
            "give coarser labels, or leave them out"
        )
    note = f"{once} of {shown_times.size} stimuli were shown once and stay as they are"
    return labels.astype(np.int64), note if once else ""


@dataclass(frozen=True, slots=True)
class NullScore:
    """One number against the draws of the null model.

    Attributes
    ----------
    name : str
    value, error : float
    null_mean, null_spread : float
        Mean and standard deviation over the draws.
    z : float
        (value - mean) / (spread sqrt(1 + 1/R)).
    p : float
        Two-sided: the larger of that of z, Student's t with R - 1 degrees of freedom, and that of
        (value - mean) in units of the number's own error.
    adjusted : float
        p adjusted for all numbers by Holm's method.
    """

    name: str
    value: float
    error: float
    null_mean: float
    null_spread: float
    z: float
    p: float
    adjusted: float

    def __str__(self) -> str:
        return (
            f"{self.name} {format_value_error(self.value, self.error)}, N8 "
            f"{format_value_error(self.null_mean, self.null_spread)}, z = {self.z:+.1f}"
        )


def judge(
    numbers: dict[str, Estimate], draws: dict[str, Array], groups: int
) -> tuple[tuple[NullScore, ...], float]:
    """Score numbers against their draws, smallest p first, and rank the data among them.

    Returns
    -------
    scores : tuple of NullScore
    rank_p : float
        Share of the data and its draws that stand out from the others as far as the data; NaN
        where there is no number.
    """
    names = [
        name
        for name, number in numbers.items()
        if name in draws
        and np.isfinite(number.value)
        and np.isfinite(number.error)
        and np.all(np.isfinite(draws[name]))
        and np.std(draws[name]) > 0
    ]
    if not names:
        return (), float("nan")
    scores = []
    for name in names:
        number, drawn = numbers[name], draws[name]
        count, mean, spread = drawn.size, float(drawn.mean()), float(drawn.std(ddof=1))
        z = (number.value - mean) / (spread * np.sqrt(1 + 1 / count))
        own = (number.value - mean) / np.hypot(number.error, spread / np.sqrt(count))
        p = max(float(student_p_values(z, count)), float(student_p_values(own, groups)))
        scores.append(NullScore(name, number.value, number.error, mean, spread, float(z), p, p))
    adjusted = adjust_p_values([s.p for s in scores], "holm")
    scores = [replace(s, adjusted=float(a)) for s, a in zip(scores, adjusted, strict=True)]
    everyone = np.stack([np.concatenate([[numbers[n].value], draws[n]]) for n in names], axis=1)
    standing = outlier_scores(everyone)
    rank_p = float(np.mean(standing >= standing[0]))
    return tuple(sorted(scores, key=lambda s: s.p)), rank_p
