"""Tensors that are in memory already: dicts of arrays, state dicts, modules, pytrees.

Nothing is imported from a framework. A tensor is what has ``detach`` and ``cpu`` (torch) or what
NumPy can see as an array (JAX, TensorFlow, arrays). Nested containers are flattened, their keys
joined by dots.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from nnrg.errors import ArgumentError, FormatError
from nnrg.networks._label import label
from nnrg.networks._limits import MAX_TENSORS
from nnrg.networks._raw import numpy_dtype
from nnrg.networks._source import Array, MemorySource, Skipped, TensorSpec

__all__ = ["is_memory", "read"]

_MAX_DEPTH = 64
_WRAPPERS = ("state_dict", "model_state_dict")
_NUMERIC = "biufc"
_CONTAINERS = (Mapping, list, tuple)


def is_memory(source: object) -> bool:
    """Whether `source` is tensors, or something that holds tensors, and not a path."""
    return (
        isinstance(source, _CONTAINERS)
        or callable(getattr(source, "state_dict", None))
        or _is_tensor(source)
    )


def read(source: object, key: str | None = None) -> MemorySource:
    """Describe the tensors that `source` holds.

    Parameters
    ----------
    source : mapping, list, array, tensor or module
        A module is asked for its ``state_dict()``.
    key : str, optional
        Dotted path of the container inside `source` that holds the weights. Without it,
        ``state_dict`` or ``model_state_dict`` is taken where there is one.

    Returns
    -------
    MemorySource
        Its arrays are the caller's own; torch tensors are converted when they are read.

    Raises
    ------
    ArgumentError
        `key` is not there.
    FormatError
        Containers are nested without end, or there are too many tensors.
    """
    tree: Any = source
    if callable(getattr(source, "state_dict", None)):
        tree = source.state_dict()  # type: ignore[attr-defined]
    skipped: list[Skipped] = []
    if key is not None:
        tree = _inside(tree, key)
    elif isinstance(tree, Mapping):
        wrapper = next((k for k in _WRAPPERS if isinstance(tree.get(k), Mapping)), None)
        if wrapper is not None:
            skipped += [Skipped(str(k), _beside(str(k), wrapper)) for k in tree if k != wrapper]
            tree = tree[wrapper]
    if not isinstance(tree, _CONTAINERS):
        tree = {"array": tree}
    specs: dict[str, TensorSpec] = {}
    tensors: dict[str, Any] = {}
    for name, value in _leaves(tree):
        if name in specs:
            raise FormatError(f"arrays in memory: two entries are called {label(name)!r}; rename")
        spec = _spec(name, value)
        if isinstance(spec, Skipped):
            skipped.append(spec)
        else:
            specs[name] = spec
            tensors[name] = value
    return MemorySource(specs, _Arrays(tensors), skipped=tuple(skipped))


@dataclass(frozen=True, slots=True)
class _Arrays(Mapping[str, Array]):
    """Arrays of tensors, converted on access: no second copy of a model is ever held."""

    tensors: Mapping[str, Any]

    def __getitem__(self, name: str) -> Array:
        return _array(self.tensors[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)


def _items(tree: Any) -> list[tuple[str, Any]]:
    """Return the entries of a container, an empty list for anything else."""
    if isinstance(tree, Mapping):
        return [(str(key), value) for key, value in tree.items()]
    if isinstance(tree, _CONTAINERS):
        return [(str(i), value) for i, value in enumerate(tree)]
    return []


def _inside(tree: Any, key: str) -> Any:
    for part in key.split("."):
        entries = _items(tree)
        found = [value for name, value in entries if name == part]
        if not found:
            there = ", ".join(label(name, 30) for name, _ in entries[:8])
            raise ArgumentError(f"key={label(key)!r} is not in the data; there are: {there}")
        tree = found[0]
    return tree


def _beside(name: str, wrapper: str) -> str:
    if "optim" in name.lower():
        return "state of the optimiser, not of the network"
    return f"beside {wrapper!r}, whose tensors were taken; choose with key="


def _leaves(tree: Any) -> Iterator[tuple[str, Any]]:
    """Yield what is not a container, in order. A container may hold itself: entries are counted."""
    stack = [("", 0, tree)]
    count = 0
    while stack:
        prefix, depth, value = stack.pop()
        if not isinstance(value, _CONTAINERS):
            yield prefix, value
            continue
        if depth > _MAX_DEPTH:
            raise FormatError(
                f"arrays in memory: containers are nested more than {_MAX_DEPTH} deep at "
                f"{label(prefix)!r}; pass a flat dict of arrays"
            )
        entries = _items(value)
        count += len(entries)
        if count > MAX_TENSORS:
            raise FormatError(
                f"arrays in memory: more than {MAX_TENSORS} entries; pass the weights alone"
            )
        for key, entry in reversed(entries):
            stack.append((f"{prefix}.{key}" if prefix else key, depth + 1, entry))


def _is_torch(value: object) -> bool:
    return callable(getattr(value, "detach", None)) and callable(getattr(value, "cpu", None))


def _is_tensor(value: object) -> bool:
    return _is_torch(value) or hasattr(value, "__array__")


def _spec(name: str, value: Any) -> TensorSpec | Skipped:
    if not _is_tensor(value):
        return Skipped(name, f"a Python {type(value).__name__}, not an array")
    if getattr(value, "is_sparse", False) or getattr(value, "is_quantized", False):
        return Skipped(name, "a sparse or quantised tensor; make it dense first")
    storage: Hashable = id(value)
    if _is_torch(value):
        storage = _torch_storage(value)
    elif not (hasattr(value, "dtype") and hasattr(value, "shape")):
        value = np.asarray(value)
    elif isinstance(value, np.ndarray):
        storage = _storage(value)
    dtype = getattr(value.dtype, "name", str(value.dtype)).removeprefix("torch.")
    spec = TensorSpec(name, tuple(int(n) for n in value.shape), dtype, storage=storage)
    if not _is_number(dtype):
        return Skipped(name, f"{label(dtype, 40)} entries, not numbers", spec.size)
    if spec.size == 0:
        return Skipped(name, f"no elements: shape {list(spec.shape)}")
    return spec


def _is_number(dtype: str) -> bool:
    try:
        kind = numpy_dtype(dtype).kind
    except TypeError:
        return False
    return kind in _NUMERIC or hasattr(ml_dtypes, dtype)


def _storage(array: Array) -> Hashable:
    # The set of addresses, whatever the order of the axes: W and W.T are the same numbers.
    return (array.__array_interface__["data"][0], *_steps(array.strides, array.shape))


def _torch_storage(tensor: Any) -> Hashable:
    size = tensor.element_size()
    return (tensor.data_ptr(), *_steps([size * s for s in tensor.stride()], tensor.shape))


def _steps(strides: Any, shape: Any) -> list[tuple[int, int]]:
    return sorted((int(s), int(n)) for s, n in zip(strides, shape, strict=True) if n > 1)


def _array(value: Any) -> Array:
    if not _is_torch(value):
        array = np.asarray(value)
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    tensor = value.detach().cpu()
    name = str(tensor.dtype).removeprefix("torch.")
    if name.startswith(("bfloat16", "float8")):  # types that torch cannot hand to NumPy
        return np.asarray(tensor.float().numpy()).astype(numpy_dtype(name))
    return np.asarray(tensor.numpy())
