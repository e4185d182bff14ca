"""What is in the modes that principal components keep, and in those they leave out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import ArgumentError
from nnrg.fields import SynapticField
from nnrg.rg.cumulants import align
from nnrg.rg.flow import Flow
from nnrg.rg.observables import Observables
from nnrg.rg.principal_components import Modes, PrincipalComponents
from nnrg.rg.record import describe_flow, flag_groups
from nnrg.stats.estimate import format_value_error
from nnrg.stats.jackknife import jackknife_bias, leave_one_out
from nnrg.stats.kstatistics import kstatistics

__all__ = ["ModeCumulants", "measure_modes"]

Array = npt.NDArray[np.float64]

# Groups left out: the modes are chosen anew for each. Errors are known to an eighth.
_MOST_GROUPS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeCumulants(Observables):
    """Share of the variance, ridge and cumulants of the K modes kept at each scale.

    Names are ``share``, the part of the variance that the K leading modes hold (dimensionless);
    ``ridge``, the variance per site in all the others (unit of the field squared); ``ratio_4`` ..
    ``ratio_n``, kappa_n / kappa_2^{n/2} of the amplitude of a mode, the mean over the K modes
    (dimensionless). Odd cumulants have no sign, as modes have none. ``series`` holds ``modes``, K,
    and ``fraction``, K / N.
    """

    kind: ClassVar[str] = "modes"

    def __str__(self) -> str:
        errors = self.errors()
        lines = [[" b", "K", "K/N", *self.names]]
        for level, b in enumerate(self.scales):
            lines.append(
                [
                    f"{b:>2d}",
                    f"{self.series['modes'][level]:.0f}",
                    f"{self.series['fraction'][level]:.3g}",
                    *(
                        format_value_error(v, e)
                        for v, e in zip(self.values[level], errors[level], strict=True)
                    ),
                ]
            )
        return align(lines)


def measure_modes(flow: Flow, *, order: int = 4) -> ModeCumulants:
    r"""Measure what the leading modes hold at each scale of a flow by principal components.

    Parameters
    ----------
    flow : Flow
        Made with `PrincipalComponents`.
    order : int
        Highest order of the cumulants: 4, 6 or 8.

    Returns
    -------
    ModeCumulants
        At the scales b > 1. Errors from leaving out samples: of share and ridge with the modes
        chosen anew each time, of the ratios with the modes as they are, because the order of modes
        of like variance is chance.

    Raises
    ------
    ArgumentError
        If the flow was made with other blocks, or the order is out of range.
    AnalysisError
        If without a group the samples are too few to choose the modes.

    Notes
    -----
    With amplitudes :math:`a_\mu = \sum_j u_{j\mu} (\phi_j - m_j)` of samples that had no part in
    the choice of :math:`u`,

    .. math:: \text{share} = \frac{\sum_{\mu \le K} \kappa_2(a_\mu)}{\sum_i \kappa_2(\phi_i)},
              \qquad \text{ridge} = \frac{1}{N} \sum_{\mu > K} \kappa_2(a_\mu) .

    The ridge is the *sum* of the variances left out, as of features that are integrated out of a
    Gaussian process (J. Howard et al., arXiv:2405.06008). The variance of a mode is what other
    samples have along it, and needs no correction for the choice. Ratios have the bias of order
    1/n of their estimate subtracted (jackknife). Errors of share and ridge are conservative where
    samples are few: on 32 sites, with 150 samples in a half, the spread is 0.7 to 0.8 of them.

    Examples
    --------
    One mode in 16 carries a common signal of the variance of the noise: 17 parts in 32.

    >>> import numpy as np
    >>> import nnrg
    >>> from nnrg.rg.mode_cumulants import measure_modes
    >>> from nnrg.rg.principal_components import PrincipalComponents
    >>> rng = np.random.default_rng(2)
    >>> values = rng.normal(size=(2000, 1)) + rng.normal(size=(2000, 16))
    >>> field = nnrg.SynapticField(values, nnrg.Lattice(16), natural=False)
    >>> flow = nnrg.renormalize(field, PrincipalComponents(16), levels=2)
    >>> share = measure_modes(flow).estimate("share", 16)
    >>> abs(share.value - 17 / 32) < 3 * share.error
    True
    """
    if not isinstance(flow, Flow) or not isinstance(flow.blocks, PrincipalComponents):
        raise ArgumentError(
            "measure_modes takes a Flow by PrincipalComponents, got "
            f"{flow.blocks if isinstance(flow, Flow) else type(flow).__name__!r}; try "
            "nnrg.renormalize(field, nnrg.PrincipalComponents(2))"
        )
    if len(flow) < 2:
        raise ArgumentError("measure_modes takes a Flow of two scales or more, got one")
    if as_count("order", order, 4, 8, hint="try 4") % 2:
        raise ArgumentError(f"order must be 4, 6 or 8, got {order}; a mode has no sign")
    sites = flow.field.lattice
    counts = [flow.blocks.count(sites, level) for level in range(1, len(flow))]
    group = _merged(flow.groups.sample_group)
    weights = np.bincount(group).astype(np.float64)
    fixed = flow.blocks.modes(flow.field, counts[0])
    shares = [_shares(flow.field, fixed, np.ones(group.size, dtype=bool), counts)]
    for left_out in range(weights.size):
        keep = group != left_out
        shares.append(
            _shares(flow.field, flow.blocks.modes(flow.field, counts[0], keep), keep, counts)
        )
    ratios = _ratios(flow.field, fixed, group, counts, order)
    numbers = np.concatenate([np.stack(shares), ratios], axis=-1)
    flat = numbers.reshape(len(numbers), -1)
    bias = jackknife_bias(flat[1:], flat[0], weights).reshape(numbers.shape[1:])
    numbers[0, :, 2:] -= bias[:, 2:]
    flag = flag_groups(flow)
    if not flow.blocks.split:
        flag = f"{flag}; modes of the same samples" if flag else "modes of the same samples"
    names = ("share", "ridge", *(f"ratio_{n}" for n in range(4, order + 1, 2)))
    attrs = describe_flow(flow, np.random.SeedSequence(0))
    del attrs["seed"]  # nothing is drawn
    kept = np.array(counts, dtype=np.float64)
    return ModeCumulants(
        scales=np.array(flow.scales[1:], dtype=np.int64),
        names=names,
        values=numbers[0],
        replicates=numbers[1:],
        weights=np.repeat(weights[:, None], len(counts), axis=1),
        nulls={},
        flags=((flag,) * len(names),) * len(counts),
        n_samples=np.full(len(counts), weights.size, dtype=np.int64),
        attrs=attrs,
        series={"modes": kept, "fraction": kept / sites.n_sites},
    )


def _merged(group: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return at most so many groups as the modes can be chosen anew for in good time."""
    count = int(group.max()) + 1
    return group * min(count, _MOST_GROUPS) // count


