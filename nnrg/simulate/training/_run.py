"""A run of training: groups of seeds on threads, frames as they come, an end where it diverges."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, NonFiniteError
from nnrg.progress import reporter
from nnrg.simulate._network_weights import available_threads
from nnrg.simulate.training._frames import Frames, Sink
from nnrg.simulate.training._group import Batches, SeedGroup, seeds_a_group
from nnrg.simulate.training._identity import ended, require_layout
from nnrg.simulate.training._layout import Layout
from nnrg.simulate.training._model import Array, Model, views
from nnrg.simulate.training.losses import Loss
from nnrg.simulate.training.optimisers import Optimiser
from nnrg.simulate.training.recording import Recording
from nnrg.simulate.training.stability import largest_curvature

__all__ = ["Run"]

# A cost so many times as large as that of the start, or of no output, is not coming back.
_BLOWN_UP = 1e6
# Between two looks at the clock, in seconds.
_SEGMENT = 0.25
# The curvature at the start is that of so many seeds, of models with so many parameters.
_SEEDS, _SMALL = 4, 20_000


class Run:
    """Everything that a run is made of; `go` makes it."""

    def __init__(
        self,
        model: Model,
        optimiser: Optimiser,
        loss: Loss,
        x: Array,
        y: Array,
        probe: Array | None,
        recording: Recording,
        times: Sequence[int],
        batch: int | None,
        start: Mapping[str, Array] | None,
        seed: np.random.SeedSequence,
        dtype: str,
        n_seeds: int,
        rates: npt.NDArray[np.float64],
    ) -> None:
        self._model, self._optimiser, self._loss = model, optimiser, loss
        self._x, self._y = _cast("inputs", x, dtype), _cast("targets", y, dtype)
        self._probe = None if probe is None else _cast("a probe", probe, dtype)
        self._recording, self._times = recording, tuple(times)
        self._rates = rates
        self._weights = np.empty((n_seeds, model.n_parameters), dtype)
        self._state = {slot: np.zeros_like(self._weights) for slot in optimiser.slots}
        self._batches = Batches(len(x), batch, seed)
        self._begin(start, seed)
        size = seeds_a_group(model, optimiser, self._batches.size, n_seeds)
        self._groups = [self._group(at, min(at + size, n_seeds)) for at in range(0, n_seeds, size)]

    def _begin(self, start: Mapping[str, Array] | None, seed: np.random.SeedSequence) -> None:
        tensors = views(self._model, self._weights)
        if start is not None:
            for name, value in start.items():
                tensors[name][...] = value
            return
        for member in range(len(self._weights)):
            key = (*seed.spawn_key, member, 0)
            child = np.random.SeedSequence(seed.entropy, spawn_key=key)
            drawn = self._model.initial(np.random.Generator(np.random.SFC64(child)))
            for name, value in drawn.items():
                tensors[name][member] = value

    def _group(self, start: int, stop: int) -> SeedGroup:
        part = slice(start, stop)
        state = {slot: array[part] for slot, array in self._state.items()}
        return SeedGroup(
            self._model,
            self._loss,
            self._optimiser,
            self._x,
            self._y,
            self._weights[part],
            state,
            start,
            self._batches,
        )

    # -- frames ------------------------------------------------------------------------------------

    def _layout(self) -> Layout:
        seeds, kind = self._weights.shape[0], self._weights.dtype.name
        entries: list[tuple[str, str, tuple[int, ...]]] = [
            ("losses", "float64", (seeds,)),
            ("learning_rate", "float64", (1,)),
        ]
        for slot in ("weights", *self._state):
            entries += [(f"{slot}/{k}", kind, (seeds, *v)) for k, v in self._model.shapes.items()]
        if self._recording.outputs:
            probe = self._x if self._probe is None else self._probe
            entries.append(("outputs", kind, (seeds, len(probe), *self._model.output_shape)))
        return Layout.of(entries)

    def _frame(self, step: int, pool: ThreadPoolExecutor | None = None) -> dict[str, Array]:
        values: dict[str, Array] = {"learning_rate": self._rates[max(step - 1, 0)]}
        for slot, flat in (("weights", self._weights), *self._state.items()):
            values |= {f"{slot}/{k}": v for k, v in views(self._model, flat).items()}
        apart = pool is not None and len(self._groups) > 1
        found = list((pool.map if pool and apart else map)(self._look, self._groups))
        values["losses"] = np.concatenate([cost for cost, _ in found])
        if self._recording.outputs:
            values["outputs"] = np.concatenate([out for _, out in found])
        return values

    def _look(self, group: SeedGroup) -> tuple[Array, Array]:
        """Return the cost of each seed of a group, and outputs if they are recorded."""
        # What overflows is found by its cost.
        with np.errstate(over="ignore", invalid="ignore"):
            out, cost = group.evaluate(self._x, self._y)
            if self._recording.outputs and self._probe is not None:
                out = group.evaluate(self._probe, None)[0]
        return np.asarray(cost, np.float64).copy(), out.copy()

    def _restore(self, kept: Frames) -> npt.NDArray[np.float64]:
        """Set the state to that of the last frame; return the cost of each seed at the start."""
        tensors = kept.tensors()
        for slot, flat in (("weights", self._weights), *self._state.items()):
            for name, view in views(self._model, flat).items():
                view[...] = tensors[f"{slot}/{name}"][-1]
        return np.array(tensors["losses"][0])

    # -- the run -----------------------------------------------------------------------------------

    def go(
        self,
        configuration: dict[str, Any],
        kept: Frames | None,
        place: int | None,
        progress: Callable[[int, int], None] | None,
    ) -> tuple[Frames, dict[str, Any]]:
        """Train, and return frames and what their header says."""
        layout, path = self._layout(), self._recording.file
        self._judge(configuration)
        start = None
        if kept is not None and kept.steps:
            require_layout(path, kept.layout, layout)
            first = self._restore(kept)
        else:
            kept, start = None, self._frame(0)
            first = start["losses"]
            if not np.isfinite(first).all():
                raise NonFiniteError(
                    "the cost at the start is not finite: weights or data are too large; scale "
                    "them down"
                )
        # Past the largest number there is no limit but that.
        with np.errstate(over="ignore"):
            size = np.square(self._y, dtype=np.float64).sum() / len(self._y)
            self._limit = np.nan_to_num(_BLOWN_UP * (first + 0.5 * size))
        self._limit[self._limit == 0] = 1.0
        sink = Sink(layout, self._times, path, configuration, kept, place)
        told, close = reporter("train", progress)
        try:
            if start is not None:
                sink.append(start)
            found = self._steps(sink, told)
            if found is not None:
                configuration = {**configuration, "diverged": self._divergence(found, sink)}
            configuration = ended(configuration)
            return sink.finish(configuration), configuration
        finally:
            close()
            sink.close()

    def _steps(self, sink: Sink, told: Callable[[int, int], None]) -> tuple[int, int] | None:
        from threadpoolctl import threadpool_limits

        stop, last = Event(), self._times[-1]
        # Threads of their own in the products would only get into each other's way.
        with threadpool_limits(1), ThreadPoolExecutor(available_threads()) as pool:
            step, stride = self._times[sink.done - 1], 1
            try:
                for time_ in self._times[sink.done :]:
                    while step < time_:
                        stride = min(stride, time_ - step)
                        begin = time.monotonic()
                        found = self._segment(pool, step, stride, stop)
                        if found is not None:
                            return found
                        step += stride
                        if time.monotonic() - begin < _SEGMENT:
                            stride *= 2
                        else:
                            stride = max(1, stride // 2)
                        told(step, last)
                    sink.append(self._frame(step, pool))
                return None
            except BaseException:
                stop.set()
                raise

    def _segment(
        self, pool: ThreadPoolExecutor, step: int, stride: int, stop: Event
    ) -> tuple[int, int] | None:
        """Make some steps in all groups; return (step, seed) where the first one diverges."""
        rates = self._rates[step : step + stride]

        def some(group: SeedGroup) -> tuple[int, int] | None:
            # What overflows is found by its cost.
            with np.errstate(over="ignore", invalid="ignore"):
                return group.advance(step, rates, self._limit[group.members], stop.is_set)

        if len(self._groups) == 1:
            return some(self._groups[0])
        return min((f for f in pool.map(some, self._groups) if f is not None), default=None)

    # -- stability ---------------------------------------------------------------------------------

    def _judge(self, configuration: dict[str, Any]) -> None:
        """Write down how the largest learning rate stands to the stability bound at the start."""
        bound = self._optimiser.stability_bound()
        if bound is None:
            return
        small = self._model.n_parameters <= _SMALL
        members = range(min(len(self._weights), _SEEDS if small else 1))
        try:
            curvature = [self._curvature(views(self._model, self._weights), m) for m in members]
        except AnalysisError as error:
            configuration["flags"].append(f"the stability limit is not known: {error}")
            return
        worst = int(np.argmax(curvature))
        product = float(self._rates.max()) * curvature[worst]
        configuration["stability"] = {
            "bound": bound,
            "curvature": curvature,
            "rate_times_curvature": product,
        }
        if product >= bound:
            configuration["flags"].append(
                f"beyond the stability limit: learning rate x largest curvature is {product:.4g} "
                f"at the start of seed {worst}, stable below {bound:.4g}"
            )

    def _curvature(self, weights: Mapping[str, Array], member: int) -> float:
        one = {name: weights[name][member] for name in self._model.shapes}
        return largest_curvature(
            self._model, one, self._x, self._y, loss=self._loss, tolerance=1e-3
        )

    def _divergence(self, found: tuple[int, int], sink: Sink) -> dict[str, Any]:
        """Return where training diverged, and what bound was crossed."""
        step, member = found
        bound, last = self._optimiser.stability_bound(), self._times[sink.done - 1]
        known: dict[str, Any] = {"step": step, "seed": member, "bound": bound}
        said = f"diverged at step {step}, seed {member}; the record ends at step {last}"
        if bound is None:
            return {**known, "message": f"{said}; no bound by curvature is known of the optimiser"}
        try:
            tensors = {name: sink.last[f"weights/{name}"] for name in self._model.shapes}
            product = float(self._rates[: step + 1].max()) * self._curvature(tensors, member)
        except AnalysisError as error:
            return {**known, "message": f"{said}; curvature there is not known: {error}"}
        how = "crossed" if product >= bound else "not crossed there"
        known["rate_times_curvature"] = product
        return {
            **known,
            "message": f"{said}, where learning rate x largest curvature is {product:.4g}: the "
            f"stability bound {bound:.4g} is {how}",
        }


def _cast(name: str, values: Array, dtype: str) -> Array:
    with np.errstate(over="ignore"):
        found: Array = values.astype(dtype)
    if not np.isfinite(found).all():
        raise NonFiniteError(f"{name} hold values beyond {dtype}; scale them down")
    return found
