"""The tensors of a network that are measured one by one, here or in other processes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np

from nnrg._neighbours import Placed
from nnrg._parts import Parts
from nnrg._selection import Sites, field_of
from nnrg._workers import Worker, Workers
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError, RepeatedSamplesError
from nnrg.fields import SynapticField
from nnrg.networks._label import label
from nnrg.networks._source import TensorSpec
from nnrg.networks.network import Network
from nnrg.results import Measurement
from nnrg.rg.action import measure
from nnrg.rg.basis import Basis
from nnrg.rg.nulls import FURTHER_NULLS, DefaultNulls, NullModel, Nulls, WherePossible
from nnrg.rg.renormalize import renormalize
from nnrg.stats.jackknife import Jackknife

__all__ = ["Policy", "Progress", "Work", "estimate_seconds", "in_full", "measured"]

Progress = Callable[[str, int, int], None]
Place = Callable[[SynapticField], Placed]

_VECTOR = "one vector in index order, its blocks are random; name it with tensors= to measure it"
# Numbers through one null draw in a second in one process, to a factor of two, and seconds of a
# draw however few numbers it has.
_NUMBERS_PER_SECOND = 2.5e7
_SECONDS_A_DRAW = 2e-3
# Seconds of work below which another process is not worth its start.
_WORTH_A_PROCESS = 4.0
# Numbers through null draws, a few seconds of work, that the further models of graphs may take.
_FURTHER_NUMBERS = 5e7


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done alike with every tensor."""

    standardise: bool
    levels: int | None
    rescale: str | float
    basis: Basis | None
    errors: Jackknife | None
    nulls: tuple[NullModel, ...] | DefaultNulls
    seed: np.random.SeedSequence
    where_possible: bool = False


class Work:
    """Tensors that are being measured, and what has become of each."""

    def __init__(
        self,
        net: Network,
        asked: tuple[str, ...],
        sites: Sites,
        place: Place,
        otherwise: Place | None,
        policy: Policy,
        short: Collection[str],
        parts: Parts,
        progress: Progress | None,
    ) -> None:
        self._short = short
        self._net, self._asked, self._sites = net, asked, sites
        self._place, self._otherwise = place, otherwise
        self._policy, self._parts, self._progress = policy, parts, progress
        self._lock, self._measuring = Lock(), False
        self.names: list[str] = []
        self.done: dict[str, Measurement] = {}
        self.refused: dict[str, AnalysisError | ArgumentError] = {}

    def measure(self, workers: Workers) -> None:
        """Measure all tensors, those that another run has left first."""
        for name in self.names:
            old = self._parts.get(name)
            if old is not None:
                self.done[name] = old
        waiting = [name for name in self.names if name not in self.done]
        nulls = self._policy.nulls
        drawn = [nulls] if isinstance(nulls, DefaultNulls) else nulls
        passes = 1 + sum(null.draws for null in drawn)
        seconds = _seconds([self._net.specs[name] for name in waiting], passes)
        if len(waiting) < 2 or seconds < _WORTH_A_PROCESS:
            workers = Workers(1)

        def here(name: str) -> None:
            self._measuring = True
            try:
                self._attempt(name, lambda place: self._here(name, workers, place))
            finally:
                self._measuring = False

        def there(worker: Worker, name: str) -> None:
            self._attempt(name, lambda place: self._there(name, worker, place))

        try:
            workers.share(waiting, here, there)
        except KeyboardInterrupt:
            self._parts.flush()
            raise

    def _attempt(self, name: str, measured: Callable[[Place], Measurement]) -> None:
        try:
            try:
                result = measured(self._place)
            except RepeatedSamplesError as error:
                if self._otherwise is None:
                    raise
                try:
                    result = measured(self._otherwise)
                except RepeatedSamplesError:
                    raise error from None
        except NonFiniteError as error:
            self._net.tensors[name]  # raises unless the network was loaded to allow it
            self.refused[name] = error
        except (AnalysisError, ArgumentError) as error:
            if name in self._asked:
                raise
            self.refused[name] = error
        else:
            with self._lock:
                self.done[name] = result
                self._parts.add(name, result)

    def _here(self, name: str, workers: Workers, place: Place) -> Measurement:
        def step(done: int, of: int) -> None:
            workers.check()
            self._tell(name, done, of)

        return measured(self._placed(name, place), self._of(name), name, progress=step)

    def _there(self, name: str, worker: Worker, place: Place) -> Measurement:
        def step(done: int, of: int) -> None:
            if done == of or not self._measuring:
                self._tell(name, done, of)

        worker.start(measured, self._placed(name, place), self._of(name), name)
        result: Measurement = worker.wait(step)
        # What was sent can be written to; made anew, it is read-only.
        return Measurement(replace(result.cumulants), replace(result.couplings))

    def _of(self, name: str) -> Policy:
        nulls = self._policy.nulls
        if isinstance(nulls, DefaultNulls):
            brief = nulls.brief or name in self._short
            return replace(self._policy, nulls=replace(nulls, brief=brief))
        # What a wildcard found has of the null models those that it can have.
        return replace(self._policy, where_possible=name not in self._asked)

    def _placed(self, name: str, place: Place) -> Placed:
        with self._lock:
            field = field_of(self._net, name, self._sites, by_name=name in self._asked)
            if self._asked == ("*",) and field.sites.dimension == 1 and not field.natural:
                raise AnalysisError(_VECTOR)
            return place(field)

    def _tell(self, name: str, done: int, of: int) -> None:
        if self._progress is not None:
            place = f"({self.names.index(name) + 1} of {len(self.names)})"
            with self._lock:
                self._progress(f"{label(name, 40)} {place}", done, of)


