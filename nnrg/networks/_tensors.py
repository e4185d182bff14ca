"""Tensors of a network as a mapping that reads a tensor when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from nnrg.errors import ArgumentError
from nnrg.networks._source import Array

__all__ = ["Tensors", "UnknownTensorError"]


class UnknownTensorError(ArgumentError, KeyError):
    """A name that no tensor of the network has."""

    def __str__(self) -> str:
        return str(self.args[0])


class Tensors(Mapping[str, Array]):
    """Some tensors of a network, by name; nothing is kept of what was read.

    Parameters
    ----------
    names : iterable of str
        The names, in order.
    read : callable
        Reads the tensor of a name.
    unknown : callable
        Makes the error for a name that is not there.
    """

    def __init__(
        self,
        names: Iterable[str],
        read: Callable[[str], Array],
        unknown: Callable[[str], UnknownTensorError],
    ) -> None:
        self._names = dict.fromkeys(names)
        self._read = read
        self._unknown = unknown

    def __getitem__(self, name: str) -> Array:
        if name not in self._names:
            raise self._unknown(name)
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __repr__(self) -> str:
        return f"<{len(self)} tensors>"
