"""Alignment: which hidden unit of one network is which of another, and whether that can be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.fields import Lattice, SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.networks._alignment_result import Alignment
from nnrg.networks._matching import Matcher
from nnrg.networks._rebuilt import rebuilt, workable
from nnrg.networks._symmetries import activation_symmetries, fixed_units, tied_tensors
from nnrg.networks.network import Network
from nnrg.networks.topology import Population, Topology

__all__ = ["Alignment", "align", "ensemble_field"]

Array = npt.NDArray[np.float64]
AS_STORED = "as stored"


def align(
    nets: Sequence[Network],
    reference: int = 0,
    *,
    activation: str | None = None,
    activations: Mapping[str, Sequence[npt.ArrayLike]] | None = None,
    populations: Sequence[str] | None = None,
    topology: Topology | None = None,
    null_draws: int = 10,
    rng: object = None,
) -> Alignment:
    """Permute the hidden units of networks of one architecture so that they fit a reference.

    Parameters
    ----------
    nets : sequence of Network
        The same tensors and shapes; different seeds, say. `nnrg.networks.gauge.canonical` first,
        where units can be rescaled.
    reference : int
        Number of the network that stays as it is.
    activation : str, optional
        Of the hidden layers; if odd, signs are matched too. None: no signs.
    activations : mapping of str to sequence of arrays of shape (n_inputs, n_units), optional
        Population: activations of each network on the same probe inputs. Units of these
        populations are matched by correlation, all others by weights.
    populations : sequence of str, optional
        Populations to align; by default all that are between two layers. Name one that is not, if
        you know that its order means nothing: hidden units whose second layer is not in the file.
    topology : Topology, optional
        By default what `Network.topology` tells of the reference.
    null_draws : int
        Networks with shuffled numbers that the same is done to.
    rng : seed or numpy Generator

    Returns
    -------
    Alignment
        ``print(alignment)`` says whether it found more than chance.

    Raises
    ------
    ArgumentError
        If tensors disagree, or activations do not fit.
    AnalysisError
        If no population can be permuted.

    Notes
    -----
    Populations between two layers are matched by maximal sums of products of weights (Hungarian
    method), one after the other until nothing changes: coordinate descent as in "Git Re-Basin"
    (Ainsworth, Hayase and Srinivasa, 2022). The first round goes from the input on and uses only
    weights to units that are in order already. A local optimum, not the best of all orders.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.networks.alignment import align
    >>> rng = np.random.default_rng(1)
    >>> one = {"fc1.weight": rng.normal(size=(30, 20)), "fc2.weight": rng.normal(size=(5, 30))}
    >>> order = rng.permutation(30)
    >>> two = {"fc1.weight": one["fc1.weight"][order], "fc2.weight": one["fc2.weight"][:, order]}
    >>> found = align([nnrg.load(one), nnrg.load(two)], rng=1)
    >>> np.round(found.quality[1], 6)
    array([1.])
    """
    networks = tuple(nets)
    if len(networks) < 2:
        raise ArgumentError(f"nets must be two networks or more, got {len(networks)}")
    reference = as_count("reference", reference, 0, len(networks) - 1)
    as_count("null_draws", null_draws, 2)
    first = networks[reference]
    for i, net in enumerate(networks):
        other = {name: spec.shape for name, spec in net.specs.items()}
        if other != {name: spec.shape for name, spec in first.specs.items()}:
            raise ArgumentError(
                f"networks {reference} and {i} have different tensors or shapes; align networks of "
                "one architecture"
            )
    known = first.topology() if topology is None else topology
    left_alone = _left_alone(first, known, populations)
    free = [p for p in known.populations if p.name not in left_alone]
    if not free:
        raise AnalysisError(
            f"no population of {first.name} can be permuted: "
            + "; ".join(f"{n}: {why}" for n, why in list(left_alone.items())[:3])
        )
    odd = activation is not None and activation_symmetries(activation)[1]
    signed = {p.name for p in free} - set(fixed_units(first, known)) if odd else set()
    probes = _probes(activations or {}, free, len(networks))
    seeds = as_seed(rng).spawn(len(networks))
    arrays = [_arrays(net, free) for net in networks]
    shape = (len(networks), len(free))
    quality, mean, spread = np.ones(shape), np.full(shape, np.nan), np.full(shape, np.nan)
    out, matchings = [], []
    for i, net in enumerate(networks):
        own = {name: given[i] for name, given in probes.items()}
        fixed = {name: given[reference] for name, given in probes.items()}
        matcher = Matcher(arrays[reference], free, known, signed, fixed)
        if i == reference:
            out.append(net)
            matchings.append(matcher.identity())
            continue
        matching, moved, quality[i] = matcher.match(arrays[i], own)
        draws = [
            matcher.match(*_shuffled(arrays[i], own, np.random.default_rng(seed)))[2]
            for seed in seeds[i].spawn(null_draws)
        ]
        mean[i], spread[i] = np.mean(draws, axis=0), np.std(draws, axis=0, ddof=1)
        matchings.append(matching)
        types = {name: workable(net.tensors[name].dtype) for name in moved}
        changed = {name: a.astype(types[name]) for name, a in moved.items()}
        out.append(rebuilt(net, changed, f"units in the order of network {reference}"))
    how = "weights" if not probes else f"activations of {', '.join(probes)}, else weights"
    return Alignment(
        tuple(out),
        reference,
        tuple(p.name for p in free),
        tuple(matchings),
        quality,
        mean,
        spread,
        null_draws,
        MappingProxyType(left_alone),
        how,
    )


def _left_alone(net: Network, topology: Topology, wanted: Sequence[str] | None) -> dict[str, str]:
    """Return the populations whose units are not to be permuted, and why."""
    tied = tied_tensors(net)
    named = None if wanted is None else {topology.population(name).name for name in wanted}
    reasons = {}
    for population in topology.populations:
        tensors = {end.tensor for end in population.ends}
        reason = ""
        if named is not None and population.name not in named:
            reason = "not asked for"
        elif named is None and {"in", "out"} - {end.side for end in population.ends}:
            reason = "not between two layers: its order is that of inputs or outputs"
        elif tied & tensors:
            reason = f"{min(tied & tensors)} is tied to another tensor"
        elif ".attention:" in population.name and " head " not in population.name:
            reason = "units of different heads must not mix; give a topology split into heads"
        if reason:
            reasons[population.name] = reason
    return reasons


def _probes(
    given: Mapping[str, Sequence[npt.ArrayLike]], free: Sequence[Population], count: int
) -> dict[str, list[Array]]:
    """Return activations of each network, each unit with mean zero and length one."""
    sizes = {p.name: p.size for p in free}
    probes = {}
    for name, arrays in given.items():
        if name not in sizes:
            raise ArgumentError(
                f"activations: {shown(name)} cannot be aligned; there are {', '.join(sizes)}"
            )
        values = [np.asarray(a, dtype=np.float64) for a in arrays]
        good = all(v.ndim == 2 and v.shape[1] == sizes[name] and len(v) > 2 for v in values)
        if len(values) != count or not good or len({len(v) for v in values}) > 1:
            raise ArgumentError(
                f"activations of {name!r} must be {count} arrays (n_inputs, {sizes[name]}) of the "
                "same inputs, one for each network"
            )
        if not all(np.isfinite(v).all() for v in values):
            raise ArgumentError(f"activations of {name!r} are not all finite")
        probes[name] = [_unit_columns(v) for v in values]
    return probes


def _unit_columns(values: Array) -> Array:
    centred = values - values.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    constant = length <= 1e-12 * np.abs(values).max(initial=0) * np.sqrt(len(values))
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, length))


def _arrays(net: Network, free: Sequence[Population]) -> dict[str, Array]:
    used = dict.fromkeys(end.tensor for p in free for end in p.ends)
    return {name: net.tensors[name].astype(np.float64) for name in used}


def _shuffled(
    arrays: Mapping[str, Array], probes: Mapping[str, Array], rng: np.random.Generator
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return numbers in random order within each tensor, inputs of probes in random order."""
    moved = {name: rng.permutation(a.reshape(-1)).reshape(a.shape) for name, a in arrays.items()}
    return moved, {name: rng.permutation(values, axis=0) for name, values in probes.items()}


