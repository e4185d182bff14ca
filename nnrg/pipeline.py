"""From a network to its flows: which tensors, on which sites, through which blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from nnrg._parts import Parts
from nnrg._random import as_seed
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.fields import Lattice, SynapticField
from nnrg.networks._label import label
from nnrg.networks.network import Network
from nnrg.provenance import describe_run, utc_now
from nnrg.results import Measurement, Run
from nnrg.rg.action import measure
from nnrg.rg.basis import Basis
from nnrg.rg.blocks import Blocks, GridBlocks
from nnrg.rg.flow import field_exponent, renormalize
from nnrg.rg.nulls import NullModel, null_models
from nnrg.stats.jackknife import Jackknife

__all__ = ["flow_network"]

Sites = Mapping[str, Lattice] | Lattice | None
Progress = Callable[[str, int, int], None]

_VECTOR = "one vector in index order, its blocks are random; name it with tensors= to measure it"
_SPATIAL = "DHWK"
_FEWEST_TAPS = 4


@dataclass(frozen=True, slots=True)
class _Policy:
    """What is done alike with every tensor."""

    standardise: bool
    blocks: Blocks | None
    levels: int | None
    rescale: str | float
    basis: Basis | None
    errors: Jackknife | None
    nulls: tuple[NullModel, ...]
    seed: np.random.SeedSequence


def flow_network(
    net: Network,
    *,
    tensors: Sequence[str] = ("*",),
    sites: Sites = None,
    standardise: bool = False,
    blocks: Blocks | None = None,
    levels: int | None = None,
    rescale: str | float = "variance",
    basis: Basis | None = None,
    errors: Jackknife | None = None,
    nulls: Sequence[str | NullModel] = ("permutation",),
    rng: object = None,
    keep: Path | None = None,
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
    standardise : bool
        Whether mean and standard deviation of each site over the samples are taken out first; a
        field that has too few samples is left out with the reason.
    blocks, levels, rescale, errors
        As in `nnrg.renormalize`.
    basis, nulls
        As in `nnrg.fit_couplings`.
    rng : int, numpy Generator or None
        Seed; every tensor has its own stream, so that its numbers do not depend on the others.
    keep : path, optional
        A folder in which finished tensors are kept, once the run has taken five seconds or is
        interrupted, and from which they are taken if they were measured with the same weights and
        settings: an interrupted run goes on where it was, with its seed if `rng` is None.
    command : str
        What was asked for, for the record.
    progress : callable, optional
        Called with the tensor's name, steps done and their number.

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
    tensors = (tensors,) if isinstance(tensors, str) else tuple(tensors)
    models = null_models(nulls)
    field_exponent(rescale, 1)
    settings = {
        "blocks": repr(GridBlocks(2) if blocks is None else blocks),
        "levels": str(levels),
        "rescale": str(rescale),
        "basis": ", ".join((basis or Basis.scalar()).names),
        "errors": repr(errors or Jackknife()),
        "nulls": repr(models),
        "sites": repr(sites),
        "standardise": repr(bool(standardise)),
    }
    chosen = _choose(net, tensors)
    _check_sites(sites, chosen)
    digest = net.sha256()
    # Operators of one's own by their functions, which another run does not share: measured again.
    parts = Parts(keep, {**settings, "operators": repr(basis), "weights_sha256": digest})
    seed = as_seed(parts.seed() if rng is None else rng)
    entropy = int(seed.entropy) if isinstance(seed.entropy, int) else 0
    parts.use_seed(entropy)
    policy = _Policy(standardise, blocks, levels, rescale, basis, errors, models, seed)

    done: dict[str, Measurement] = {}
    refused: dict[str, AnalysisError | ArgumentError] = {}
    ordered = sorted(chosen, key=lambda name: not _is_natural(net, name, sites))
    try:
        for i, name in enumerate(ordered, 1):
            shown = f"{label(name, 40)} ({i} of {len(ordered)})"
            old = parts.get(name)
            if old is not None:
                done[name] = old
                continue
            try:
                done[name] = _measure(net, name, tensors, sites, policy, shown, progress)
            except NonFiniteError as error:
                net.tensors[name]  # raises unless the network was loaded to allow it
                refused[name] = error
            except (AnalysisError, ArgumentError) as error:
                if name in tensors:
                    raise
                refused[name] = error
            else:
                parts.add(name, done[name])
    except KeyboardInterrupt:
        parts.flush()
        raise
    if not done:
        raise _nothing(refused)
    left_out = {n: str(refused[n]) for n in chosen if n in refused}
    return Run(
        {name: done[name] for name in chosen if name in done},
        {**left_out, **{s.name: s.reason for s in net.skipped}},
        {
            **describe_run(command, started),
            **settings,
            "seed": str(entropy),
            "model": net.name,
            "format": net.format,
            "weights_sha256": digest,
            "weights_bytes": sum(path.stat().st_size for path in net.files),
            "tensors": len(net.specs),
            "parameters": net.n_parameters,
        },
    )


def _measure(
    net: Network,
    name: str,
    tensors: tuple[str, ...],
    sites: Sites,
    policy: _Policy,
    shown: str,
    progress: Progress | None,
) -> Measurement:
    """Measure one tensor; its numbers are given up on return."""
    field = _field(net, name, sites, by_name=name in tensors)
    if tensors == ("*",) and field.sites.dimension == 1 and not field.natural:
        raise AnalysisError(_VECTOR)
    if policy.standardise:
        field = field.standardised()
    flow = renormalize(field, policy.blocks, policy.levels, policy.rescale, errors=policy.errors)
    key = (*policy.seed.spawn_key, *name.encode("utf-8", "surrogatepass"))
    return Measurement(
        *measure(
            flow,
            basis=policy.basis,
            nulls=policy.nulls,
            rng=np.random.SeedSequence(policy.seed.entropy, spawn_key=key),
            progress=None if progress is None else lambda i, n: progress(shown, i, n),
        )
    )


def _choose(net: Network, tensors: tuple[str, ...]) -> list[str]:
    """Names to measure, in the order of the file."""
    for pattern in tensors:
        if not any(_matches(name, pattern) for name in net.tensors):
            reason = next((s.reason for s in net.skipped if s.name == pattern), None)
            if reason is not None:
                raise ArgumentError(f"tensor {label(pattern)!r} is left out: {label(reason, 200)}")
            there = ", ".join(label(name, 60) for name in list(net.tensors)[:6])
            raise ArgumentError(
                f"no trained tensor matches {label(pattern)!r}; there are {there}"
                f"{', ...' if len(net.tensors) > 6 else ''} (nnrg inspect lists all)"
            )
    # A name with brackets is a pattern too; where a tensor has it, it means that tensor.
    named = {p for p in tensors if p in net.tensors}
    wild = [p for p in tensors if p not in named]
    return [n for n in net.tensors if n in named or any(fnmatchcase(n, p) for p in wild)]


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)


def _check_sites(sites: Sites, chosen: Sequence[str]) -> None:
    if isinstance(sites, Mapping):
        for pattern in sites:
            if not any(_matches(name, pattern) for name in chosen):
                raise ArgumentError(
                    f"sites name a lattice for {label(pattern)!r}, which matches no tensor that is "
                    "measured; nnrg inspect lists the names"
                )


def _lattice_for(name: str, sites: Sites) -> Lattice | None:
    if sites is None or isinstance(sites, Lattice):
        return sites
    if name in sites:
        return sites[name]
    return next((lattice for p, lattice in sites.items() if fnmatchcase(name, p)), None)


def _field(net: Network, name: str, sites: Sites, *, by_name: bool) -> SynapticField:
    lattice = _lattice_for(name, sites)
    by_name = by_name or (isinstance(sites, Mapping) and name in sites)
    n_sites = lattice.n_sites if lattice is not None else 0
    shape = net.specs[name].shape
    if lattice is not None and not by_name and n_sites not in (*shape, net.specs[name].size):
        lattice = None
    return net.field(name, sites=lattice)


def _is_natural(net: Network, name: str, sites: Sites) -> bool:
    """Tell from names and shapes alone whether a tensor's sites will have a natural order."""
    spec = net.specs[name]
    lattice = _lattice_for(name, sites)
    return (
        (lattice is not None and lattice.n_sites in spec.shape)
        or f"nnrg.lattice.{name}" in net.metadata
        or "L" in spec.layout
        or any(
            letter in _SPATIAL and length >= _FEWEST_TAPS
            for letter, length in zip(spec.layout, spec.shape, strict=False)
        )
    )


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
