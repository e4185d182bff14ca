"""The objects that a PyTorch file may name, as records of what they are in the file.

`look_up` is the whole allow-list: what is not in its tables is refused, nothing is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nnrg.networks._label import label

__all__ = [
    "ITEM_BYTES",
    "Dtype",
    "Storage",
    "Tensor",
    "UnpicklingError",
    "Unreadable",
    "dict_key",
    "look_up",
    "natural",
]

MAX_DIMENSIONS = 32
MAX_ELEMENTS = 1 << 48


class UnpicklingError(Exception):
    """What is wrong with a pickle, and what to do about it."""

    def __init__(self, what: str, hint: str = "save it again as torch.save(model.state_dict())"):
        super().__init__(what)
        self.what = what
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of numbers in the file that tensors are views of."""

    key: str
    dtype: str
    n_elements: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A strided view of a storage; offset and strides in elements of `dtype`."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        n = 1
        for length in self.shape:
            n *= length
        return n

    @property
    def span(self) -> int:
        """Number of storage elements from the first to the last that is seen."""
        if not self.size:
            return 0
        return 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A tensor of a kind that is not read, such as a sparse one."""

    reason: str


@dataclass(frozen=True, slots=True)
class Dtype:
    """The type of a storage's or a tensor's numbers."""

    name: str


_Function = Callable[[tuple[Any, ...]], object]

ITEM_BYTES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2,
    "float8_e4m3fn": 1, "float8_e5m2": 1, "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1,
    "uint64": 8, "uint32": 4, "uint16": 2, "uint8": 1, "bool": 1,
    "complex64": 8, "complex128": 16, "qint8": 1, "quint8": 1, "qint32": 4,
}  # fmt: skip

_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "Float8_e4m3fnStorage": "float8_e4m3fn",
    "Float8_e5m2Storage": "float8_e5m2",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
}

_UNREADABLE = {
    "_rebuild_qtensor": "quantised tensor: dequantise it first",
    "_rebuild_sparse_tensor": "sparse tensor: make it dense first",
    "_rebuild_sparse_csr_tensor": "sparse tensor: make it dense first",
    "_rebuild_nested_tensor": "nested tensor",
    "_rebuild_meta_tensor_no_storage": "tensor without numbers",
}


def natural(value: object, what: str) -> int:
    if type(value) is not int or not 0 <= value < MAX_ELEMENTS:
        # Only a number is shown: the text of a nested list can be larger than any memory.
        shown = label(value) if type(value) is int else f"a {type(value).__name__}"
        raise UnpicklingError(f"{what} is {shown}, expected an integer >= 0")
    return value


def _naturals(values: object, what: str) -> tuple[int, ...]:
    if not isinstance(values, tuple) or len(values) > MAX_DIMENSIONS:
        raise UnpicklingError(f"{what} is not a tuple of at most {MAX_DIMENSIONS} integers")
    return tuple(natural(value, what) for value in values)


def _tensor(
    storage: object, offset: object, shape: object, strides: object, dtype: str | None = None
) -> object:
    if not isinstance(storage, Storage):
        raise UnpicklingError("a tensor without a storage")
    if storage.dtype.startswith("q"):
        return Unreadable("quantised tensor: dequantise it first")
    tensor = Tensor(
        storage,
        dtype or storage.dtype,
        natural(offset, "a tensor's offset"),
        _naturals(shape, "a tensor's shape"),
        _naturals(strides, "a tensor's strides"),
    )
    if len(tensor.shape) != len(tensor.strides):
        raise UnpicklingError("a tensor has more axes than strides")
    held = storage.n_elements * ITEM_BYTES[storage.dtype] // ITEM_BYTES[tensor.dtype]
    if tensor.size >= MAX_ELEMENTS or (tensor.size and tensor.offset + tensor.span > held):
        raise UnpicklingError(
            f"a tensor of shape {tensor.shape} reaches outside its storage of {held} elements"
        )
    return tensor


def _math_bits(metadata: object) -> object:
    """Conjugate and negative bits say that the numbers stored are not the tensor's."""
    if isinstance(metadata, dict) and (metadata.get("conj") or metadata.get("neg")):
        return Unreadable("lazily conjugated or negated tensor: call .resolve_conj() first")
    return None


