"""Coarse-graining a field again and again: `renormalize` and the `Flow` it returns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import ArgumentError
from nnrg.fields import Lattice, SynapticField
from nnrg.rg._lattice_blocks import lattice_notes
from nnrg.rg._level_statistics import climb, gather
from nnrg.rg._regions import CORRELATED, correlation_of_halves
from nnrg.rg.blocks import Blocks, Coarsening, as_blocks
from nnrg.rg.fluctuations import check_fluctuations
from nnrg.rg.groups import Groups, choose_groups, fewest_blocks, unit, whole
from nnrg.rg.levels import block_lengths, check_exponent, choose_levels
from nnrg.stats.jackknife import Jackknife
from nnrg_kernels.pyramid import Pyramid

if TYPE_CHECKING:
    from nnrg.rg.cumulants import Cumulants

__all__ = ["Flow", "field_exponent", "renormalize"]

Array = npt.NDArray[np.float64]

_RESCALINGS = ("variance", "clt", "kinetic")
# Regions along an axis that are left at each step on the way to wider ones.
_FEWER = 0.71
_FEWEST_REGIONS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """The block fields of one field at scales b = 1, b1, b2, ..., with their statistics.

    Attributes
    ----------
    field : SynapticField
        The field at b = 1, its sites arranged as the blocks need them.
    blocks : Blocks
        The rule that made the blocks.
    scales : tuple of int
        b along one axis (the largest factor where axes differ), the label of each scale.
    sites : tuple of Lattice
        The lattice at each scale.
    rescale : str or float
        How the field is rescaled; `statistics` and `means` are those of the unrescaled block mean.
    means : tuple of arrays
        Unrescaled block means at each scale, of shape ``(n_samples, *sites.shape)``, in the unit
        of the field. Of a `Coarsening` other than means, its block fields.
    statistics : Pyramid
        Power sums and gradient sums of each group at each scale.
    groups : Groups
        The parts that the jackknife leaves out one at a time.
    errors : Jackknife
        The policy that chose the groups.
    """

    field: SynapticField
    blocks: Blocks
    scales: tuple[int, ...]
    sites: tuple[Lattice, ...]
    rescale: str | float
    means: tuple[npt.NDArray[np.floating], ...]
    statistics: Pyramid
    groups: Groups
    errors: Jackknife

    def __repr__(self) -> str:
        first, last = self.sites[0].n_sites, self.sites[-1].n_sites
        return (
            f"Flow({len(self.scales)} scales, {first} -> {last} sites, "
            f"{self.field.n_samples} samples, {self.blocks!r}, rescale={self.rescale!r})"
        )

    def __len__(self) -> int:
        return len(self.scales)

    def __iter__(self) -> Iterator[tuple[int, SynapticField]]:
        for level, b in enumerate(self.scales):
            yield b, self.at(level)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know: trimmed sites, order without meaning, what was done before."""
        if isinstance(self.blocks, Coarsening):
            own = self.blocks.notes(self.field, len(self))
        else:
            own = lattice_notes(self.field, self.blocks.factors(self.field.sites), len(self))
        return (*self.field.notes, *own)

    @property
    def singular(self) -> str:
        """Why block fields have no density on their sites, or "" where they have one.

        Without a density there is no action of the sites together; one-site terms still say what
        the law of a single site is.
        """
        return str(getattr(self.blocks, "singular", ""))

    def variances(self) -> Array:
        """Return kappa_2 of the unrescaled block mean at each scale, shape (n_scales,)."""
        stats = self.statistics
        n = stats.counts.sum(axis=1)
        s1, s2 = stats.sums[:, :, 0].sum(axis=1), stats.sums[:, :, 1].sum(axis=1)
        return np.asarray((s2 - s1 * s1 / n) / (n - 1) * stats.scale**2)

    @property
    def lengths(self) -> Array:
        """Effective block length at each scale, (sites in a block)^(1/d), shape (n_scales,)."""
        return block_lengths(self.blocks.factors(self.field.sites), len(self))

    def factors(self) -> Array:
        """Return the factor that rescales the block mean at each scale, shape (n_scales,)."""
        return rescaling_factors(
            self.rescale, self.lengths, self.variances(), self.field.sites.dimension
        )

    def at(self, level: int) -> SynapticField:
        """Return the rescaled block field at one level, 0 being the field as given."""
        n = len(self.scales)
        level = as_count("level", level, -n, n - 1, hint="0 is the field as given") % n
        if level == 0:
            return self.field
        values = self.means[level] * self.factors()[level]
        return SynapticField(
            values,
            self.sites[level],
            name=f"{self.field.name} at b = {self.scales[level]}",
            sample=self.field.sample,
            natural=self.field.natural,
        )

    def cumulants(
        self, order: int = 8, *, nulls: tuple[str, ...] = ("permutation",), rng: object = None
    ) -> Cumulants:
        """Return kappa_1..kappa_order of the unrescaled block mean at each scale, with errors.

        See `nnrg.rg.cumulants.measure_cumulants`.
        """
        from nnrg.rg.cumulants import measure_cumulants

        return measure_cumulants(self, order=order, nulls=nulls, rng=rng)


