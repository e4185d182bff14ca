"""Renormalization-group flows of trained neural networks, with errors and null models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from nnrg._version import __version__

if TYPE_CHECKING:
    from nnrg import errors as errors
    from nnrg.networks.load import load as load
    from nnrg.networks.network import Network as Network

# Where each public name lives; imported on first use, so that `import nnrg` costs nothing.
_HOMES = {
    "Network": "nnrg.networks.network",
    "load": "nnrg.networks.load",
}
_MODULES = ("errors",)

__all__ = ["Network", "__version__", "errors", "load"]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = import_module(f"nnrg.{name}")
    else:
        raise AttributeError(f"module 'nnrg' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