def _centred(
    field: SynapticField, modes: Modes, keep: npt.NDArray[np.bool_] | slice = slice(None)
) -> Array:
    """Return the samples that the modes are applied to, less their mean, shape (n, n_sites)."""
    x = field.values.reshape(field.n_samples, -1)[modes.samples]
    y = x[keep].astype(np.float64)
    return np.asarray(y - y.mean(axis=0))


def _shares(
    field: SynapticField, parts: tuple[Modes, ...], keep: npt.NDArray[np.bool_], counts: list[int]
) -> Array:
    """Return the share of the K leading modes and the ridge, shape (n_scales, 2)."""
    kept, total = np.zeros(len(counts)), 0.0
    for modes in parts:
        y = _centred(field, modes, keep[modes.samples])
        amplitudes = y @ modes.vectors
        squares = np.cumsum(np.einsum("ij,ij->j", amplitudes, amplitudes))
        kept += squares[np.array(counts) - 1] / (len(y) - 1)
        total += float(np.einsum("ij,ij->", y, y)) / (len(y) - 1)
    return np.column_stack([kept / total, (total - kept) / (len(parts) * field.lattice.n_sites)])


def _ratios(
    field: SynapticField,
    parts: tuple[Modes, ...],
    group: npt.NDArray[np.int64],
    counts: list[int],
    order: int,
) -> Array:
    """Return the mean even ratios of the K leading modes, of the whole and without each group.

    Shape (1 + n_groups, n_scales, order / 2 - 1).
    """
    even = np.arange(4, order + 1, 2)
    sums = np.zeros(())
    for modes in parts:
        # In units of each mode's own width, so that high powers stay within precision.
        amplitudes = (_centred(field, modes) @ modes.vectors) / np.sqrt(
            np.maximum(modes.variances, 1e-300)
        )
        here = np.arange(int(group.max()) + 1)[:, None] == group[modes.samples]
        by_group = np.empty((len(here), amplitudes.shape[1], order))
        power = np.ones_like(amplitudes)
        for p in range(order):
            power *= amplitudes
            by_group[..., p] = here.astype(np.float64) @ power
        n = here.sum(axis=1).astype(np.float64)[:, None]
        kappa = kstatistics(
            np.concatenate([by_group.sum(axis=0, keepdims=True), leave_one_out(by_group)]),
            np.concatenate([n.sum(axis=0, keepdims=True), leave_one_out(n)]),
        )
        ratio = kappa[..., even - 1] / kappa[..., 1:2] ** (even / 2)
        sums = sums + np.stack([ratio[:, :k].mean(axis=1) for k in counts], axis=1)
    return sums / len(parts)
