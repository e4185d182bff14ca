"""Models by what a record says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnrg.errors import ArgumentError
from nnrg.simulate.training._model import Model
from nnrg.simulate.training.convolutional import ConvNet
from nnrg.simulate.training.dense import MLP
from nnrg.simulate.training.recurrent_model import RecurrentNet

__all__ = ["model_of"]

_KINDS: dict[str, type[Model]] = {"MLP": MLP, "ConvNet": ConvNet, "RecurrentNet": RecurrentNet}


def model_of(configuration: Mapping[str, Any]) -> Model | None:
    """Return the model of a configuration, or None where it cannot be made again."""
    described = dict(configuration.get("model") or {})
    kind = _KINDS.get(described.pop("model", ""))
    # An activation function that was a caller's own is told by its values, which do not make it.
    if kind is None or any(name.endswith("_sha256") for name in described):
        return None
    try:
        return kind(**described)
    except (ArgumentError, TypeError):  # of another version
        return None
