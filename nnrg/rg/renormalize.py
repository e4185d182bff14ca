"""Coarse-graining a field again and again: `renormalize`, and flows made from flows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.fields import SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg._level_statistics import climb, gather
from nnrg.rg._regions import CORRELATED, correlation_of_halves
from nnrg.rg.blocks import Blocks, Coarsening, as_blocks
from nnrg.rg.flow import Flow
from nnrg.rg.fluctuations import check_fluctuations
from nnrg.rg.groups import Groups, choose_groups, fewest_blocks, unit, whole
from nnrg.rg.levels import as_levels, block_lengths, check_exponent, choose_levels
from nnrg.rg.neighbourhoods.blocking import arrange, climb_blocks
from nnrg.rg.neighbourhoods.hierarchy import Choice, Neighbourhoods
from nnrg.rg.neighbourhoods.modes import GraphModes
from nnrg.rg.rescaling import field_exponent
from nnrg.stats.jackknife import Jackknife
from nnrg.stats.partition import spatial_edges

__all__ = ["renormalize", "repeat_flow", "with_errors"]

# Regions along an axis that are left at each step on the way to wider ones.
_FEWER = 0.71
_FEWEST_REGIONS = 8


def renormalize(
    field: SynapticField,
    blocks: Blocks | Neighbourhoods | None = None,
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
    blocks : Blocks or Neighbourhoods, optional
        The neighbourhoods; ``GridBlocks(2)`` by default. `MomentumShell`, `PrincipalComponents`,
        `Decimation` and `MajorityBlocks` make block fields that are no block means. For units
        without a natural order: `MatchingBlocks`, `DiffusionBlocks`, `PairBlocks` and others.
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
    policy = Jackknife() if errors is None else _as_jackknife(errors)
    if isinstance(blocks, Neighbourhoods) and not isinstance(blocks, type):
        return _renormalize_units(field, blocks, levels, rescale, policy)
    rule = as_blocks(blocks)
    if isinstance(field.sites, ConnectionGraph) and isinstance(rule, GraphModes):
        field = rule.on_row(field)
    elif isinstance(field.sites, ConnectionGraph):
        raise ArgumentError(
            f"field {field.name!r} lives on a graph, which {rule!r} cannot block; "
            "try nnrg.MatchingBlocks(), or nnrg.RandomUnits(2) for blocks at random"
        )
    exponent = field_exponent(rescale, field.sites.dimension)
    factors = rule.factors(field.lattice)
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


def _renormalize_units(
    field: SynapticField,
    blocks: Neighbourhoods,
    levels: int | None,
    rescale: str | float,
    policy: Jackknife,
) -> Flow:
    """Coarse-grain over the nested blocks that a rule chooses for units without a natural order."""
    if rescale == "kinetic":
        raise ArgumentError(
            "rescale='kinetic' needs the dimension of a lattice; give the exponent Delta, "
            "'variance' or 'clt'"
        )
    field_exponent(rescale, field.sites.dimension)
    wanted = None if levels is None else as_levels(levels)
    fewest = fewest_blocks(field, policy)
    if unit(field, policy) == "sites" and field.sites.dimension == 2:
        fewest = _FEWEST_REGIONS
    choice = blocks.choose(field, wanted, fewest)
    if wanted is None:  # of samples that are left after a split there may be too few
        choice = _with_blocks(choice, fewest_blocks(choice.field, policy))
    arranged, arrangement = arrange(choice)
    check_exponent(
        field_exponent(rescale, field.sites.dimension) or 0.0, float(arrangement.lengths()[-1])
    )
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
        groups = choose_groups(arranged, policy, arrangement.region_edges)
        means, sites, statistics = climb_blocks(arranged, arrangement, groups)
        check_fluctuations(field, statistics)
    return Flow(
        field=arranged,
        blocks=blocks,
        scales=arrangement.scales(),
        sites=sites,
        rescale=rescale,
        means=means,
        statistics=statistics,
        groups=groups,
        errors=policy,
        arrangement=arrangement,
    )


def _with_blocks(choice: Choice, fewest: int) -> Choice:
    """Leave out levels with fewer blocks along an axis; two levels at least are kept."""
    levels = max(
        2,
        sum(
            all(h.n_blocks(level) >= min(fewest, h.n_sites) for h in choice.hierarchies)
            for level in range(len(choice.hierarchies[0]))
        ),
    )
    if levels >= len(choice.hierarchies[0]):
        return choice
    return replace(choice, hierarchies=tuple(h.cut(levels) for h in choice.hierarchies))


def _with_wide_regions(flow: Flow) -> Flow:
    """Take fewer and wider regions, down to eight, until they are two correlation lengths wide.

    Only where their number was left to the package.
    """
    if flow.arrangement is not None:
        return flow
    d = flow.field.sites.dimension
    factors = flow.factors_along_axes
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
    if flow.arrangement is not None:
        means, _, statistics = climb_blocks(field, flow.arrangement, groups)
    else:
        assert isinstance(flow.blocks, Blocks)
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
    if flow.arrangement is not None:
        groups = choose_groups(flow.field, errors, flow.arrangement.region_edges)
        _, _, statistics = climb_blocks(flow.field, flow.arrangement, groups)
        return replace(flow, statistics=statistics, groups=groups, errors=errors)
    assert isinstance(flow.blocks, Blocks)
    groups = _groups(flow.field, flow.blocks, len(flow), errors)
    statistics = gather(flow.means, flow.lattices, flow.factors_along_axes, groups)
    return replace(flow, statistics=statistics, groups=groups, errors=errors)


def _groups(field: SynapticField, blocks: Blocks, n_levels: int, errors: Jackknife) -> Groups:
    factors = blocks.factors(field.lattice)

    def regions(cells: int) -> tuple[npt.NDArray[np.int64], ...]:
        return spatial_edges(field.sites.shape, factors, n_levels - 1, cells=cells)

    groups = choose_groups(field, errors, regions)
    if groups.kind == "regions" and isinstance(blocks, Coarsening):
        return replace(groups, note=blocks.about_regions())
    return groups


def _as_jackknife(errors: object) -> Jackknife:
    if not isinstance(errors, Jackknife):
        raise ArgumentError(
            f"errors must be a Jackknife, got {shown(errors)}; try nnrg.Jackknife(over='samples')"
        )
    return errors