def _rebuild_tensor(arguments: tuple[Any, ...]) -> object:
    storage, offset, shape, strides = arguments[:4]
    return _tensor(storage, offset, shape, strides)


def _rebuild_tensor_v2(arguments: tuple[Any, ...]) -> object:
    bits = _math_bits(arguments[6]) if len(arguments) > 6 else None
    return bits or _rebuild_tensor(arguments)


def _rebuild_tensor_v3(arguments: tuple[Any, ...]) -> object:
    dtype = arguments[6]
    if not isinstance(dtype, Dtype):
        raise UnpicklingError("a tensor without a dtype")
    if dtype.name not in ITEM_BYTES:
        return Unreadable(f"tensor of dtype {dtype.name}")
    storage, offset, shape, strides = arguments[:4]
    bits = _math_bits(arguments[7]) if len(arguments) > 7 else None
    return bits or _tensor(storage, offset, shape, strides, dtype.name)


def _first(arguments: tuple[Any, ...]) -> object:
    return arguments[0]


def _ordered_dict(arguments: tuple[Any, ...]) -> object:
    if not arguments:
        return {}
    if isinstance(arguments[0], dict):
        return arguments[0]
    # Python 2 wrote a list of pairs. The list is emptied: read again and again it costs nothing.
    pairs = arguments[0]
    built = {dict_key(pair[0]): pair[1] for pair in pairs}
    pairs.clear()
    return built


def _from_type(arguments: tuple[Any, ...]) -> object:
    """Return a tensor of a subclass, or with attributes, as the plain tensor that it is."""
    function, _, inner = arguments[:3]
    return function(inner)


def _nothing(arguments: tuple[Any, ...]) -> object:
    return None


_FUNCTIONS: dict[str, _Function] = {
    "collections OrderedDict": _ordered_dict,
    "collections Counter": _ordered_dict,
    "torch._utils _rebuild_tensor": _rebuild_tensor,
    "torch._utils _rebuild_tensor_v2": _rebuild_tensor_v2,
    "torch._utils _rebuild_tensor_v3": _rebuild_tensor_v3,
    "torch._utils _rebuild_parameter": _first,
    "torch._utils _rebuild_parameter_with_state": _first,
    "torch._tensor _rebuild_from_type_v2": _from_type,
    "torch Tensor": _nothing,
    "torch.nn.parameter Parameter": _nothing,
    "torch Size": _first,
    "torch device": _nothing,
    "torch.serialization _get_layout": _nothing,
}

_DTYPES = {"half": "float16", "float": "float32", "double": "float64", "long": "int64"}


def look_up(name: str) -> object:
    """Look a global up in the tables; nothing is imported."""
    module, _, attribute = name.partition(" ")
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    if module == "torch._utils" and attribute in _UNREADABLE:
        return lambda arguments: Unreadable(_UNREADABLE[attribute])
    if attribute in _STORAGES and module in ("torch", "torch.cuda", "torch.storage"):
        return Dtype(_STORAGES[attribute])
    if module == "torch" and attribute.startswith(
        ("float", "int", "uint", "bfloat", "bool", "complex", "half", "double", "long", "q")
    ):
        return Dtype(_DTYPES.get(attribute, attribute))
    raise UnpicklingError(f"names {label(name.replace(' ', '.'))}, {_refused(module, name)}")


def _refused(module: str, name: str) -> str:
    if module.startswith("numpy"):
        return "a NumPy object, which is not on the list of harmless ones"
    if module.startswith("__torch__"):
        return "a TorchScript class"
    if name == "argparse Namespace" or module.startswith("transformers"):
        return "settings of a training run, not weights"
    if module.startswith("torch.nn"):
        return "a whole model object, which runs code when it is loaded"
    return "which is not on the list of harmless objects"


def dict_key(value: object) -> object:
    """Return a dict key that is cheap to hash: a deep tuple takes for ever."""
    if isinstance(value, str) or (isinstance(value, int) and abs(value) < 1 << 32):
        return value
    if isinstance(value, int | float | bytes):
        return f"key {label(value)}"
    return f"key of type {type(value).__name__}"