def field_exponent(rescale: str | float, dimension: int) -> float | None:
    """Return Delta of ``phi' = b^Delta * (block mean)``, dimensionless, or None where measured.

    ``"clt"`` is d/2 (independent sites keep their variance), ``"kinetic"`` is (d-2)/2 (a free field
    keeps its stiffness), a number is itself; ``"variance"`` keeps kappa_2 and so measures Delta.
    """
    if isinstance(rescale, str):
        if rescale not in _RESCALINGS:
            raise ArgumentError(
                f"rescale must be one of {', '.join(map(repr, _RESCALINGS))} or a number (the "
                f"exponent Delta), got {shown(rescale)}"
            )
        return {"variance": None, "clt": dimension / 2, "kinetic": (dimension - 2) / 2}[rescale]
    names = ", ".join(map(repr, _RESCALINGS))
    return as_real("rescale", rescale, hint=f"give the exponent Delta, or one of {names}")


def rescaling_factors(
    rescale: str | float,
    lengths: npt.NDArray[np.float64],
    variances: Array,
    dimension: int,
) -> Array:
    """Return the factor of the block mean at each scale; `variances` may have leading axes.

    `lengths` are the effective ones, `Flow.lengths`.
    """
    exponent = field_exponent(rescale, dimension)
    if exponent is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.sqrt(variances[..., :1] / variances))
    return np.broadcast_to(lengths**exponent, variances.shape)


def renormalize(
    field: SynapticField,
    blocks: Blocks | None = None,
    levels: int | None = None,
    rescale: str | float = "variance",
    *,
    errors: Jackknife | None = None,
) -> Flow:
    """Coarse-grain a field by averaging over blocks, or otherwise, again and again.

    Parameters
    ----------
    field : SynapticField
        Values of shape ``(n_samples, *sites.shape)``.
    blocks : Blocks, optional
        The neighbourhoods; ``GridBlocks(2)`` by default. `MomentumShell`, `PrincipalComponents`,
        `Decimation` and `MajorityBlocks` make block fields that are no block means.
    levels : int, optional
        Number of scales, b = 1 included. By default as many as leave at least two sites along each
        axis and enough parts of the lattice for an error: see Notes.
    rescale : {"variance", "clt", "kinetic"} or float
        phi' = b^Delta * (block mean): ``"variance"`` keeps kappa_2, ``"clt"`` is Delta = d/2,
        ``"kinetic"`` Delta = (d-2)/2, a number is Delta. Unrescaled statistics are always kept.
        Where the factors of the axes differ, b is the number of sites in a block to the 1/d.
    errors : Jackknife, optional
        What is left out for the errors: samples where there are ten or more, else regions.

    Returns
    -------
    Flow

    Raises
    ------
    ArgumentError
        If an option is unknown or `levels` asks for blocks larger than the lattice.
    AnalysisError
        If the field is constant, too small for two scales, or has a standard deviation outside
        1e-30 .. 1e30: its eighth power leaves double precision.

    Notes
    -----
    phi'_X = b^Delta B^{-1} sum_{x in X} phi_x with B sites in a block; R_b R_b' = R_bb' exactly.
    With ten samples or more the error is that of leaving out samples; with fewer, of leaving out
    regions of the lattice, and the coarsest scale keeps at least 16 blocks in all.

    Examples
    --------
    >>> import numpy as np
    >>> import nnrg
    >>> values = np.random.default_rng(1).normal(size=(20, 32, 32))
    >>> field = nnrg.SynapticField(values, nnrg.Lattice((32, 32)))
    >>> nnrg.renormalize(field, nnrg.GridBlocks(2))
    Flow(5 scales, 1024 -> 4 sites, 20 samples, GridBlocks(b=2), rescale='variance')
    """
    if not isinstance(field, SynapticField):
        raise ArgumentError(
            f"renormalize takes a SynapticField, got {type(field).__name__}; "
            "try nnrg.SynapticField(values, nnrg.Lattice(shape))"
        )
    rule = as_blocks(blocks)
    exponent = field_exponent(rescale, field.sites.dimension)
    policy = Jackknife() if errors is None else _as_jackknife(errors)
    factors = rule.factors(field.sites)
    if isinstance(rule, Coarsening) and unit(field, policy) == "sites":
        rule.about_regions()
    n_levels = choose_levels(field, factors, levels, fewest_blocks(field, policy))
    check_exponent(exponent or 0.0, float(block_lengths(factors, n_levels)[-1]))
    arranged = rule.arrange(field)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
        groups = _groups(arranged, rule, n_levels, policy)
        means, sites, statistics = climb(arranged, rule, n_levels, groups)
        check_fluctuations(field, statistics)
    flow = Flow(
        field=arranged,
        blocks=rule,
        scales=tuple(max(factors) ** level for level in range(n_levels)),
        sites=sites,
        rescale=rescale,
        means=means,
        statistics=statistics,
        groups=groups,
        errors=policy,
    )
    return _with_wide_regions(flow)


