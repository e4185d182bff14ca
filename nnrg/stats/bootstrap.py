"""Bootstrap over members of an ensemble, and over blocks inside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats._arrays import real_array
from nnrg.stats.jackknife import FEWEST_SAMPLES
from nnrg.stats.replicates import Replicates

__all__ = ["Bootstrap", "percentile_interval"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    r"""How the data are drawn anew: members first, then blocks inside each.

    Parameters
    ----------
    draws : int
        Number of resamples.
    over : {"auto", "members", "blocks", "both"}
        ``"members"`` draws whole members: the error of what the ensemble says of all networks.
        ``"blocks"`` keeps every member and draws the blocks inside it: the error of what these
        members say of themselves. ``"both"`` does one after the other. ``"auto"`` takes members
        where there are ten or more, else blocks.

    Raises
    ------
    ArgumentError
        If `draws` is below 2 or `over` is unknown.

    Notes
    -----
    Of n units n - 1 are drawn with replacement and counted n/(n - 1) times each, so that the
    variance of a mean is not too small by 1 - 1/n (J. N. K. Rao and C. F. J. Wu, Journal of the
    American Statistical Association 83 (1988) 231, doi:10.1080/01621459.1988.10478591).

    For M members of B blocks, with variances :math:`\sigma_m^2` between members and
    :math:`\sigma_b^2` between blocks, the mean has variance
    :math:`\sigma_m^2 / M + \sigma_b^2 / (M B)`. ``"members"`` gives this, ``"both"`` counts the
    second term twice, because the spread of the members' means holds it already (A. C. Davison and
    D. V. Hinkley, *Bootstrap Methods and their Application*, Cambridge 1997, section 3.8): it is
    an upper bound, for statistics that need blocks drawn too.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(1).normal(5.0, 2.0, size=(400, 1))
    >>> mean = Bootstrap(2000).replicates(x, lambda sums: sums / 400, rng=1)
    >>> print(*mean.estimates())
    4.84(9)
    """

    draws: int = 1000
    over: Literal["auto", "members", "blocks", "both"] = "auto"

    def __post_init__(self) -> None:
        as_count("draws", self.draws, 2, hint="1000 give an error good to 2 %")
        if self.over not in ("auto", "members", "blocks", "both"):
            raise ArgumentError(
                f"over must be 'auto', 'members', 'blocks' or 'both', got {shown(self.over)}; "
                "try 'auto'"
            )

    def unit(self, n_members: int) -> Literal["members", "blocks", "both"]:
        """Say what is drawn from an ensemble of `n_members` members."""
        if self.over == "auto":
            return "members" if n_members >= FEWEST_SAMPLES else "blocks"
        return self.over

    def multiplicities(
        self, members: npt.ArrayLike, *, rng: np.random.Generator | int | None = None
    ) -> Floats:
        """Draw how often each block counts in each resample.

        Parameters
        ----------
        members : int array_like of shape (G,)
            The member of each block.
        rng : numpy.random.Generator, int or None
            Source of randomness: the same seed gives the same numbers.

        Returns
        -------
        ndarray of shape (draws, G)
            Not negative; each row sums to G if all members have equally many blocks.

        Raises
        ------
        ArgumentError
            If `members` is not a row of integers.
        AnalysisError
            If there are not two units to draw from.
        """
        labels = np.asarray(members)
        if labels.ndim != 1 or labels.size == 0 or labels.dtype.kind not in "iu":
            raise ArgumentError(
                "members must be a row of integers, the member of each block, got "
                f"{shown(members)}; np.arange(n) makes every block a member"
            )
        _, member = np.unique(labels, return_inverse=True)
        count = int(member.max()) + 1
        unit = self.unit(count)
        sizes = np.bincount(member)
        if (unit != "blocks" and count < 2) or (unit == "blocks" and sizes.max() < 2):
            raise AnalysisError(
                f"nothing to draw from: {count} member(s) of at most {sizes.max()} block(s) and "
                f"over={unit!r}; give two members, or members cut into blocks"
            )
        draw = np.random.default_rng(as_seed(rng))
        copies = np.ones((self.draws, count), dtype=np.int64)
        scale = 1.0
        if unit != "blocks":
            copies = draw.multinomial(count - 1, np.full(count, 1 / count), size=self.draws)
            scale = count / (count - 1)
        if unit == "members":
            return np.asarray(scale * copies[:, member])
        out = np.empty((self.draws, labels.size))
        for label, size in enumerate(sizes):
            at = np.flatnonzero(member == label)
            drawn = copies[:, label, None].astype(np.float64)
            if size > 1:  # a member of one block has nothing to be drawn inside
                counts = draw.multinomial(copies[:, label] * (size - 1), np.full(size, 1 / size))
                drawn = counts * (size / (size - 1))
            out[:, at] = scale * drawn
        return out

    def replicates(
        self,
        sums: npt.ArrayLike,
        statistic: Callable[[Floats], npt.ArrayLike],
        *,
        members: npt.ArrayLike | None = None,
        rng: np.random.Generator | int | None = None,
    ) -> Replicates:
        """Return a function of sums over all blocks, from all data and from each resample.

        Parameters
        ----------
        sums : array_like of shape (G, k)
            What each block adds to k sums; a count among them if the number of data matters.
        statistic : callable
            From sums of shape (n, k) to numbers of shape (n, p): all resamples in one call.
        members : int array_like of shape (G,), optional
            The member of each block; each block is one of its own if left out.
        rng : numpy.random.Generator, int or None
            Source of randomness.

        Raises
        ------
        ArgumentError
            If a shape does not fit.
        AnalysisError
            If there are not two units to draw from.
        """
        table = real_array("sums", sums)
        labels = np.arange(len(table)) if members is None else np.asarray(members)
        if table.ndim != 2 or labels.shape != (len(table),):
            raise ArgumentError(
                "sums must have shape (G, k) and members (G,), got "
                f"{table.shape} and {labels.shape}; flatten the sums of each block"
            )
        weights = self.multiplicities(labels, rng=rng)
        together = np.concatenate([table.sum(axis=0, keepdims=True), weights @ table])
        numbers = np.asarray(statistic(together), dtype=np.float64)
        if numbers.ndim != 2 or len(numbers) != len(together):
            raise ArgumentError(
                f"statistic must turn sums of shape {together.shape} into numbers of shape "
                f"({len(together)}, p), got {numbers.shape}; let it work on the last axis"
            )
        count = np.unique(labels).size
        units = labels.size - count + 1 if self.unit(count) == "blocks" else count
        return Replicates.from_bootstrap(numbers[0], numbers[1:], units=units)


def percentile_interval(replicates: Replicates, level: float = 0.6827) -> Floats:
    """Return the central interval of bootstrap replicates.

    Parameters
    ----------
    replicates : Replicates
        Of a bootstrap; at least 20 resamples.
    level : float
        Probability inside, between 0 and 1; one standard deviation by default.

    Returns
    -------
    ndarray of shape (p, 2)
        Lower and upper end. NaN for a number that is not finite in some resample.

    Raises
    ------
    ArgumentError
        If the replicates are no bootstrap or are too few, or the level is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(2).exponential(size=(100, 1))
    >>> mean = Bootstrap(2000).replicates(x, lambda sums: sums / 100, rng=1)
    >>> percentile_interval(mean, 0.95).round(1).tolist()
    [[0.8, 1.1]]
    """
    if replicates.kind != "bootstrap" or len(replicates.replicates) < 20:
        raise ArgumentError(
            "percentiles need at least 20 bootstrap resamples, got "
            f"{len(replicates.replicates)} of kind {replicates.kind!r}; use errors() instead"
        )
    if not 0 < level < 1:
        raise ArgumentError(f"level must lie between 0 and 1, got {shown(level)}; try 0.95")
    tail = (1 - level) / 2
    return np.asarray(np.quantile(replicates.replicates, [tail, 1 - tail], axis=0).T)
