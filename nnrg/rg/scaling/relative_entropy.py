"""Relative entropy of two Ising chains in closed form: what decimation does to the law of spins."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import ArgumentError
from nnrg.stats._arrays import real_array

__all__ = ["ising_relative_entropy"]

Floats = npt.NDArray[np.float64]


def ising_relative_entropy(
    couplings: npt.ArrayLike, reference: npt.ArrayLike, *, n_sites: int | None = None
) -> Floats:
    r"""Relative entropy per spin of Ising chains with coupling K, as seen from coupling K'.

    Parameters
    ----------
    couplings, reference : array_like
        K and K' = J / kT, dimensionless, of shapes that broadcast.
    n_sites : int, optional
        Spins N of a periodic chain, at least 3; by default the limit of long chains, which no
        longer depends on the ends.

    Returns
    -------
    ndarray
        :math:`D(P_K \| P_{K'}) / N` in nats; zero where K = K', positive elsewhere.

    Raises
    ------
    ArgumentError
        If a coupling is not finite, shapes do not fit, or `n_sites` is below 3.

    Notes
    -----
    With :math:`\ln P_K = K \sum_x s_x s_{x+1} - \ln Z_K` and :math:`Z_K = (2 \cosh K)^N
    (1 + \tanh^N K)`,

    .. math:: \frac1N D(P_K \| P_{K'}) = (K - K') \langle s_x s_{x+1} \rangle_K
              + \frac1N \ln \frac{Z_{K'}}{Z_K} \to (K - K') \tanh K + \ln \frac{\cosh K'}{\cosh K} ,

    which is the relative entropy of one bond, as the bonds of a long chain are independent. Under
    decimation K' falls to zero and it saturates at :math:`K \tanh K - \ln \cosh K`, what is known
    of a spin from its neighbour: it grows along the flow whether or not there is a transition
    (J. Erdmenger, K. T. Grosvenor and R. Jefferson, SciPost Phys. 12 (2022) 041,
    doi:10.21468/SciPostPhys.12.1.041).

    Examples
    --------
    >>> from nnrg.rg.scaling.ising_maps import migdal_kadanoff
    >>> kept = [float(migdal_kadanoff(1.0, b=b, dimension=1)) for b in (2, 4, 8)]
    >>> ising_relative_entropy(1.0, [*kept, 0.0]).round(4).tolist()
    [0.0283, 0.1213, 0.2477, 0.3278]
    """
    k, other = real_array("couplings", couplings), real_array("reference", reference)
    if not (np.isfinite(k).all() and np.isfinite(other).all()):
        raise ArgumentError("couplings and reference must be finite; take a large one for order")
    try:
        k, other = np.broadcast_arrays(k, other)
    except ValueError:
        raise ArgumentError(
            f"couplings and reference must broadcast, got shapes {k.shape} and {other.shape}"
        ) from None
    step, t = other - k, np.tanh(k)
    # ln cosh K' / cosh K from the shares of satisfied and broken bonds: no cosh overflows.
    satisfied, broken = -np.logaddexp(0.0, -2 * k), -np.logaddexp(0.0, 2 * k)
    per_bond = np.logaddexp(satisfied + step, broken - step) - step * t
    if n_sites is None:
        return np.asarray(per_bond)
    n = as_count("n_sites", n_sites, 3)
    excess = t ** (n - 1) * (1 - t**2) / (1 + t**n)
    ends = np.log1p(np.tanh(other) ** n) - np.log1p(t**n)
    return np.asarray(per_bond - step * excess + ends / n)
