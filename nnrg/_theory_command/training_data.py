"""Files of inputs and targets, as ``nnrg theory`` reads them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrg.errors import ArgumentError

if TYPE_CHECKING:
    from nnrg.simulate.training import TrainingData, TrainingRecord

__all__ = ["arrays", "as_classes", "trained_on"]

_READERS = {"numpy": "nnrg.networks._numpy", "safetensors": "nnrg.networks._safetensors"}


def arrays(path: str) -> TrainingData:
    """Read inputs, and targets if there are any, through the readers of networks."""
    import nnrg
    from nnrg.simulate.training import TrainingData

    found = nnrg.load(path).tensors
    if "inputs" not in found:
        raise ArgumentError(
            f"{path}: no array called inputs; there are {', '.join(list(found)[:5])}"
        )
    targets = np.asarray(found["targets"]) if "targets" in found else _integers(path)
    return TrainingData(np.asarray(found["inputs"], np.float64), targets)


def _integers(path: str) -> Any:
    """Return targets that are integers: as classes they are data, in a network no weights."""
    from nnrg.networks._sniff import sniff

    reader = _READERS.get(sniff(Path(path))) if Path(path).is_file() else None
    if reader is None:
        return None
    source = import_module(reader).read(Path(path))
    return np.array(source.read("targets")) if "targets" in source.specs else None


def as_classes(targets: Any) -> Any:
    """Return whole numbers as classes, and probabilities as they are."""
    single = targets.ndim == 1 or targets.shape[1:] == (1,)
    if single and np.array_equal(targets, np.rint(targets)):
        return targets.reshape(-1).astype(np.int64)
    return targets


def trained_on(record: TrainingRecord, path: str) -> tuple[Any, Any]:
    """Read the data of a record in the shapes of its model.

    Raises
    ------
    ArgumentError
        If the record was made with other data.
    """
    from nnrg.theory.synaptic._recorded import Recorded

    data = arrays(path)
    if data.targets is None:
        raise ArgumentError(f"{path}: no array called targets beside the inputs")
    x, y, model = data.inputs, data.targets, record.model
    if record.configuration.get("loss") == "cross_entropy":
        y = as_classes(y)
    if model is not None:
        if x[:1].size == np.prod(model.input_shape):
            x = x.reshape(len(x), *model.input_shape)
        try:
            Recorded.of(record, x, y, 0)
        except ArgumentError as error:
            raise ArgumentError(f"{path}: {error}") from None
    return x, y