def _with_wide_regions(flow: Flow) -> Flow:
    """Take fewer and wider regions, down to eight, until they are two correlation lengths wide.

    Only where their number was left to the package.
    """
    d = flow.field.sites.dimension
    factors = flow.blocks.factors(flow.field.sites)
    cells = flow.errors.cells_per_axis(d)
    while (
        flow.groups.kind == "regions"
        and flow.errors.blocks is None
        and int(cells * _FEWER) ** d >= _FEWEST_REGIONS
        and correlation_of_halves(flow.means, factors, flow.groups.edges) > CORRELATED
    ):
        cells = int(cells * _FEWER)
        wider = _regrouped(flow, Jackknife(blocks=cells**d, over="sites"))
        note = f"{wider.groups.n_groups} regions, wider ones being less correlated"
        about = [line for line in (wider.groups.note, note) if line]
        flow = replace(
            wider, groups=replace(wider.groups, note="; ".join(about)), errors=flow.errors
        )
    return flow


def repeat_flow(flow: Flow, field: SynapticField) -> Flow:
    """Return the flow of another field through the same blocks and levels, in one group.

    For null models: only their totals are needed, never their errors.
    """
    groups = whole(field)
    means, _, statistics = climb(field, flow.blocks, len(flow), groups)
    return replace(flow, field=field, means=means, statistics=statistics, groups=groups)


def with_errors(flow: Flow, errors: Jackknife) -> Flow:
    """Return the flow with its statistics gathered in the groups of another jackknife."""
    if not isinstance(flow, Flow):
        raise ArgumentError(f"expected a Flow, got {type(flow).__name__}; try nnrg.renormalize")
    if _as_jackknife(errors) == flow.errors:
        return flow
    return _with_wide_regions(_regrouped(flow, errors))


def _regrouped(flow: Flow, errors: Jackknife) -> Flow:
    groups = _groups(flow.field, flow.blocks, len(flow), errors)
    factors = flow.blocks.factors(flow.field.sites)
    statistics = gather(flow.means, flow.sites, factors, groups)
    return replace(flow, statistics=statistics, groups=groups, errors=errors)


def _groups(field: SynapticField, blocks: Blocks, n_levels: int, errors: Jackknife) -> Groups:
    groups = choose_groups(field, blocks.factors(field.sites), n_levels - 1, errors)
    if groups.kind == "regions" and isinstance(blocks, Coarsening):
        return replace(groups, note=blocks.about_regions())
    return groups


def _as_jackknife(errors: object) -> Jackknife:
    if not isinstance(errors, Jackknife):
        raise ArgumentError(
            f"errors must be a Jackknife, got {shown(errors)}; try nnrg.Jackknife(over='samples')"
        )
    return errors
