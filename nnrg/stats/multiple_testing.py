"""From z-scores against null draws to p-values, and p-values of many numbers looked at together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError

__all__ = ["adjust_p_values", "outlier_scores", "rank_p_values", "student_p_values"]

Array = npt.NDArray[np.float64]

_METHODS = ("benjamini-hochberg", "benjamini-yekutieli", "holm")


def student_p_values(z: npt.ArrayLike, draws: int) -> Array:
    """Return two-sided p-values of z-scores against `draws` null draws; NaN stays NaN.

    Parameters
    ----------
    z : array
        Scores as of `Observables.z`, dimensionless.
    draws : int
        Null draws behind each score, at least 2.

    Returns
    -------
    array of the shape of `z`

    Raises
    ------
    ArgumentError
        If there are fewer than two draws.

    Notes
    -----
    Student's t with ``draws - 1`` degrees of freedom: exact where the number is normal under the
    null. `rank_p_values` asks for nothing but exchangeability, and cannot be below
    ``1 / (draws + 1)`` one-sided.

    Examples
    --------
    >>> from nnrg.stats.multiple_testing import student_p_values
    >>> student_p_values([0.0, 2.093], 20).round(3)
    array([1.  , 0.05])
    """
    from scipy.special import stdtr

    degrees = as_count("draws", draws, 2, hint="NullModel(draws=20) is the default") - 1
    return np.asarray(2 * stdtr(degrees, -np.abs(_numbers("z", z))))


def rank_p_values(values: npt.ArrayLike, draws: npt.ArrayLike) -> Array:
    """Return two-sided p-values from the rank of each value among its null draws.

    Parameters
    ----------
    values : array of shape (...)
    draws : array of shape (n_draws, ...)
        In the unit of the values.

    Returns
    -------
    array of shape (...)
        NaN where a value or a draw is NaN, or where all draws are one number.

    Raises
    ------
    ArgumentError
        If the shapes do not fit.

    Notes
    -----
    p = 2 (1 + min(#{draw >= value}, #{draw <= value})) / (R + 1), at most 1. Where the value is
    exchangeable with its draws, P(p <= a) <= a whatever its law (B. Phipson and G. K. Smyth, Stat.
    Appl. Genet. Mol. Biol. 9 (2010) 39); R draws cannot give less than 2 / (R + 1).

    Examples
    --------
    >>> from nnrg.stats.multiple_testing import rank_p_values
    >>> float(rank_p_values(10.0, [0.0, 1.0, 2.0]))
    0.5
    """
    value, drawn = _numbers("values", values), _numbers("draws", draws)
    if drawn.ndim == 0 or drawn.shape[1:] != value.shape or not drawn.size:
        raise ArgumentError(
            f"draws must have shape (n_draws, {', '.join(map(str, value.shape))}), got "
            f"{drawn.shape}; draws come first"
        )
    beyond = np.minimum((drawn >= value).sum(axis=0), (drawn <= value).sum(axis=0))
    p = np.minimum(1.0, 2 * (1 + beyond) / (drawn.shape[0] + 1))
    told = np.isfinite(value) & np.isfinite(drawn).all(axis=0) & (np.ptp(drawn, axis=0) > 0)
    return np.where(told, p, np.nan)


def outlier_scores(members: npt.ArrayLike) -> Array:
    """Return how far each member, a field or one of its null draws, stands out from the others.

    Parameters
    ----------
    members : array of shape (n_members, n_numbers)
        At least three members; no number is the same in all of them.

    Returns
    -------
    array of shape (n_members,)
        Dimensionless, >= 0.

    Raises
    ------
    ArgumentError
        If the shape does not fit, or a number is not finite or the same in all members.

    Notes
    -----
    The mean over numbers of log(S / S'), S and S' being the sums of squares about the mean with and
    without the member: 2 / n_members times the logarithm of the likelihood ratio of normal numbers
    in which this member alone has a mean of its own. All members are taken alike, so that under the
    null every rank is equally likely; an error bar of the field's own would not do, being large
    just where the field stands out. The logarithm keeps one draw that lies far out in a single
    number of a broad law from hiding what all the other numbers say.

    Examples
    --------
    >>> from nnrg.stats.multiple_testing import outlier_scores
    >>> outlier_scores([[9.0, 1.0], [0.0, 2.0], [1.0, 0.0], [2.0, 1.0]]).round(2)
    array([1.61, 0.69, 0.61, 0.01])
    """
    x = _numbers("members", members)
    if x.ndim != 2 or len(x) < 3 or not x.shape[1]:
        raise ArgumentError(
            f"members must have shape (n_members, n_numbers) with at least 3 members, got {x.shape}"
        )
    if not np.isfinite(x).all() or not np.all(np.ptp(x, axis=0) > 0):
        raise ArgumentError(
            "members must be finite and differ in every number; leave out numbers that do not"
        )
    x = x / np.abs(x).max(axis=0)  # squares of numbers of any unit are in range
    x = x - x.mean(axis=0)
    squares = (x * x).sum(axis=0)
    # One member less takes n / (n - 1) of its square from the sum of squares about the mean.
    without = squares - x * x * (len(x) / (len(x) - 1))
    # Where only one member differs, nothing is left but rounding.
    without = np.maximum(without, np.finfo(float).eps * squares)
    return np.asarray(np.log(squares / without).mean(axis=1))


def adjust_p_values(p: npt.ArrayLike, method: str = "benjamini-hochberg") -> Array:
    """Return p-values adjusted for all that are looked at together; NaN is not one of them.

    Parameters
    ----------
    p : array
        P-values of any shape; all of its entries are one family.
    method : {"benjamini-hochberg", "benjamini-yekutieli", "holm"}
        The first two keep the expected share of false ones among those below a level at that
        level; the second does so under any dependence. Holm keeps the chance of a single false one
        there, under any dependence.

    Returns
    -------
    array of the shape of `p`

    Raises
    ------
    ArgumentError
        If the method is unknown, or a p-value is not between 0 and 1.

    Notes
    -----
    Y. Benjamini and Y. Hochberg, J. R. Stat. Soc. B 57 (1995) 289; Y. Benjamini and D. Yekutieli,
    Ann. Stat. 29 (2001) 1165; S. Holm, Scand. J. Stat. 6 (1979) 65.

    Examples
    --------
    >>> from nnrg.stats.multiple_testing import adjust_p_values
    >>> adjust_p_values([0.01, 0.04, 0.03]), adjust_p_values([0.01, 0.04, 0.03], "holm")
    (array([0.03, 0.04, 0.04]), array([0.03, 0.06, 0.06]))
    """
    if not isinstance(method, str) or method not in _METHODS:
        raise ArgumentError(
            f"method must be one of {', '.join(map(repr, _METHODS))}, got {shown(method)}"
        )
    given = _numbers("p", p)
    told = ~np.isnan(given)
    family = given[told]
    if np.any((family < 0) | (family > 1)):
        raise ArgumentError(f"p-values must lie between 0 and 1, got {shown(family.tolist())}")
    out = np.full(given.shape, np.nan)
    if not family.size:
        return out
    if method == "holm":
        order = np.argsort(family, kind="stable")
        steps = family[order] * np.arange(family.size, 0, -1)
        adjusted = np.empty(family.size)
        adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    else:
        from scipy.stats import false_discovery_control

        adjusted = false_discovery_control(family, method=f"b{method.partition('-')[2][0]}")
    out[told] = adjusted
    return out


def _numbers(name: str, values: npt.ArrayLike) -> Array:
    """Return real numbers as an array of doubles."""
    try:
        array: npt.NDArray[Any] = np.asarray(values)
        if array.dtype.kind not in "fiu":
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"{name} must be real numbers, got {shown(values)}; try an array of floats"
        ) from None