def estimate_seconds(net: Network, draws: int) -> float:
    """Return how long one process takes for all tensors on lattices, to a factor of three."""
    return _seconds([spec for spec in net.specs.values() if len(spec.shape) > 1], 1 + draws)


def _seconds(specs: Sequence[TensorSpec], passes: int) -> float:
    numbers = sum(spec.size for spec in specs)
    return passes * (numbers / _NUMBERS_PER_SECOND + len(specs) * _SECONDS_A_DRAW)


def in_full(
    net: Network, names: Sequence[str], asked: Collection[str], nulls: DefaultNulls
) -> set[str]:
    """Return the fields on graphs that have all null models that graphs call for.

    Those asked for by name, and of the others the largest that together are drawn in a few seconds:
    which they are does not depend on how fast or how many processes measure them.
    """
    found = {name for name in names if name in asked}
    left = _FURTHER_NUMBERS
    for name in sorted(names, key=lambda name: -net.specs[name].size):
        numbers = net.specs[name].size * nulls.draws * FURTHER_NULLS
        if name not in found and numbers <= left:
            found.add(name)
            left -= numbers
    return found


def measured(
    placed: Placed, policy: Policy, name: str, *, progress: Callable[[int, int], None]
) -> Measurement:
    """Measure one tensor, in whichever process; its numbers are given up on return."""
    field = placed.field
    if placed.why:
        field = replace(field, notes=(*field.notes, f"neighbourhoods: {placed.why}"))
    if policy.standardise:
        field = field.standardised()
    key = (*policy.seed.spawn_key, *name.encode("utf-8", "surrogatepass"))
    seed = np.random.SeedSequence(policy.seed.entropy, spawn_key=key)
    blocks = placed.blocks
    del placed
    flow = renormalize(field, blocks, policy.levels, policy.rescale, errors=policy.errors)
    del field
    # Not kept here: block fields are given up once they have been fitted.
    handed = [flow]
    del flow
    nulls: Nulls = policy.nulls
    if policy.where_possible and not isinstance(policy.nulls, DefaultNulls):
        nulls = WherePossible(policy.nulls)
    found = measure(handed.pop(), basis=policy.basis, nulls=nulls, rng=seed, progress=progress)
    return Measurement(*found)