def ensemble_field(
    nets: Sequence[Network] | Alignment,
    name: str,
    *,
    sites: Lattice | ConnectionGraph | None = None,
    along: str | None = None,
    order: str | None = None,
) -> SynapticField:
    """Return one tensor of many networks as a field whose samples are the networks.

    Parameters
    ----------
    nets : sequence of Network, or Alignment
        Aligned by `align`, if the tensor has hidden units.
    name : str
        The tensor.
    sites, along
        As in `Network.field`.
    order : {"as stored"}, optional
        Take the hidden units of unaligned networks as they are: unit i of one network then has
        nothing to do with unit i of another.

    Returns
    -------
    SynapticField
        Of a tensor that is several samples in one network, those of all networks.

    Raises
    ------
    AnalysisError
        If the tensor has hidden units and the networks are not aligned.
    ArgumentError
        If there are fewer than two networks, or their tensors have different shapes.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.networks.alignment import ensemble_field
    >>> nets = [nnrg.load({"fc.weight": np.full((3, 4), float(i))}) for i in range(5)]
    >>> ensemble_field(nets, "fc.weight").values.shape
    (5, 3, 4)
    """
    if order not in (None, AS_STORED):
        raise ArgumentError(f"order must be {AS_STORED!r} or left out, got {shown(order)}")
    aligned = isinstance(nets, Alignment)
    networks = nets.networks if isinstance(nets, Alignment) else tuple(nets)
    if len(networks) < 2:
        raise ArgumentError(f"an ensemble needs two networks or more, got {len(networks)}")
    fields = [net.field(name, sites, along=along) for net in networks]
    if len({f.values.shape for f in fields}) > 1:
        raise ArgumentError(f"{shown(name)} has different shapes in these networks")
    hidden = [
        p.name
        for p in networks[0].topology().populations
        if any(end.tensor == name for end in p.ends)
        and {end.side for end in p.ends} >= {"in", "out"}
    ]
    if isinstance(nets, Alignment):
        hidden = [p for p in hidden if p not in nets.populations]
    if hidden and order is None:
        raise AnalysisError(
            f"{name!r} has hidden units ({', '.join(hidden)}) whose order differs from network to "
            "network; give align(nets), or order='as stored'"
        )
    note = f"samples are {len(networks)} networks"
    if aligned:
        note += ", hidden units aligned: matching alone makes them alike, see its null"
    if hidden:
        note += f", hidden units {AS_STORED}"
    single = fields[0].n_samples == 1
    return replace(
        fields[0],
        values=np.concatenate([f.values for f in fields]),
        sample="network" if single else f"network and {fields[0].sample}",
        independent=single or fields[0].independent,
        sources=frozenset().union(*(f.sources for f in fields)),
        notes=(*fields[0].notes, note),
    )
