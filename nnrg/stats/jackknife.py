"""Delete-group jackknife: replicates, and the covariance and bias they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError

__all__ = [
    "Jackknife",
    "jackknife_bias",
    "jackknife_covariance",
    "leave_one_out",
    "pseudo_deviations",
]

Floats = npt.NDArray[np.float64]

# From G groups the error is itself known to a relative 1/sqrt(2(G - 1)): a quarter for ten.
FEWEST_SAMPLES = 10


@dataclass(frozen=True, slots=True)
class Jackknife:
    """How the data are cut into the groups that are left out one at a time.

    Parameters
    ----------
    blocks : int, optional
        At most so many groups: of consecutive samples, or of spatial cells over all axes
        together. The default is 128 groups of samples, or 64 cells.
    over : {"auto", "samples", "sites"}
        What is left out: whole samples, which are independent of each other, or cells of the
        lattice, which are if they are at least two correlation lengths wide. ``"auto"`` takes
        samples where there are ten or more, else sites.

    Raises
    ------
    ArgumentError
        If `blocks` is below 2 or `over` is unknown.

    Examples
    --------
    >>> Jackknife().unit(n_samples=500)
    'samples'
    >>> Jackknife(blocks=16).cells_per_axis(2)
    4
    """

    blocks: int | None = None
    over: Literal["auto", "samples", "sites"] = "auto"

    def __post_init__(self) -> None:
        if self.blocks is not None and (
            isinstance(self.blocks, bool) or not isinstance(self.blocks, int) or self.blocks < 2
        ):
            raise ArgumentError(
                f"blocks must be an integer of at least 2, or None, got {self.blocks!r}; "
                "20 groups give an error bar good to a sixth"
            )
        if self.over not in ("auto", "samples", "sites"):
            raise ArgumentError(
                f"over must be 'auto', 'samples' or 'sites', got {self.over!r}; try 'auto'"
            )

    def unit(self, n_samples: int) -> Literal["samples", "sites"]:
        """Say what is left out of a field of `n_samples` samples."""
        if self.over == "auto":
            return "samples" if n_samples >= FEWEST_SAMPLES else "sites"
        return self.over

    @property
    def max_groups(self) -> int:
        """Largest number of groups of samples."""
        return 128 if self.blocks is None else self.blocks

    def cells_per_axis(self, dimension: int) -> int:
        """Largest number of cells along each of `dimension` axes; at least 2."""
        total = 64 if self.blocks is None else self.blocks
        # The small excess keeps exact roots exact: 64 ** (1 / 3) is 3.9999999999999996.
        return max(2, int(total ** (1 / dimension) + 1e-9))


def leave_one_out(sums: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the sums over all groups but one.

    Parameters
    ----------
    sums : ndarray of shape (G, ...)
        Something additive, accumulated for each of G groups.

    Returns
    -------
    ndarray of shape (G, ...)
        The total minus each group.

    Examples
    --------
    >>> import numpy as np
    >>> leave_one_out(np.array([1.0, 2.0, 4.0])).tolist()
    [6.0, 5.0, 3.0]
    """
    return np.asarray(sums.sum(axis=0) - sums)


