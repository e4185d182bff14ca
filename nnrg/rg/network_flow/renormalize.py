"""`renormalize_network`: a whole network coarse-grained as one object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from nnrg._random import as_seed
from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.networks._topology_graph import matching
from nnrg.networks.gauge import canonical
from nnrg.networks.network import Network
from nnrg.networks.topology import Topology
from nnrg.progress import Told, reporter
from nnrg.rg.levels import as_levels
from nnrg.rg.network_flow import coarse
from nnrg.rg.network_flow._parts import Part, parts_of
from nnrg.rg.network_flow.flow import Half, NetworkFlow
from nnrg.rg.network_flow.graph_numbers import graph_numbers
from nnrg.rg.network_flow.layers import alternate
from nnrg.rg.network_flow.measured import MeasuredTensor, measure_tensor
from nnrg.rg.network_flow.partitions import (
    Given,
    Partition,
    check_rule,
    choosers,
    given_partitions,
    rule_partitions,
)
from nnrg.rg.nulls import NullModel, null_models
from nnrg.rg.observables import Observables

__all__ = ["renormalize_network"]

# Edges of the graph that is contracted for every group and null draw.
_MOST_EDGES = 1_500_000
_SPLITS = ("layers", None)


def renormalize_network(
    net: Network,
    neighbourhoods: str | Mapping[str, Given] = "matching",
    *,
    levels: int | None = None,
    split: str | None = "layers",
    gauge: str | None = None,
    excluding: str | Iterable[str] = (),
    nulls: str | NullModel | Sequence[str | NullModel] = ("permutation", "shuffle"),
    topology: Topology | None = None,
    rng: object = None,
    progress: Told | None = None,
) -> NetworkFlow:
    r"""Coarse-grain all tensors of a network and its graph by blocks of its populations.

    Parameters
    ----------
    net : Network
    neighbourhoods : str, or mapping of population to blocks
        ``"matching"``, ``"diffusion"`` or ``"seriation"`` on graphs of units whose weights are
        alike, or ``"random"``. Or, for each population, a `Hierarchy`, labels, or a policy such as
        `MatchingBlocks` on a graph of held-out activations; populations that are not named stay as
        they are. Populations whose natural order the file names are blocked along it.
    levels : int, optional
        Number of scales, the network as given included; by default as many as leave four blocks of
        the largest population. A population that has fewer stays at its coarsest.
    split : "layers" or None
        Whether every second layer chooses the blocks by which the others are measured, and the
        others those of the first: two choices of blocks, and every tensor is measured in that which
        it had no part in. None: all choose, and what chose is blocked but not measured.
    gauge : str, optional
        Activation of the hidden layers, ``"relu"`` or ``"tanh"``: scales or signs of units are
        fixed first, see `nnrg.networks.gauge`. Blocks of units with arbitrary signs cancel.
    excluding : str or iterable of str
        Shell patterns of tensors that neither choose nor are measured, and are in no graph; they
        are blocked all the same.
    nulls : names or NullModel objects
        Of each tensor, see `nnrg.rg.nulls`; ``"permutation"`` permutes the units of a population,
        on both axes alike where they are one population, and is also made of the graph.
    topology : Topology, optional
        By default what `Network.topology` tells.
    rng : int, numpy Generator or None
        Seed of null draws and random blocks.
    progress : callable, optional
        Told how many tensors and graphs are measured, of how many. By default a line on a terminal,
        once two seconds are over.

    Returns
    -------
    NetworkFlow

    Raises
    ------
    ArgumentError
        If an option is unknown, or blocks do not fit a population.
    AnalysisError
        If no population can be blocked.

    Notes
    -----
    :math:`W'_{XY} = B_X^{-1} B_Y^{-1} \sum_{x \in X, y \in Y} W_{xy}` for a matrix between two
    populations with blocks X, Y of B_X, B_Y units: R_b R_b' = R_bb' for nested blocks, and
    independent entries stay independent with kappa_2 over B_X B_Y. Taps and gates are samples.

    Measured are block fields equalised in variance where blocks are of unequal size; errors leave
    out regions of blocks. The heat capacity measured in a half is that of the graph of the tensors
    that had no part in its blocks. A relabelling of the units of the file changes no value.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.rg.network_flow.renormalize import renormalize_network
    >>> rng = np.random.default_rng(1)
    >>> shapes = {"fc1.weight": (64, 32), "fc2.weight": (64, 64), "fc3.weight": (10, 64)}
    >>> net = nnrg.load({name: rng.normal(size=shape) for name, shape in shapes.items()})
    >>> flow = renormalize_network(net, nulls=(), rng=1)
    >>> half = flow.halves[flow.tensor("fc2.weight").half]
    >>> sorted(half.chosen_by), "fc2.weight" in flow.at(2, half=0)
    (['fc1.weight', 'fc3.weight'], True)
    """
    seed = as_seed(rng)
    models = null_models(nulls)
    if split not in _SPLITS:
        raise ArgumentError(f"split must be 'layers' or None, got {shown(split)}")
    wanted = None if levels is None else as_levels(levels)
    notes: list[str] = []
    if gauge is not None:
        fixed = canonical(net, gauge, topology=topology)
        net = fixed.network
        alone = len(fixed.left_alone)
        notes.append(
            f"canonical gauge of {gauge} units; {alone} populations have none of their own"
        )
    known = net.topology() if topology is None else topology
    left_out = matching(net, excluding, "excluding")
    if isinstance(neighbourhoods, str):
        check_rule(neighbourhoods)
        choices = _by_rule(net, known, neighbourhoods, split, left_out, wanted, seed)
    else:
        choices = [(given_partitions(known, neighbourhoods, wanted), frozenset[str]())]
    n_levels = max(
        (len(p.hierarchy) for partitions, _ in choices for p in partitions.values()), default=1
    )
    if n_levels < 2:
        reasons = {p.provenance for partitions, _ in choices for p in partitions.values()}
        raise AnalysisError(
            f"no population of {net.name} can be blocked ({'; '.join(sorted(reasons)[:2])}); give "
            "a graph of held-out activations or labels for its populations"
        )
    seeds = seed.spawn(2)
    tell, close = reporter(f"flow of {net.name}", progress)
    try:
        parts = parts_of(net, known)
        total = len(parts) + len(choices)
        tensors, not_measured = _measured(
            net, parts, choices, left_out, models, seeds[0], lambda done: tell(done, total)
        )
        halves = []
        for done, ((partitions, chosen_by), child) in enumerate(
            zip(choices, seeds[1].spawn(len(choices)), strict=True), len(parts) + 1
        ):
            # Weights that chose the blocks would seem to be joined by them.
            apart = left_out | choosers(net, partitions, chosen_by)
            graph = _graph(net, known, partitions, apart, n_levels, models, child)
            halves.append(Half(MappingProxyType(partitions), chosen_by, graph))
            tell(done, total)
    finally:
        close()
    if isinstance(neighbourhoods, Mapping) and any(
        p.is_blocked and not p.sources for p in choices[0][0].values()
    ):
        notes.append("independence not checked where blocks do not say which numbers chose them")
    return NetworkFlow(
        net,
        known,
        n_levels,
        tuple(halves),
        MappingProxyType(tensors),
        MappingProxyType(not_measured),
        frozenset(left_out),
        tuple(notes),
    )


Choices = list[tuple[dict[str, Partition], frozenset[str]]]


def _by_rule(
    net: Network,
    topology: Topology,
    rule: str,
    split: str | None,
    left_out: set[str],
    levels: int | None,
    seed: np.random.SeedSequence,
) -> Choices:
    """Choose the blocks of all populations: by every second tensor, by all, or by none."""
    colour = {t: c for t, c in alternate(net, topology).items() if t not in left_out}
    if rule == "random":
        sides = [frozenset[str]()]
    elif split is None:
        sides = [frozenset(colour)]
    else:
        sides = [frozenset(t for t, c in colour.items() if c == half) for half in (0, 1)]
    out: Choices = []
    for choosing in sides:
        partitions = rule_partitions(
            net,
            topology,
            rule,
            choosing,
            needed={
                p.name
                for p in topology.populations
                if any(e.tensor not in choosing and e.tensor not in left_out for e in p.ends)
            },
            levels=levels,
            rng=np.random.default_rng(seed),
        )
        if not out or any(p.is_blocked for p in partitions.values()):
            out.append((partitions, choosing))
    return out


def _measured(
    net: Network,
    parts: Sequence[Part],
    choices: Choices,
    left_out: set[str],
    models: Sequence[NullModel],
    seed: np.random.SeedSequence,
    tell: Callable[[int], None],
) -> tuple[dict[str, MeasuredTensor], dict[str, str]]:
    """Measure each tensor with blocks that it did not choose, of the choices the most levels."""
    tensors: dict[str, MeasuredTensor] = {}
    not_measured: dict[str, str] = {}
    for number, part in enumerate(parts):
        tell(number)
        (child,) = seed.spawn(1)
        if part.tensor in left_out:
            not_measured[part.name] = "left out, as asked"
            continue
        free = [h for h, (_, chosen_by) in enumerate(choices) if part.tensor not in chosen_by]
        if not free:
            not_measured[part.name] = "its own numbers chose the blocks"
            continue
        half = max(free, key=lambda h: (_depth(part, choices[h][0]), -h))
        try:
            tensors[part.name] = measure_tensor(
                part.name,
                part.values(net),
                part.axes(choices[half][0]),
                sources=frozenset({net.source_of(part.tensor)}),
                sample=part.sample,
                half=half,
                models=models,
                seed=child,
            )
        except AnalysisError as error:
            not_measured[part.name] = str(error)
    for name in net.specs:
        if name not in {part.tensor for part in parts}:
            not_measured[name] = "it is known of no axis which neurons lie along it"
    return tensors, not_measured


def _depth(part: Part, partitions: Mapping[str, Partition]) -> tuple[int, int]:
    lengths = [len(axis.partition.hierarchy) for axis in part.axes(partitions)]
    deep = [n for n in lengths if n > 1]
    return len(deep), min(deep, default=0)


def _graph(
    net: Network,
    topology: Topology,
    partitions: Mapping[str, Partition],
    left_out: set[str],
    levels: int,
    models: Sequence[NullModel],
    seed: np.random.SeedSequence,
) -> Observables | None:
    """Measure the graph of all populations, from the finest level with not too many edges on."""
    connections = [c for c in topology.connections() if c.tensor not in left_out]
    if not connections:
        return None
    hierarchies = {name: p.hierarchy for name, p in partitions.items()}
    for base in range(levels):
        at = {n: coarse.level_of(h, base) for n, h in hierarchies.items()}
        count = {n: h.n_blocks(at[n]) for n, h in hierarchies.items()}
        if sum(count[c.post] * count[c.pre] for c in connections) <= _MOST_EDGES:
            break
    else:
        return None
    graph = coarse.coarse_graph(net, topology, hierarchies, base, left_out)
    units = sum(hierarchies[name].n_sites for name in graph.names)
    labels, scales = [], []
    for level in range(base, levels):
        parts, start = [], 0
        for name in graph.names:
            hierarchy = hierarchies[name]
            to = coarse.level_of(hierarchy, level)
            of_block = np.empty(count[name], dtype=np.int64)
            # Units are in the order of the file, blocks in that of their hierarchy.
            node = hierarchy.labels[at[name]] if at[name] else np.arange(hierarchy.n_sites)
            of_block[node] = hierarchy.labels[to]
            parts.append(of_block + start)
            start += hierarchy.n_blocks(to)
        labels.append(np.concatenate(parts))
        scales.append(units / start)
    return graph_numbers(graph, labels, scales, models, seed)
