"""From a network to its flows: which tensors, on which sites, through which blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nnrg._files import as_path
from nnrg._neighbours import Neighbours, Placed
from nnrg._parts import Parts
from nnrg._random import as_seed
from nnrg._selection import Sites, check_sites, choose, is_natural
from nnrg._validate import as_count, as_names, shown
from nnrg._workers import Workers
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.fields import SynapticField
from nnrg.networks._label import label
from nnrg.networks.gauge import canonical
from nnrg.networks.network import Network
from nnrg.pipeline._work import Policy, Progress, Work, estimate_seconds, in_full
from nnrg.provenance import describe_run, utc_now
from nnrg.results import Run
from nnrg.rg.basis import Basis
from nnrg.rg.blocks import Blocks, GridBlocks
from nnrg.rg.neighbourhoods.hierarchy import Neighbourhoods
from nnrg.rg.nulls import DefaultNulls, NullModel, Nulls, WherePossible, null_models
from nnrg.rg.rescaling import field_exponent
from nnrg.stats.jackknife import Jackknife

__all__ = ["estimate_seconds", "flow_network"]

_MOST_WORKERS = 256


def flow_network(
    net: Network,
    *,
    tensors: Sequence[str] = ("*",),
    sites: Sites = None,
    gauge: str | None = None,
    standardise: bool = False,
    blocks: Blocks | Neighbourhoods | None = None,
    units: str = "matching",
    levels: int | None = None,
    rescale: str | float = "variance",
    basis: Basis | None = None,
    errors: Jackknife | None = None,
    nulls: Nulls = None,
    rng: object = None,
    keep: Path | None = None,
    workers: int | Workers = 1,
    command: str = "nnrg.flow_network",
    progress: Progress | None = None,
) -> Run:
    """Measure the flow of every tensor of a network that has one.

    Parameters
    ----------
    net : Network
    tensors : sequence of str
        Shell patterns of tensor names; a name asked for that cannot be measured is an error, one
        that a wildcard found is left out with the reason.
    sites : Lattice, or mapping from name pattern to Lattice
        Lattices for axes that the file says nothing about, such as the pixels of an image. A
        tensor that a wildcard found, and that has no such axis, keeps its own.
    gauge : str, optional
        Activation of the hidden layers, as `nnrg.canonical` takes it: scales and signs of hidden
        units that the network's function does not depend on are fixed first. A file does not say
        which it is: by default weights are as stored.
    standardise : bool
        Whether mean and standard deviation of each site over the samples are taken out first; a
        field that has too few samples is left out with the reason.
    blocks : Blocks or Neighbourhoods, optional
        One rule for all tensors. By default ``GridBlocks(2)`` where sites have a natural order; for
        units without one, `units`. What was chosen, and why, is a note of each result.
    units : {"matching", "diffusion", "seriation", "pairs", "random", "index"}
        Neighbourhoods of units without a natural order. ``"matching"``, ``"diffusion"`` and
        ``"seriation"`` take the graph of the units by their weights in other tensors, where the
        names and shapes of the file tell which units those are; where not, and with ``"pairs"``,
        half of the samples choose and the others are measured. ``"random"`` and ``"index"`` are
        random blocks, the null of every geometry.
    levels, rescale, errors
        As in `nnrg.renormalize`.
    basis, nulls
        As in `nnrg.fit_couplings`. By default fields on graphs that are not asked for by name have
        the permutation alone once others, the largest first, take more than some seconds: a note of
        each says so, and ``nulls_in_full`` of the run names those that have all. A null model that
        a field cannot have is left out of it with a note, unless both were asked for by name.
    rng : int, numpy Generator or None
        Seed; every tensor has its own stream, so that its numbers do not depend on the others.
    keep : path, optional
        A folder in which finished tensors are kept, once the run has taken twenty seconds or is
        interrupted, and from which they are taken if they were measured with the same weights and
        settings: an interrupted run goes on where it was, with its seed if `rng` is None.
    workers : int
        Processes that measure a tensor each at the same time, this one included, if that takes
        more than some seconds. Numbers do not depend on it. Each takes the memory of its tensor.
    command : str
        What was asked for, for the record.
    progress : callable, optional
        Called with the tensor's name, steps done and their number, from one thread at a time. Of
        a tensor that another process measures, while this one measures too, the last step only.
        Before the first tensor of a file above 256 MiB, with MiB of the file whose sum is taken.

    Returns
    -------
    Run
        Tensors in the order of the file; fields on a natural lattice are measured first.

    Raises
    ------
    ArgumentError
        If a pattern matches no tensor, or an option is not usable.
    AnalysisError
        If no tensor that matches has a flow.
    NonFiniteError
        If a tensor holds NaN or infinity and the network was not loaded to allow it.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> weights = np.random.default_rng(1).normal(size=(32, 64)).astype(np.float32)
    >>> net = nnrg.load({"fc.weight": weights, "fc.bias": np.zeros(32)})
    >>> run = nnrg.flow_network(net, sites=nnrg.Lattice((8, 8)), nulls=(), rng=1)
    >>> list(run), list(run.left_out)
    (['fc.weight'], ['fc.bias'])
    """
    started = utc_now()
    if not isinstance(net, Network):
        raise ArgumentError(f"net must be a Network, got {shown(net)}; try nnrg.load")
    if not isinstance(basis, Basis | None):
        raise ArgumentError(f"basis must be a Basis, got {shown(basis)}; try nnrg.Basis.scalar()")
    tensors = as_names("tensors", tensors)
    keep = None if keep is None else as_path(keep)
    models = _nulls(nulls)
    field_exponent(rescale, 1)
    settings = {
        "blocks": repr(GridBlocks(2) if blocks is None else blocks),
        "units": units if blocks is None else "as all",
        "levels": str(levels),
        "rescale": str(rescale),
        "basis": ", ".join((basis or Basis.scalar()).names),
        "errors": repr(errors or Jackknife()),
        "nulls": repr(models),
        "sites": repr(sites),
        "gauge": "as stored" if gauge is None else str(gauge),
        "standardise": repr(bool(standardise)),
    }
    stored, net = net, net if gauge is None else canonical(net, gauge).network
    chosen = choose(net, tensors)
    check_sites(sites, chosen, net)
    short = set[str]()
    if isinstance(models, DefaultNulls):
        # Vectors are no fields unless they are asked for.
        on_graphs = [
            name
            for name in chosen
            if not is_natural(net, name, sites)
            and (len(net.specs[name].shape) > 1 or name in tensors)
        ]
        full = in_full(net, on_graphs, tensors, models)
        short = set(on_graphs) - full
        named = ", ".join(name for name in on_graphs if name in full)
        settings["nulls_in_full"] = (named or "none") if short else "all"
    digest = stored.sha256(progress)
    # Operators of one's own by their functions, which another run does not share: measured again.
    parts = Parts(keep, {**settings, "operators": repr(basis), "weights_sha256": digest})
    seed = as_seed(parts.seed() if rng is None else rng)
    entropy = int(seed.entropy) if isinstance(seed.entropy, int) else 0
    parts.use_seed(entropy)
    policy = Policy(standardise, levels, rescale, basis, errors, models, seed)

    neighbours = Neighbours(net, units)
    place = neighbours.place if blocks is None else _as_asked(blocks)
    otherwise = neighbours.split if blocks is None else None
    work = Work(net, tensors, sites, place, otherwise, policy, short, parts, progress)
    work.names = sorted(chosen, key=lambda name: not is_natural(net, name, sites))
    if isinstance(workers, Workers):
        work.measure(workers)
    else:
        with Workers(as_count("workers", workers, 1, _MOST_WORKERS, hint="try 2")) as own:
            work.measure(own)
    done, refused = work.done, work.refused
    if not done:
        raise _nothing(refused)
    left_out = {n: str(refused[n]) for n in chosen if n in refused}
    return Run(
        {name: done[name] for name in chosen if name in done},
        {**left_out, **{s.name: s.reason for s in stored.skipped}},
        {
            **describe_run(command, started),
            **settings,
            "seed": str(entropy),
            "model": stored.name,
            "format": stored.format,
            "weights_sha256": digest,
            "weights_bytes": sum(path.stat().st_size for path in stored.files),
            "tensors": len(stored.specs),
            "parameters": stored.n_parameters,
        },
    )


def _nulls(nulls: Nulls) -> tuple[NullModel, ...] | DefaultNulls:
    if nulls is None or isinstance(nulls, DefaultNulls):
        return nulls or DefaultNulls()
    return null_models(nulls.models if isinstance(nulls, WherePossible) else nulls)


def _as_asked(blocks: Blocks | Neighbourhoods) -> Callable[[SynapticField], Placed]:
    return lambda field: Placed(field, blocks, "")


def _nothing(refused: Mapping[str, AnalysisError | ArgumentError]) -> Exception:
    """Return the error of a run that measured nothing: the arguments' if they were why."""
    first = next((e for e in refused.values() if isinstance(e, ArgumentError)), None)
    if first is not None:
        return first
    reasons = "; ".join(f"{label(n, 60)}: {r}" for n, r in list(refused.items())[:3])
    return AnalysisError(
        f"no tensor has a flow of two scales or more ({reasons}); --sites or sites= gives a "
        "vector a lattice, --tensors names one to measure regardless"
    )
