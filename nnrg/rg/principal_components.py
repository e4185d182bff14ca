"""Coarse-graining by principal components: the modes of largest variance, and no geometry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.fields import Lattice, SynapticField
from nnrg.rg._lattice_blocks import LatticeBlocks

__all__ = ["Modes", "PrincipalComponents"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PrincipalComponents(LatticeBlocks):
    r"""Keep the N / b^d modes of largest variance, and put them back on the N sites.

    For sites whose order means nothing: the modes are those of the covariance over samples, and no
    neighbourhood is needed. The samples are cut into two halves; modes are chosen on one half and
    the field is measured on the other, and the other way round, so that every sample is measured
    with modes that it had no part in. In-sample the leading modes of independent numbers have more
    than their share of the variance.

    All sites stay: at scale b the field has K modes on N sites, and no density on them. One-site
    couplings are those of the law of one site; couplings between sites have no meaning.

    Parameters
    ----------
    b : int or sequence of int
        As in `GridBlocks(b)`: each step keeps one mode of as many as a block has sites, so that the
        scales of the two mean the same number of degrees of freedom.
    split : bool
        Whether modes are chosen on other samples than they are applied to. False is the published
        procedure, whose numbers are biased by the choice.

    Raises
    ------
    ArgumentError
        If a length is no integer of at least 1, none is at least 2, or `split` is no bool.

    Notes
    -----
    With covariance eigenvectors :math:`u_\mu`, variances :math:`\lambda_1 \ge \lambda_2 \ge \dots`,
    and the mean :math:`m_i` of a site over the samples of its half,

    .. math:: \phi'_i = m_i + w_i \sum_{\mu \le K} u_{i\mu} \sum_j u_{j\mu} (\phi_j - m_j), \qquad
              w_i^2 = \frac{v_i(N)}{v_i(K)} \frac{\sum_j v_j(K)}{\sum_j v_j(N)}, \qquad
              v_i(K) = \sum_{\mu \le K} \lambda_\mu u_{i\mu}^2,

    with :math:`K = \lfloor N / b^{dl} \rfloor`. The field loses variance as K falls, but every site
    the same share of its own: with ``rescale="variance"`` this is the field of S. Bradde and
    W. Bialek, Journal of Statistical Physics 167 (2017) 462, doi:10.1007/s10955-017-1770-6, whose
    sites are brought to unit variance at every K. Without :math:`w_i` sites would keep unequal
    shares, and a mixture of variances fakes a fourth cumulant. :math:`w_i` comes from the half that
    chose the modes; of S samples its own noise adds about 12/S to :math:`\kappa_4/\kappa_2^2` if
    most of the variance is in modes that are left out, and less otherwise.

    Modes chosen on n samples are not those of the law: to first order the K kept ones lose
    :math:`\sum_{\mu \le K < \nu} \lambda_\mu \lambda_\nu / [n (\lambda_\mu -
    \lambda_\nu)]` of the variance on other samples.

    Relabelling sites relabels the field and changes no number: the permutation null has spread zero
    on the one-site cumulants.

    Errors leave out samples with the modes as they are. Regions cannot be left out.

    Examples
    --------
    A common signal is one mode; what is left at K = 8 is that and a share of the noise:

    >>> import numpy as np
    >>> import nnrg
    >>> from nnrg.rg.principal_components import PrincipalComponents
    >>> rng = np.random.default_rng(1)
    >>> values = rng.normal(size=(4000, 1)) + rng.normal(size=(4000, 32))
    >>> field = nnrg.SynapticField(values, nnrg.Lattice(32), natural=False)
    >>> flow = nnrg.renormalize(field, PrincipalComponents(2), levels=3)
    >>> [round(float(v), 1) for v in flow.variances()]
    [2.0, 1.5, 1.2]
    """

    split: bool = True

    def __post_init__(self) -> None:
        LatticeBlocks.__post_init__(self)
        if not isinstance(self.split, bool | np.bool_):
            raise ArgumentError(f"split must be True or False, got {shown(self.split)}")
        object.__setattr__(self, "split", bool(self.split))

    @property
    def provenance(self) -> str:
        """Which numbers chose the modes."""
        if self.split:
            return "covariance of the other half of the samples"
        return "covariance of the same samples: numbers are biased by the choice"

    @property
    def singular(self) -> str:
        """Why a block field has no density on its sites."""
        return "fewer modes than sites"

    def count(self, sites: Lattice, level: int) -> int:
        """Return how many modes are kept after `level` steps."""
        return int(sites.n_sites // prod(self.factors(sites)) ** level)

    def modes(
        self,
        field: SynapticField,
        count: int,
        keep: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[Modes, ...]:
        """Return the `count` leading modes, one set for each part of the samples they apply to.

        Parameters
        ----------
        field : SynapticField
        count : int
        keep : bool array of shape (n_samples,), optional
            Samples that may choose, for the replicates of a jackknife; the halves do not move.

        Raises
        ------
        AnalysisError
            If the samples are too few to tell so many modes.
        """
        n = field.n_samples
        x = field.values.reshape(n, -1)
        keep = np.ones(n, dtype=bool) if keep is None else keep
        whole = slice(0, n)
        halves = (slice(0, n // 2), slice(n // 2, n))
        pairs = (halves, halves[::-1]) if self.split else ((whole, whole),)
        modes = []
        for applied, choosing in pairs:
            chosen = x[choosing][keep[choosing]]
            if not 1 <= count < len(chosen):
                raise AnalysisError(
                    f"principal components: {count} modes of {x.shape[1]} sites cannot be told "
                    f"from {len(chosen)} samples{' (one half)' if self.split else ''}; give at "
                    f"least {len(pairs) * (count + 1)}, or larger b"
                )
            modes.append(_leading(chosen, count, applied))
        return tuple(modes)

    def coarsen(
        self, field: SynapticField, n_levels: int
    ) -> Iterator[tuple[npt.NDArray[np.floating[Any]], Lattice]]:
        """Yield the field of the leading modes, on the sites of the field, at b, b^2, .."""
        counts = [self.count(field.lattice, level) for level in range(1, n_levels)]
        x = field.values.reshape(field.n_samples, -1)
        # Every scale is as large as the field: numbers of low precision are not kept in double.
        dtype = np.float64 if x.dtype == np.float64 else np.float32
        parts = []
        for modes in self.modes(field, counts[0]):
            here = x[modes.samples].astype(np.float64)
            mean = here.mean(axis=0)
            parts.append((modes, mean, (here - mean) @ modes.vectors))
        for count in counts:
            values = np.empty(x.shape, dtype)
            for modes, mean, amplitudes in parts:
                back = modes.vectors[:, :count].T * modes.weights(count)
                values[modes.samples] = mean + amplitudes[:, :count] @ back
            yield values.reshape(field.values.shape), field.lattice

    def about_regions(self) -> str:
        """Refuse: a mode extends over all sites.

        Raises
        ------
        AnalysisError
            Always.
        """
        raise AnalysisError(
            "principal components extend over all sites, so that no region can be left out: errors "
            "need ten independent samples or more, or Jackknife(over='samples')"
        )

    def notes(self, field: SynapticField, n_levels: int) -> tuple[str, ...]:
        """Return what a reader of the flow must know."""
        n = field.lattice.n_sites
        kept = ", ".join(str(self.count(field.lattice, level)) for level in range(n_levels))
        return (
            f"all {n} sites are kept, with the leading {kept} modes of {self.provenance}",
            f"{self.singular}: only one-site couplings have a meaning at b > 1",
        )


@dataclass(frozen=True, slots=True)
class Modes:
    """Covariance modes and the samples they are to be applied to.

    Attributes
    ----------
    vectors : array of shape (n_sites, count)
        Orthonormal, the mode of largest variance first.
    variances : array of shape (count,)
        Of the amplitudes in the samples that chose the modes, in the unit of the field squared.
    sites : array of shape (n_sites,)
        Variance of each site in those samples.
    samples : slice
        The samples that the modes are applied to.
    """

    vectors: Array
    variances: Array
    sites: Array
    samples: slice

    def weights(self, count: int) -> Array:
        """Return w_i, which leaves every site the same share of its variance, shape (n_sites,)."""
        kept = self.vectors[:, :count] ** 2 @ self.variances[:count]
        share = kept.sum() / self.sites.sum()
        # A site that none of the modes touches has nothing to weigh.
        unit = np.full_like(kept, 1 / share)
        ratio = np.divide(self.sites, kept, out=unit, where=kept > 1e-12 * self.sites)
        return np.asarray(np.sqrt(share * ratio))


def _leading(chosen: npt.NDArray[Any], count: int, samples: slice) -> Modes:
    y = chosen.astype(np.float64)
    y -= y.mean(axis=0)
    n, sites = y.shape
    # The smaller of the two products has all eigenvalues that are not zero.
    small = y @ y.T if n < sites else y.T @ y
    size = small.shape[0]
    squares, vectors = eigh(small, subset_by_index=[size - count, size - 1], driver="evr")
    squares, vectors = np.maximum(squares[::-1], 0.0), vectors[:, ::-1]
    if n < sites:
        vectors = y.T @ vectors
        vectors /= np.maximum(np.sqrt(np.einsum("ij,ij->j", vectors, vectors)), 1e-300)
    return Modes(vectors, squares / (n - 1), np.einsum("ij,ij->j", y, y) / (n - 1), samples)
