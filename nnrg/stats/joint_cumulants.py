"""Joint cumulants of several variables to sixth order, with errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.stats._arrays import real_array
from nnrg.stats._joint_result import JointCumulants
from nnrg.stats.joint_moments import JointMoments

__all__ = ["JointCumulants", "JointMoments", "joint_cumulants"]


def joint_cumulants(
    samples: npt.ArrayLike, order: int = 6, *, names: Sequence[str] | None = None
) -> JointCumulants:
    """Measure the joint cumulants of the columns of an array of independent samples.

    Parameters
    ----------
    samples : array_like of shape (n, k)
        n independent samples of k variables, in any units.
    order : int
        Highest order, 1 to 6.
    names : sequence of str, optional
        One for each variable.

    Returns
    -------
    JointCumulants
        Unbiased, with errors from leaving out 64 to 128 groups of samples; fewer where there are
        fewer samples.

    Raises
    ------
    ArgumentError
        If shapes or numbers do not fit.
    NonFiniteError
        If a sample is NaN or infinite.
    AnalysisError
        If there are too few samples for the order.

    See Also
    --------
    JointMoments : the same from samples that do not fit in memory.

    Examples
    --------
    Neurons with a common random scale are uncorrelated, but not independent of each other:
    kappa(h1, h1, h2, h2) is the variance of the squared scale, here 1.

    >>> import numpy as np
    >>> rng = np.random.default_rng(2)
    >>> scale = rng.choice([0.5, 1.5], size=(100_000, 1))
    >>> neurons = scale * rng.normal(size=(100_000, 2))
    >>> found = joint_cumulants(neurons, 4)
    >>> print(found.estimate(0, 1), found.estimate(0, 0, 1, 1))
    -0.001(5) 0.994(26)
    """
    x = real_array("samples", samples)
    if x.ndim != 2 or not x.shape[1]:
        raise ArgumentError(
            f"samples must have shape (n, k), got {shown(x.shape)}; put the samples first"
        )
    moments = JointMoments(x.shape[1], order)
    moments.add(x)
    return moments.cumulants(names)
