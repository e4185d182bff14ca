"""The record of a training run: weights, outputs and costs at chosen steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError, FormatError
from nnrg.simulate.training._frames import Frames, read_frames
from nnrg.simulate.training._model import Array, Model

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from nnrg.networks.network import Network

__all__ = ["TrainingRecord", "open_record", "record_of"]

_ROWS = 8


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrainingRecord:
    """Weights as functions of the step of training, for independent starts.

    Attributes
    ----------
    steps : int64 array of shape (T,)
        Steps made before each frame; 0 is the start.
    weights : mapping of str to array of shape (S, T, *shape)
        Each trained tensor, seeds first, dimensionless.
    optimiser_state : mapping of str to mapping of str to array of shape (S, T, *shape)
        ``"velocity"`` of the heavy ball and of Nesterov's method, the last change of each weight
        but for the look-ahead; ``"first_moment"`` and ``"second_moment"`` of Adam.
    outputs : array of shape (S, T, P, n) or None
        On the probe, or on the inputs of the data.
    losses : float64 array of shape (S, T)
        Cost on all data; NaN where nobody gave it.
    learning_rates : float64 array of shape (T,)
        Of the step before each frame; of the first step at the start.
    model : Model or None
        None where the record does not tell: a model of elsewhere, an unknown activation.
    configuration : mapping
        What the numbers depend on: model, optimiser, cost, data, seeds.
    flags : tuple of str
        Steps beyond the stability limit, divergence, a run that was stopped.
    provenance : mapping
        Versions, machine, ``started`` and ``finished``, which is ``"no"`` of a run that was
        stopped; `configuration` holds the seed and the SHA-256 of the data.
    path : Path or None
        File that the numbers are read from when they are asked for.
    """

    steps: npt.NDArray[np.int64]
    weights: Mapping[str, Array]
    optimiser_state: Mapping[str, Mapping[str, Array]]
    outputs: Array | None
    losses: npt.NDArray[np.float64]
    learning_rates: npt.NDArray[np.float64]
    model: Model | None
    configuration: Mapping[str, Any]
    flags: tuple[str, ...]
    provenance: Mapping[str, Any]
    path: Path | None = None

    @property
    def n_seeds(self) -> int:
        """Number of independent starts S."""
        return len(self.losses)

    @property
    def n_samples(self) -> int:
        """Independent samples of every number: the starts."""
        return self.n_seeds

    @property
    def diverged(self) -> Mapping[str, Any] | None:
        """Where training diverged: ``step``, ``seed``, ``rate_times_curvature``, ``bound``."""
        found: Mapping[str, Any] | None = self.configuration.get("diverged")
        return found

    def _frame(self, step: int | None) -> int:
        if step is None:
            return len(self.steps) - 1
        at = np.flatnonzero(self.steps == as_count("step", step, 0))
        if at.size == 0:
            near = self.steps[np.abs(self.steps - step).argmin()]
            raise ArgumentError(f"step {step} is not recorded; the nearest that is, is {near}")
        return int(at[0])

    def tensors(self, seed: int = 0, step: int | None = None) -> dict[str, Array]:
        """Return the weights of one seed at one recorded step, by default the last.

        Raises
        ------
        ArgumentError
            If there is no such seed or step.
        """
        member = as_count("seed", seed, 0, self.n_seeds - 1)
        frame = self._frame(step)
        return {name: np.array(w[member, frame]) for name, w in self.weights.items()}

    def network(self, seed: int = 0, step: int | None = None) -> Network:
        """Return the network of one seed at one recorded step, by default the last.

        Raises
        ------
        ArgumentError
            If there is no such seed or step.
        """
        from nnrg.networks.load import load

        return load(self.tensors(seed, step))

    def to_xarray(self) -> xr.Dataset:
        """Return weights, state, outputs and costs with the dimensions ``seed`` and ``step``."""
        import xarray as xr

        def entry(name: str, values: Array) -> tuple[list[str], Array]:
            inner = [f"{name}:{axis}" for axis in range(values.ndim - 2)]
            return ["seed", "step", *inner], values

        found = {name: entry(name, w) for name, w in self.weights.items()}
        for slot, tensors in self.optimiser_state.items():
            found |= {f"{slot}/{name}": entry(name, v) for name, v in tensors.items()}
        if self.outputs is not None:
            found["outputs"] = (["seed", "step", "input", "output"], self.outputs)
        return xr.Dataset(
            {
                **found,
                "loss": (["seed", "step"], self.losses),
                "learning_rate": (["step"], self.learning_rates),
            },
            coords={"seed": np.arange(self.n_seeds), "step": self.steps},
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each seed and step: ``seed, step, loss, learning_rate``."""
        import pandas as pd

        seeds, times = self.losses.shape
        return pd.DataFrame(
            {
                "seed": np.repeat(np.arange(seeds), times),
                "step": np.tile(self.steps, seeds),
                "loss": self.losses.ravel(),
                "learning_rate": np.tile(self.learning_rates, seeds),
            }
        )

    def __str__(self) -> str:
        count = sum(int(np.prod(w.shape[2:])) for w in self.weights.values())
        optimiser = self.configuration.get("optimiser", {})
        kind = optimiser.get("optimiser", "unknown optimiser")
        lines = [
            f"training of {count:,} parameters in {len(self.weights)} tensors, {kind}, "
            f"{self.n_seeds} seeds, {len(self.steps)} steps recorded",
            f"{'step':>10} {'rate':>10} {'cost, mean over seeds':>22} {'s.d.':>10}",
        ]
        rows = np.unique(np.linspace(0, len(self.steps) - 1, _ROWS).round().astype(int))
        for row in rows:
            cost = self.losses[:, row]
            spread = f"{cost.std(ddof=1):10.3g}" if len(cost) > 1 else f"{'-':>10}"
            lines.append(
                f"{self.steps[row]:10d} {self.learning_rates[row]:10.3g} {cost.mean():22.6g} "
                f"{spread}"
            )
        return "\n".join([*lines, *(f"! {flag}" for flag in self.flags)])


