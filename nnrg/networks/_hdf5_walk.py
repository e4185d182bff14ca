"""A walk through an HDF5 file that stays inside it, and reads nothing but names and shapes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nnrg.errors import FormatError
from nnrg.networks._keras import MAX_CONFIG
from nnrg.networks._label import file_label, human_bytes, label
from nnrg.networks._limits import (
    MAX_EXPANSION,
    MAX_EXPANSION_FREE,
    MAX_NAME,
    MAX_TENSORS,
)
from nnrg.networks._source import Skipped, TensorSpec

__all__ = ["Walk"]

MAX_DEPTH = 32
_HINT = "download or save it again"
_ASIDE = {
    "optimizer_weights": "optimiser state",
    "optimizer": "optimiser state",
    "metrics": "running metrics of the training",
}
_KINDS = "fiubc"


@dataclass(slots=True)
class Walk:
    """All objects of a file, reached link by link, each group once.

    Attributes
    ----------
    sound_heaps : bool
        Whether text of variable length may be read.
    root : str
        The group of the weights, empty if it is the file.
    found : dict of str to TensorSpec
        The datasets that are weights, by their place below `root`.
    skipped : list of Skipped
        What is left out, and why.
    listed : list of str
        Places in the order in which Keras lists its weights.
    """

    path: Path
    sound_heaps: bool
    root: str = ""
    found: dict[str, TensorSpec] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    seen: dict[int, str] = field(default_factory=dict)
    n_links: int = 0

    def run(self, file: Any) -> None:
        """Walk through an open file.

        Raises
        ------
        FormatError
            Something leads out of the file, or claims more than the file stores.
        """
        link = file.get("model_weights", getlink=True)
        if isinstance(link, h5py.HardLink) and isinstance(file["model_weights"], h5py.Group):
            self.root = "/model_weights"
        self.seen[h5py.h5o.get_info(file.id).addr] = "/"
        stack: list[tuple[str, Any]] = [("", file)]
        while stack:
            place, group = stack.pop()
            self._list_weights(place, group)
            listed = self._text_list(group, "layer_names")
            layers = {name: rank for rank, name in enumerate(listed)}
            names = sorted(group, key=lambda name: layers.get(name, MAX_TENSORS))
            children = [self._follow(place, group, name) for name in names]
            stack.extend(child for child in reversed(children) if child is not None)

    def _inside(self, place: str) -> str | None:
        """Return a place relative to the group of the weights, None if it is outside."""
        if not self.root:
            return place
        inside = f"/{place}/".startswith(f"{self.root}/")
        return place[len(self.root) :] if inside else None

    def _follow(self, above: str, group: Any, name: str) -> tuple[str, Any] | None:
        place = f"{above}/{name}".lstrip("/")
        self.n_links += 1
        if self.n_links > MAX_TENSORS or place.count("/") > MAX_DEPTH or len(place) > MAX_NAME:
            raise _bad(self.path, f"too many, too deep or too long names, at {label(place)!r}")
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise _outside(self.path, f"{label(place)!r} is a link into another file")
        if not isinstance(link, h5py.HardLink):
            self.skipped.append(Skipped(place, f"a soft link to {label(link.path)!r}"))
            return None
        item = group[name]
        address = h5py.h5o.get_info(item.id).addr
        if isinstance(item, h5py.Group):
            if address in self.seen:
                self.skipped.append(Skipped(place, f"the same group as {self.seen[address]!r}"))
                return None
            self.seen[address] = place
            if place in _ASIDE:
                self.skipped.append(Skipped(place, _ASIDE[place], _elements(item)))
                return None
            return place, item
        if isinstance(item, h5py.Dataset):
            self._add(place, item, address)
        return None

    def _add(self, place: str, data: Any, address: int) -> None:
        inside = self._inside(place)
        spec = _spec(self.path, place, data, address)
        if isinstance(spec, str):
            self.skipped.append(Skipped(place, spec))
        elif inside is None:
            self.skipped.append(Skipped(place, f"outside {self.root!r}", spec.size))
        else:
            self.found[inside] = spec

    def _list_weights(self, place: str, group: Any) -> None:
        inside = self._inside(place)
        if inside is not None:
            for name in self._text_list(group, "weight_names"):
                self.listed.append(f"{inside}/{name}".lstrip("/"))

    def text(self, node: Any, name: str) -> bytes:
        """Return an attribute of a file or group as bytes, empty if there is none."""
        value = self._attribute(node, name)
        return value.encode() if isinstance(value, str) else bytes(value or b"")

    def _attribute(self, node: Any, name: str) -> Any:
        """Return an attribute of text, None if there is none or it cannot be one."""
        if name not in node.attrs:
            return None
        held = node.attrs.get_id(name)
        kind = h5py.check_string_dtype(held.dtype)
        if kind is None or (kind.length is None and not self.sound_heaps):
            return None
        if math.prod(held.shape or ()) * held.dtype.itemsize > MAX_CONFIG:
            return None
        return node.attrs[name]

    def _text_list(self, node: Any, name: str) -> list[str]:
        """Return a list of names, which Keras splits over `name`0, `name`1, ... if it is long."""
        names: list[str] = []
        for part in [name, *(f"{name}{n}" for n in range(1000))]:
            value = self._attribute(node, part)
            if value is None and part != name:
                break
            for item in np.ravel(value) if value is not None else ():
                names.append(
                    item.decode(errors="replace") if isinstance(item, bytes) else str(item)
                )
        return names


def _spec(path: Path, place: str, data: Any, address: int) -> TensorSpec | str:
    """Return what a dataset is, or why it is left out; nothing of it is read."""
    shown = label(place)
    if data.external or data.is_virtual:
        raise _outside(path, f"the numbers of {shown!r} are in another file")
    dtype = data.dtype
    if dtype.kind == "O" or dtype.hasobject or h5py.check_vlen_dtype(dtype):
        raise _outside(path, f"{shown!r} holds objects of variable length")
    if dtype.kind not in _KINDS:
        return f"{label(dtype, 40)} entries are not numbers"
    if data.shape is None or 0 in data.shape:
        return "no elements"
    _check_size(path, shown, data, math.prod(data.shape) * dtype.itemsize)
    return TensorSpec(place, tuple(map(int, data.shape)), dtype.name, storage=address)


def _check_size(path: Path, shown: str, data: Any, claimed: int) -> None:
    """Compare what a dataset, and one chunk of it, would take in memory with what is stored."""
    stored = data.id.get_storage_size()
    piece = math.prod(data.chunks) * data.dtype.itemsize if data.chunks else 0
    packed = data.id.get_create_plist().get_nfilters() > 0
    if max(claimed, piece) > max(MAX_EXPANSION_FREE, MAX_EXPANSION * stored) or (
        claimed > stored and not packed
    ):
        raise _bad(
            path,
            f"{shown!r} claims {human_bytes(max(claimed, piece))} of numbers and stores "
            f"{human_bytes(stored)}",
        )


def _elements(group: Any) -> int:
    """Count the numbers below a group that is left out, through hard links only."""
    seen: set[int] = set()
    total, stack = 0, [group]
    while stack and len(seen) < MAX_TENSORS:
        group = stack.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address not in seen:
                seen.add(address)
                if isinstance(item, h5py.Group):
                    stack.append(item)
                elif isinstance(item, h5py.Dataset) and item.shape is not None:
                    total += math.prod(item.shape)
    return total


def _outside(path: Path, what: str) -> FormatError:
    return FormatError(
        f"{file_label(path)}: {what}, which is not followed; save the weights in one file"
    )


def _bad(path: Path, what: str) -> FormatError:
    return FormatError(f"{file_label(path)}: not a valid HDF5 file: {what}; {_HINT}")
