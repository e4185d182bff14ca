"""Which of the tensors in a checkpoint are the network: the rest is named and left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nnrg.errors import ArgumentError
from nnrg.networks._label import label
from nnrg.networks._limits import MAX_NAME, MAX_TENSORS
from nnrg.networks._source import Skipped
from nnrg.networks._torch_objects import Tensor, UnpicklingError, Unreadable

__all__ = ["Selection", "select"]

MAX_DEPTH = 64
MAX_NODES = 150_000
MAX_REPORTED = 1000
MAX_NAMES = 32 * 2**20

# Where checkpoints keep the network; the rest of such a checkpoint is not the network.
_WRAPPERS = frozenset(
    "state_dict model_state_dict model_state model module net network params weights".split()
)
_SET_ASIDE = {
    "optimiser state": r"(^|_)optim(s|izers?)?($|_)",
    "scheduler state": r"sched(uler)?s?($|_)",
    "moving average of the weights": r"(^|_)(ema|shadow|averaged|swa)($|_)",
    "loss scaler": r"(^|_)(grad_)?scaler($|_)|^amp$",
    "record of the training": r"(^|_)history$|^logs?$|(^|_)rng_state",
}
_CONTAINERS = (dict, list, tuple)
_COUNTED = (*_CONTAINERS, Tensor, Unreadable)
_ANY_ASIDE = re.compile("|".join(_SET_ASIDE.values()))
_LONGEST_ASIDE = 100

Path = tuple[object, ...]


@dataclass(slots=True)
class Selection:
    """The tensors chosen, under which key of the file, and what was left out."""

    key: str = ""
    tensors: dict[str, Tensor] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    sizes: dict[int, int] = field(default_factory=dict)
    n_unreported: int = 0
    n_characters: int = 0

    def skip(self, path: Path, reason: str, node: object = None) -> None:
        """Note what is left out, as far as a reader would want to know it."""
        if len(self.skipped) < MAX_REPORTED:
            name = label(_name(path), 200) if path else "(the file)"
            self.skipped.append(Skipped(name, reason, self.elements(node)))
        else:
            self.n_unreported += 1

    def take(self, path: Path, tensor: Tensor) -> None:
        """Add a tensor under its path."""
        name = _name(path) or "tensor"
        self.n_characters += len(name)
        if len(name) > MAX_NAME or self.n_characters > MAX_NAMES:
            raise UnpicklingError(f"names of tensors longer than {MAX_NAME} characters")
        if name in self.tensors:  # {"a": {"b": x}, "a.b": y}
            raise UnpicklingError(f"two tensors are both called {label(name)!r}")
        if len(self.tensors) == MAX_TENSORS:
            raise UnpicklingError(f"more than {MAX_TENSORS} tensors")
        self.tensors[name] = tensor

    def elements(self, node: object, depth: int = 0) -> int:
        """Count the tensor elements below a node, visiting every container once."""
        if isinstance(node, Tensor):
            return node.size
        if isinstance(node, Unreadable):
            return 1
        if not isinstance(node, _CONTAINERS) or not node or depth > MAX_DEPTH:
            return 0
        if id(node) not in self.sizes:
            self.sizes[id(node)] = 0  # what a cycle adds to itself
            total = 0
            for child in node.values() if isinstance(node, dict) else node:
                if isinstance(child, _COUNTED):
                    total += self.elements(child, depth + 1)
            self.sizes[id(node)] = min(total, 1 << 60)
        return self.sizes[id(node)]


def select(root: object, key: str | None) -> Selection:
    """Choose the state dict in what a checkpoint holds.

    A key that checkpoints use for the network (``state_dict``, ``model``, ...) is followed; of
    several, the one with the most elements. Without one, all tensors are taken, under their path.

    Parameters
    ----------
    root : object
        What the file's pickle built.
    key : str or None
        The path of the dict to take instead, keys joined by dots.

    Raises
    ------
    ArgumentError
        There is nothing under `key`.
    UnpicklingError
        There is no tensor of a network, or names clash.
    """
    path: Path = ()
    selection = Selection()
    if key is not None:
        path, root = _follow(root, key)
    else:
        path, root = _descend(root, selection)
    selection.key = _name(path)
    _collect(root, selection, bool(key))
    if not selection.tensors:
        reasons = sorted({item.reason for item in selection.skipped})
        others = f" (only: {label(', '.join(reasons), 200)})" if reasons else ""
        raise UnpicklingError(f"no weights found{others}")
    if selection.n_unreported:
        selection.skipped.append(Skipped(f"({selection.n_unreported} more)", "not listed"))
    return selection


def _name(path: Path) -> str:
    parts = [str(part) for part in path]
    if sum(map(len, parts)) > 2 * MAX_NAME:
        parts = [label(part) for part in parts]
    return ".".join(parts)


def _items(node: object) -> Iterator[tuple[object, Any]]:
    if isinstance(node, dict):
        yield from node.items()
    elif isinstance(node, list | tuple):
        yield from enumerate(node)


def _reason(key: object, node: object) -> str:
    """Return why a container is not the network, or ``""``."""
    if isinstance(node, dict) and "state" in node and "param_groups" in node:
        return "optimiser state"
    if isinstance(node, _CONTAINERS) and isinstance(key, str):
        name = key.lower() if len(key) < _LONGEST_ASIDE else ""
        if _ANY_ASIDE.search(name):
            return next(why for why, pattern in _SET_ASIDE.items() if re.search(pattern, name))
    return ""


def _descend(root: object, selection: Selection) -> tuple[Path, object]:
    """Follow the keys under which checkpoints keep the network."""
    path: Path = ()
    node = root
    while isinstance(node, dict) and len(path) < MAX_DEPTH:
        best, size = None, 0
        for key, child in node.items():
            if key in _WRAPPERS and isinstance(child, dict) and selection.elements(child) > size:
                best, size = key, selection.elements(child)
        if best is None:
            break
        for key, child in node.items():
            if key != best:
                _set_aside((*path, key), child, selection)
        path, node = (*path, best), node[best]
    return path, node


def _set_aside(path: Path, node: object, selection: Selection) -> None:
    reason = _reason(path[-1], node)
    if selection.elements(node) and not reason:
        reason = f"beside the chosen weights: load it with key={label(_name(path))!r}"
    selection.skip(path, reason or f"not a tensor ({type(node).__name__})", node)


def _follow(root: object, key: str) -> tuple[Path, object]:
    """Return the node under a dotted path whose parts may have dots themselves."""
    path: Path = ()
    node, rest = root, key
    while rest:
        table = {str(name): (name, child) for name, child in _items(node)}
        parts = rest.split(".")
        heads = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        head = next((head for head in heads if head in table), None)
        if head is None:
            found = ", ".join(label(name, 40) for name in list(table)[:12]) or "nothing"
            under = f" under {label(_name(path))!r}" if path else ""
            raise ArgumentError(f"no key {label(rest)!r} in the file{under}; there are: {found}")
        name, node = table[head]
        path, rest = (*path, name), rest[len(head) + 1 :]
    if isinstance(node, Tensor):  # one tensor keeps its name
        return path[:-1], {path[-1]: node}
    return path, node


def _collect(root: object, selection: Selection, chosen: bool) -> None:
    """Take all tensors below a node that no reason speaks against."""
    seen: set[int] = set()
    stack: list[tuple[Path, object]] = [((), root)]
    n_nodes = 0
    while stack:
        path, node = stack.pop()
        reason = _reason(path[-1], node) if path else ("" if chosen else _reason("", node))
        if isinstance(node, Tensor):
            selection.take(path, node)
        elif isinstance(node, Unreadable):
            selection.skip(path, node.reason)
        elif reason:
            selection.skip(path, reason, node)
        elif not selection.elements(node):
            selection.skip(path, f"not a tensor ({type(node).__name__})")
        elif id(node) in seen:
            selection.skip(path, "the same container again")
        elif len(path) >= MAX_DEPTH:
            raise UnpicklingError(f"containers nested deeper than {MAX_DEPTH}")
        else:
            items = list(_items(node))
            n_nodes += len(items)
            if n_nodes > MAX_NODES:
                raise UnpicklingError(f"more than {MAX_NODES} entries")
            seen.add(id(node))
            stack.extend(((*path, key), child) for key, child in reversed(items))