def _checked(
    replicates: npt.ArrayLike, estimate: npt.ArrayLike, sizes: npt.ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    """Return replicates (G, p), estimate (p,) and the share of each group in each number (G, p)."""
    left_out = np.asarray(replicates, dtype=np.float64)
    full = np.asarray(estimate, dtype=np.float64)
    if left_out.ndim != 2 or left_out.shape[0] < 2 or full.shape != left_out.shape[1:]:
        raise ArgumentError(
            "replicates must have shape (G, p) with G >= 2 and the estimate shape (p,), got "
            f"{left_out.shape} and {full.shape}; put the groups first"
        )
    count = left_out.shape[0]
    weights = np.ones(count) if sizes is None else np.asarray(sizes, dtype=np.float64)
    if weights.shape not in ((count,), left_out.shape) or not np.all(
        np.isfinite(weights) & (weights >= 0)
    ):
        raise ArgumentError(
            f"sizes must be {count} numbers of at least 0, one per group, or one per group and "
            f"number, got {sizes!r}"
        )
    if weights.ndim == 1:
        weights = np.broadcast_to(weights[:, None], left_out.shape)
    with np.errstate(invalid="ignore"):
        return left_out, full, weights / weights.sum(axis=0)


def pseudo_deviations(
    replicates: npt.ArrayLike, estimate: npt.ArrayLike, sizes: npt.ArrayLike | None = None
) -> Floats:
    """Return what the covariance is the sum of squares of, shape (G, p); see there.

    A group of size zero adds nothing. All is NaN for a number that is not finite in the estimate or
    in any replicate, or that fewer than two groups tell of.
    """
    left_out, full, fraction = _checked(replicates, estimate, sizes)
    filled = fraction > 0
    known = np.isfinite(full) & np.isfinite(left_out).all(axis=0) & (filled.sum(axis=0) > 1)
    out = np.full(left_out.shape, np.nan)
    share = np.where(filled, fraction, 1.0)[:, known]
    # Deviations from the estimate: with the values themselves, tau - theta_J would cancel.
    deviation = np.where(filled[:, known], left_out[:, known] - full[known], 0.0)
    centre = -((1 - share) * deviation).sum(axis=0)
    pseudo = -(1 / share - 1) * deviation - centre
    weight = np.where(filled[:, known], 1 / share - 1, np.inf) * filled[:, known].sum(axis=0)
    out[:, known] = pseudo / np.sqrt(weight)
    return out


def jackknife_covariance(
    replicates: npt.ArrayLike, estimate: npt.ArrayLike, sizes: npt.ArrayLike | None = None
) -> Floats:
    r"""Covariance of an estimate from its values with one group of data left out.

    Parameters
    ----------
    replicates : array_like of shape (G, p)
        The p numbers estimated without group j, for each of G >= 2 groups.
    estimate : array_like of shape (p,)
        The same numbers estimated from all data.
    sizes : array_like of shape (G,) or (G, p), optional
        Size :math:`m_j` of each group, in any unit, for all numbers or for each. Equal if left
        out; zero for a group that holds nothing of a number.

    Returns
    -------
    ndarray of shape (p, p)
        Symmetric, in the product of the units of the two numbers. Where a number is not finite
        in the estimate or in any replicate, its row and column are NaN: to drop the replicate
        instead would make the error of an unstable estimate too small.

    Raises
    ------
    ArgumentError
        If the shapes do not fit or a size is not positive.

    Notes
    -----
    Delete-:math:`m_j` jackknife. With :math:`h_j = \sum m / m_j`, pseudo-values
    :math:`\tau_j = h_j \theta - (h_j - 1) \theta_{(j)}` and
    :math:`\theta_J = G \theta - \sum_j (1 - 1 / h_j) \theta_{(j)}`,

    .. math:: C = \frac{1}{G} \sum_j
              \frac{(\tau_j - \theta_J) (\tau_j - \theta_J)^T}{h_j - 1},

    which for groups of equal size is :math:`\frac{G-1}{G} \sum_j (\theta_{(j)} -
    \bar\theta) (\theta_{(j)} - \bar\theta)^T` (F. Busing, E. Meijer and R. van der Leeden,
    Statistics and Computing 9 (1999) 3, doi:10.1023/A:1008800423698).

    The rank is at most G - 1: with G <= p the matrix cannot be inverted.

    Examples
    --------
    The mean of 1, 2, 3, 6: its variance is that of the numbers, 14/3, over four.

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 3.0, 6.0])
    >>> means = leave_one_out(x) / 3
    >>> jackknife_covariance(means[:, None], [x.mean()]).round(6).tolist()
    [[1.166667]]
    """
    scaled = pseudo_deviations(replicates, estimate, sizes)
    # Products of numbers as small as 1e-200 must not vanish before they are summed.
    top = np.abs(scaled).max(axis=0)
    relative = scaled / np.where(top > 0, top, 1.0)
    return np.asarray((relative.T @ relative) * top[:, None] * top)


def jackknife_bias(
    replicates: npt.ArrayLike, estimate: npt.ArrayLike, sizes: npt.ArrayLike | None = None
) -> Floats:
    r"""Bias of an estimate, to be subtracted from it.

    Parameters
    ----------
    replicates, estimate, sizes
        As for `jackknife_covariance`.

    Returns
    -------
    ndarray of shape (p,)
        :math:`\sum_j (1 - m_j / \sum m) \theta_{(j)} - (G - 1) \theta`, in the units of the
        estimate; removes a bias of the form const/n exactly where groups are equal. NaN where
        the estimate or any replicate is not finite.

    Raises
    ------
    ArgumentError
        If the shapes do not fit or a size is not positive.

    Examples
    --------
    The plug-in variance of 1, 2, 3, 6 is 14/4; without its bias it is 14/3.

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 3.0, 6.0])
    >>> left_out = [np.delete(x, j).var() for j in range(4)]
    >>> bias = jackknife_bias(np.array(left_out)[:, None], [x.var()])
    >>> float((x.var() - bias[0]).round(6))
    4.666667
    """
    left_out, full, fraction = _checked(replicates, estimate, sizes)
    filled = fraction > 0
    known = np.isfinite(full) & np.isfinite(left_out).all(axis=0)
    bias = np.full(full.shape, np.nan)
    deviation = np.where(filled, left_out - full, 0.0)[:, known]
    bias[known] = ((1 - fraction[:, known]) * deviation).sum(axis=0)
    return bias