def record_of(
    frames: Frames, configuration: Mapping[str, Any], model: Model | None, path: Path | None
) -> TrainingRecord:
    """Return the record that frames hold."""
    if not frames.steps:
        raise FormatError(f"{path} holds no complete frame; delete it to start afresh")
    weights: dict[str, Array] = {}
    state: dict[str, dict[str, Array]] = {}
    rest: dict[str, Array] = {}
    for name, values in frames.tensors().items():
        values.flags.writeable = False
        kind, _, tensor = name.partition("/")
        if kind == "weights":
            weights[tensor] = np.moveaxis(values, 0, 1)
        elif tensor:
            state.setdefault(kind, {})[tensor] = np.moveaxis(values, 0, 1)
        else:
            rest[kind] = values
    outputs = np.moveaxis(rest["outputs"], 0, 1) if "outputs" in rest else None
    flags = list(configuration.get("flags", ()))
    asked = configuration.get("steps")
    diverged = configuration.get("diverged")
    if diverged is not None:
        flags.append(str(diverged["message"]))
    elif asked is not None and frames.steps[-1] < asked:
        flags.append(f"stopped at step {frames.steps[-1]} of {asked}; train again to go on")
    provenance = dict(configuration.get("provenance", {}))
    if "finished" in provenance:
        provenance["finished"] = str(provenance["finished"]).strip()
    steps = np.array(frames.steps, np.int64)
    losses, rates = np.array(rest["losses"].T), np.array(rest["learning_rate"][:, 0])
    for array in (steps, losses, rates):
        array.flags.writeable = False
    return TrainingRecord(
        steps=steps,
        weights=MappingProxyType(weights),
        optimiser_state=MappingProxyType({k: MappingProxyType(v) for k, v in state.items()}),
        outputs=outputs,
        losses=losses,
        learning_rates=rates,
        model=model,
        configuration=MappingProxyType(dict(configuration)),
        flags=tuple(flags),
        provenance=MappingProxyType(provenance),
        path=path,
    )


def open_record(path: str | PathLike[str]) -> TrainingRecord:
    """Open the record of a training run, whether it was finished or not.

    Parameters
    ----------
    path : path
        File of a `Recording`.

    Returns
    -------
    TrainingRecord
        Of the complete frames; a frame that is cut off is left out. Numbers are read from the file
        when they are used.

    Raises
    ------
    SourceError
        If the file cannot be read.
    FormatError
        If it is no record of training, or holds no complete frame.
    ArgumentError
        If `path` is no path.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from nnrg.simulate.training.dense import perceptron
    >>> from nnrg.simulate.training.optimisers import GradientDescent
    >>> from nnrg.simulate.training.recording import Recording
    >>> from nnrg.simulate.training.trainer import train
    >>> x = np.eye(3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = train(perceptron(3), (x, x.sum(1)), optimiser=GradientDescent(0.1), steps=4,
    ...                  record=Recording(2, path=f"{folder}/run.safetensors"), rng=1)
    ...     print(open_record(f"{folder}/run.safetensors").steps)
    [0 2 4]
    """
    from nnrg.simulate.training._models import model_of

    if not isinstance(path, str | PathLike):
        raise ArgumentError(f"path must be a path, got {shown(path)}")
    configuration, frames, _ = read_frames(Path(path))
    made = record_of(frames, configuration, model_of(configuration), Path(path))
    if made.model is not None:
        found = {name: w.shape[2:] for name, w in made.weights.items()}
        if found != made.model.shapes:
            raise FormatError(
                f"{path} holds other weights than those of its model, {shown(made.model.shapes)}; "
                "it is damaged: delete it to start afresh"
            )
    return made
