"""The same record of a model that something else trains: one of torch, or anything like it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import ArgumentError
from nnrg.simulate.training._frames import Sink, read_frames
from nnrg.simulate.training._identity import begun, ended, require_layout, require_same
from nnrg.simulate.training._layout import Layout
from nnrg.simulate.training._model import Array
from nnrg.simulate.training.record import TrainingRecord, record_of

__all__ = ["TrainingRecorder"]

_OWN = ("losses", "learning_rate", "padding", "checksum")


class TrainingRecorder:
    """Records a model as it is trained elsewhere.

    Parameters
    ----------
    steps : sequence of int
        Steps to record, rising; the number of updates made before.
    path : path, optional
        A safetensors file that every frame is written to at once. If it exists, frames are added
        after the last complete one; steps up to it are passed over.

    Raises
    ------
    ArgumentError
        If steps do not rise, or `path` is no path.

    Examples
    --------
    >>> import numpy as np
    >>> class Line:
    ...     w = np.zeros((1, 2))
    ...     def named_parameters(self):
    ...         yield "fc.weight", self.w
    >>> line, recorder = Line(), TrainingRecorder([0, 1])
    >>> tell = recorder.callback(line)
    >>> for step in range(2):
    ...     tell(step, loss=1.0 - step)
    ...     line.w = line.w + 1
    >>> recorder.record().weights["fc.weight"][0, :, 0].tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """

    def __init__(self, steps: Sequence[int], *, path: str | PathLike[str] | None = None) -> None:
        if not isinstance(steps, Iterable):
            raise ArgumentError(f"steps must be rising integers, got {shown(steps)}")
        self._steps = tuple(as_count("a recorded step", step, 0) for step in steps)
        if not self._steps or list(self._steps) != sorted(set(self._steps)):
            raise ArgumentError(f"steps must be rising integers, got {shown(self._steps)}")
        if path is not None and not isinstance(path, str | PathLike):
            raise ArgumentError(f"path must be a path or None, got {shown(path)}")
        self._path = None if path is None else Path(path)
        self._wanted = frozenset(self._steps)
        self._sink: Sink | None = None
        self._configuration: dict[str, Any] = {}
        self._last = -1

    def callback(self, model: Any) -> Callable[..., None]:
        """Return what to call with the step, and what else is known, after each update.

        Parameters
        ----------
        model : object
            With ``named_parameters()``: pairs of a name and an array, or a tensor that
            ``.detach().cpu().numpy()`` makes one.

        Returns
        -------
        callable
            ``tell(step, loss=nan, outputs=None, learning_rate=nan)``; outputs (P, n) are given at
            all recorded steps or at none. Steps that are not recorded are passed over.

        Raises
        ------
        ArgumentError
            If the model has no parameters with names.
        """
        if not callable(getattr(model, "named_parameters", None)):
            raise ArgumentError(
                f"model must have named_parameters(), as modules of torch do, got {shown(model)}"
            )

        def tell(
            step: int,
            loss: float = float("nan"),
            outputs: Any = None,
            learning_rate: float = float("nan"),
        ) -> None:
            self._tell(model.named_parameters(), step, loss, outputs, learning_rate)

        return tell

    def record(self) -> TrainingRecord:
        """Return what has been recorded, and close the file.

        Raises
        ------
        ArgumentError
            If nothing has been recorded.
        """
        if self._sink is None:
            raise ArgumentError("no step has been recorded; call the callback after each update")
        self._configuration = ended(self._configuration)
        frames = self._sink.finish(self._configuration)
        return record_of(frames, self._configuration, None, self._path)

    def _tell(
        self, named: Iterable[tuple[str, Any]], step: int, loss: Any, outputs: Any, rate: Any
    ) -> None:
        step = as_count("step", step, 0)
        if step not in self._wanted or step <= self._last:
            return
        values: dict[str, Array] = {}
        for name, tensor in named:
            values[f"weights/{name}"] = _array(tensor)[None]
        if not values:
            raise ArgumentError("the model has no parameters; nothing can be recorded")
        if outputs is not None:
            values["outputs"] = _array(outputs)[None]
        if self._sink is None:
            self._open(values)
            if step <= self._last:
                return
        expected = self._steps[self._done]
        if step != expected:
            raise ArgumentError(f"step {expected} was to be recorded next, got {step}")
        assert self._sink is not None
        shapes = {name: s for name, _, s in self._layout.entries if name not in _OWN}
        found = {name: v.shape for name, v in values.items()}
        if found != shapes:
            name = min(k for k in {*found, *shapes} if found.get(k) != shapes.get(k))
            raise ArgumentError(
                f"every frame must hold the same tensors; {name} was {shapes.get(name)}, got "
                f"{found.get(name)}"
            )
        self._sink.append(
            {**values, "losses": np.array([_real(loss)]), "learning_rate": np.array([_real(rate)])}
        )
        self._last = step

    @property
    def _done(self) -> int:
        return 0 if self._sink is None else self._sink.done

    def _open(self, values: dict[str, Array]) -> None:
        kinds = {
            name: "float64" if v.dtype == np.float64 else "float32" for name, v in values.items()
        }
        self._layout = Layout.of(
            [
                ("losses", "float64", (1,)),
                ("learning_rate", "float64", (1,)),
                *((name, kinds[name], v.shape) for name, v in values.items()),
            ]
        )
        tensors = [[name, kind, list(shape)] for name, kind, shape in self._layout.entries]
        self._configuration = {
            "tensors": tensors,
            "n_seeds": 1,
            "steps": self._steps[-1],
            "provenance": begun("recorder"),
        }
        kept = None
        if self._path is not None and self._path.exists():
            known, kept, _ = read_frames(self._path)
            require_same(self._path, known, self._configuration)
            if kept.steps != self._steps[: len(kept.steps)]:
                raise ArgumentError(
                    f"{self._path} is recorded at other steps; give the same or another file"
                )
            require_layout(self._path, kept.layout, self._layout)
            kept = kept if kept.steps else None
            self._last = kept.steps[-1] if kept is not None else -1
        self._sink = Sink(self._layout, self._steps, self._path, self._configuration, kept)


def _array(tensor: Any) -> npt.NDArray[np.floating[Any]]:
    """Return an array of floats of what has a tensor's methods, or is an array."""
    if "bfloat16" in str(getattr(tensor, "dtype", "")) and callable(getattr(tensor, "float", None)):
        tensor = tensor.float()  # a type that NumPy does not have
    for method in ("detach", "cpu", "numpy"):
        if callable(getattr(tensor, method, None)):
            tensor = getattr(tensor, method)()
    values = np.asarray(tensor)
    if values.dtype.kind != "f" or values.dtype.itemsize > 8:
        raise ArgumentError(f"parameters must be arrays of floats, got {shown(tensor)}")
    return values


def _real(value: Any) -> float:
    if callable(getattr(value, "item", None)):
        value = value.item()
    return float("nan") if value != value else as_real("a recorded number", value)
