"""From a network to its flows: which tensors, on which sites, through which blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from nnrg._random import as_seed
from nnrg.errors import AnalysisError, ArgumentError, FormatError, NNRGError
from nnrg.fields import Lattice
from nnrg.networks.network import Network
from nnrg.provenance import describe_run, utc_now
from nnrg.results import Measurement, Run, open_results
from nnrg.rg.action import measure
from nnrg.rg.basis import Basis
from nnrg.rg.blocks import Blocks, GridBlocks
from nnrg.rg.flow import renormalize
from nnrg.rg.nulls import NullModel
from nnrg.stats.jackknife import Jackknife

__all__ = ["flow_network"]


_VECTOR = "one vector in index order, its blocks are random; name it with tensors= to measure it"


def flow_network(
    net: Network,
    *,
    tensors: Sequence[str] = ("*",),
    sites: Mapping[str, Lattice] | Lattice | None = None,
    blocks: Blocks | None = None,
    levels: int | None = None,
    rescale: str | float = "variance",
    basis: Basis | None = None,
    errors: Jackknife | None = None,
    nulls: Sequence[str | NullModel] = ("permutation",),
    rng: object = None,
    keep: Path | None = None,
    command: str = "nnrg.flow_network",
    progress: Callable[[str, int, int], None] | None = None,
) -> Run:
    """Measure the flow of every tensor of a network that has one.

    Parameters
    ----------
    net : Network
    tensors : sequence of str
        Shell patterns of tensor names; a name asked for that cannot be measured is an error, one
        that a wildcard found is left out with the reason.
    sites : Lattice, or mapping from name pattern to Lattice
        Lattices for axes that the file says nothing about, such as the pixels of an image.
    blocks, levels, rescale, errors
        As in `nnrg.renormalize`.
    basis, nulls
        As in `nnrg.fit_couplings`.
    rng : int, numpy Generator or None
        Seed; every tensor has its own stream, so that its numbers do not depend on the others.
    keep : path, optional
        A folder in which every finished tensor is kept, and from which it is taken if it was
        measured with the same weights and settings: an interrupted run goes on where it was.
    command : str
        What was asked for, for the record.
    progress : callable, optional
        Called with the tensor's name, steps done and their number.

    Returns
    -------
    Run

    Raises
    ------
    ArgumentError
        If no tensor matches.
    AnalysisError
        If no tensor that matches has a flow.
    """
    started = utc_now()
    seed = as_seed(rng)
    settings = {
        "blocks": repr(GridBlocks(2) if blocks is None else blocks),
        "levels": str(levels),
        "rescale": str(rescale),
        "basis": ", ".join((basis or Basis.scalar()).names),
        "errors": repr(errors or Jackknife()),
        "nulls": repr(tuple(nulls)),
        "sites": repr(sites),
        "seed": str(seed.entropy),
    }
    chosen, left_out = _choose(net, tensors)
    everything = tuple(tensors) == ("*",)
    digest = net.sha256()
    done: dict[str, Measurement] = {}
    for name in chosen:
        part = keep / f"{_slug(name)}.nc" if keep is not None else None
        identity = {**settings, "weights_sha256": digest, "tensor": name}
        old = _kept(part, identity)
        if old is not None:
            done[name] = old
            continue
        try:
            field = net.field(name, sites=_lattice_for(name, sites))
            if everything and field.sites.dimension == 1 and not field.natural:
                raise AnalysisError(_VECTOR)
            flow = renormalize(field, blocks, levels, rescale, errors=errors)
            child = np.random.SeedSequence(seed.entropy, spawn_key=tuple(name.encode()))
            result = Measurement(
                *measure(
                    flow,
                    basis=basis,
                    nulls=nulls,
                    rng=child,
                    progress=None
                    if progress is None
                    else lambda i, n, label=name: progress(label, i, n),
                )
            )
        except AnalysisError as error:
            if name in tensors:
                raise
            left_out[name] = str(error)
            continue
        done[name] = result
        if part is not None:
            Run({name: result}, attrs=identity).save(part)
    if not done:
        reasons = "; ".join(f"{n}: {r}" for n, r in list(left_out.items())[:3])
        raise AnalysisError(f"no tensor has a flow of two scales or more ({reasons})")
    return Run(
        done,
        left_out,
        {
            **describe_run(command, started),
            **settings,
            "model": net.name,
            "format": net.format,
            "weights_sha256": digest,
            "parameters": net.n_parameters,
        },
    )


def _choose(net: Network, tensors: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Names to measure, and the reasons of those that are left out."""
    chosen = [name for name in net.tensors if any(fnmatch(name, p) or name == p for p in tensors)]
    if not chosen:
        raise ArgumentError(
            f"no trained tensor matches {', '.join(map(repr, tensors))}; there are "
            f"{', '.join(list(net.tensors)[:6])}, ..."
        )
    left_out = {s.name: s.reason for s in net.skipped}
    return chosen, left_out


def _lattice_for(name: str, sites: Mapping[str, Lattice] | Lattice | None) -> Lattice | None:
    if sites is None or isinstance(sites, Lattice):
        return sites
    return next((lattice for p, lattice in sites.items() if fnmatch(name, p)), None)


def _slug(name: str) -> str:
    """A file name: letters, digits and dots of the tensor's name, and a checksum of all of it."""
    from zlib import crc32

    plain = "".join(c if c.isalnum() or c in "._-" else "_" for c in name)[:60].lstrip(".")
    return f"{plain}-{crc32(name.encode()):08x}"


def _kept(part: Path | None, identity: Mapping[str, str]) -> Measurement | None:
    if part is None or not part.is_file():
        return None
    try:
        run = open_results(part)
    except (FormatError, NNRGError):
        return None  # an interrupted or older file: measure again
    if isinstance(run, Run) and all(run.attrs.get(k) == v for k, v in identity.items()):
        return run[identity["tensor"]]
    return None
