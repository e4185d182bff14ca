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
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.fields import SynapticField
from nnrg.networks._label import label
from nnrg.networks.network import Network
from nnrg.results import Measurement
from nnrg.rg.action import measure
from nnrg.rg.basis import Basis
from nnrg.rg.nulls import FURTHER_NULLS, DefaultNulls, NullModel
from nnrg.rg.renormalize import renormalize
from nnrg.stats.jackknife import Jackknife

__all__ = ["NUMBERS_PER_SECOND", "Policy", "Progress", "Work", "in_full", "measured"]

Progress = Callable[[str, int, int], None]

_VECTOR = "one vector in index order, its blocks are random; name it with tensors= to measure it"
NUMBERS_PER_SECOND = 2.5e7
"""Numbers through one null draw in a second in one process, to a factor of two."""
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


class Work:
    """Tensors that are being measured, and what has become of each."""

    def __init__(
        self,
        net: Network,
        asked: tuple[str, ...],
        sites: Sites,
        place: Callable[[SynapticField], Placed],
        policy: Policy,
        short: Collection[str],
        parts: Parts,
        progress: Progress | None,
    ) -> None:
        self._short = short
        self._net, self._asked, self._sites, self._place = net, asked, sites, place
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
        numbers = sum(self._net.specs[name].size for name in waiting)
        nulls = self._policy.nulls
        drawn = [nulls] if isinstance(nulls, DefaultNulls) else nulls
        passes = 1 + sum(null.draws for null in drawn)
        if len(waiting) < 2 or numbers * passes < _WORTH_A_PROCESS * NUMBERS_PER_SECOND:
            workers = Workers(1)

        def here(name: str) -> None:
            self._measuring = True
            try:
                self._attempt(name, lambda: self._here(name, workers))
            finally:
                self._measuring = False

        def there(worker: Worker, name: str) -> None:
            self._attempt(name, lambda: self._there(name, worker))

        try:
            workers.share(waiting, here, there)
        except KeyboardInterrupt:
            self._parts.flush()
            raise

    def _attempt(self, name: str, measured: Callable[[], Measurement]) -> None:
        try:
            result = measured()
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

    def _here(self, name: str, workers: Workers) -> Measurement:
        def step(done: int, of: int) -> None:
            workers.check()
            self._tell(name, done, of)

        return measured(self._placed(name), self._of(name), name, progress=step)

    def _there(self, name: str, worker: Worker) -> Measurement:
        def step(done: int, of: int) -> None:
            if done == of or not self._measuring:
                self._tell(name, done, of)

        worker.start(measured, self._placed(name), self._of(name), name)
        result: Measurement = worker.wait(step)
        # What was sent can be written to; made anew, it is read-only.
        return Measurement(replace(result.cumulants), replace(result.couplings))

    def _of(self, name: str) -> Policy:
        nulls = self._policy.nulls
        if name in self._short and isinstance(nulls, DefaultNulls):
            return replace(self._policy, nulls=replace(nulls, brief=True))
        return self._policy

    def _placed(self, name: str) -> Placed:
        with self._lock:
            field = field_of(self._net, name, self._sites, by_name=name in self._asked)
            if self._asked == ("*",) and field.sites.dimension == 1 and not field.natural:
                raise AnalysisError(_VECTOR)
            return self._place(field)

    def _tell(self, name: str, done: int, of: int) -> None:
        if self._progress is not None:
            place = f"({self.names.index(name) + 1} of {len(self.names)})"
            with self._lock:
                self._progress(f"{label(name, 40)} {place}", done, of)


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
    found = measure(
        handed.pop(), basis=policy.basis, nulls=policy.nulls, rng=seed, progress=progress
    )
    return Measurement(*found)
