"""The pickles inside PyTorch files, read by a machine that can only build plain data.

Nothing of the pickle protocol that calls Python is there: a global is a key into the tables of
`_torch_objects`, and REDUCE applies one of the functions there to what lies on the stack. A file
that names anything else is refused. `pickletools` splits the bytes into opcodes.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from collections.abc import Callable
from typing import Any

from nnrg.networks._label import label
from nnrg.networks._torch_objects import (
    Dtype,
    Storage,
    Tensor,
    UnpicklingError,
    Unreadable,
    dict_key,
    look_up,
    natural,
)

__all__ = ["MAX_OPCODES", "Pickles"]

MAX_OPCODES = 1_000_000


class _Machine:
    """The stack, the memo and one method for each opcode that is allowed."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def push(self, value: Any) -> None:
        # A method of the machine, not of its stack: to_mark() puts another stack in its place.
        self.stack.append(value)

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def pop_mark(self) -> None:
        self.to_mark()

    def to_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def last(self, n: int) -> list[Any]:
        if len(self.stack) < n:
            raise IndexError("stack is empty")
        items = self.stack[-n:]
        del self.stack[-n:]
        return items

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise UnpicklingError(f"appends to a {type(target).__name__}, not to a list")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise UnpicklingError(f"sets an item of a {type(target).__name__}, not of a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[dict_key(key)] = value

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.to_mark()

    def make_dict(self) -> None:
        items = self.to_mark()
        self.push({})
        self.set_items(items)

    def call(self) -> None:
        function, arguments = self.last(2)
        if not callable(function) or not isinstance(arguments, tuple):
            raise UnpicklingError(f"calls a {type(function).__name__}")
        self.push(function(arguments))

    def build(self) -> None:
        self.stack.pop()  # the `_metadata` attribute of a state dict: nothing of it is kept
        if not isinstance(self.stack[-1], dict | Tensor | Unreadable):
            raise UnpicklingError(f"sets the state of a {type(self.stack[-1]).__name__}")

    def stack_global(self) -> None:
        module, name = self.last(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise UnpicklingError("names a global by something that is no text")
        self.push(look_up(f"{module} {name}"))

    def storage(self) -> None:
        label = self.stack.pop()
        if not isinstance(label, tuple) or len(label) < 5 or label[0] != "storage":
            raise UnpicklingError("refers to something outside that is no storage")
        dtype, key, n_elements = label[1], label[2], label[4]
        if not isinstance(dtype, Dtype) or not isinstance(key, str):
            raise UnpicklingError("a storage without type or key")
        if len(label) > 5 and label[5] is not None:
            raise UnpicklingError(
                "a storage that is part of another one (torch < 0.4)", "save it with a newer torch"
            )
        storage = Storage(key, dtype.name, natural(n_elements, "a storage's size"))
        if self.storages.setdefault(key, storage) != storage:
            raise UnpicklingError(f"describes the storage {key[:40]!a} in two ways")
        self.push(storage)


def _no_effect(machine: _Machine, argument: Any) -> None:
    """Do nothing: the opcode only frames others."""


_Handler = Callable[[_Machine, Any], None]

_HANDLERS: dict[str, _Handler] = {
    "PROTO": _no_effect,
    "FRAME": _no_effect,
    "STOP": _no_effect,
    "NONE": lambda m, _: m.push(None),
    "NEWTRUE": lambda m, _: m.push(True),
    "NEWFALSE": lambda m, _: m.push(False),
    "EMPTY_TUPLE": lambda m, _: m.push(()),
    "EMPTY_LIST": lambda m, _: m.push([]),
    "EMPTY_SET": lambda m, _: m.push([]),
    "EMPTY_DICT": lambda m, _: m.push({}),
    "MARK": lambda m, _: m.mark(),
    "TUPLE": lambda m, _: m.push(tuple(m.to_mark())),
    "TUPLE1": lambda m, _: m.push(tuple(m.last(1))),
    "TUPLE2": lambda m, _: m.push(tuple(m.last(2))),
    "TUPLE3": lambda m, _: m.push(tuple(m.last(3))),
    "LIST": lambda m, _: m.push(m.to_mark()),
    "FROZENSET": lambda m, _: m.push(m.to_mark()),
    "DICT": lambda m, _: m.make_dict(),
    "APPEND": lambda m, _: m.extend(m.last(1)),
    "APPENDS": lambda m, _: m.extend(m.to_mark()),
    "ADDITEMS": lambda m, _: m.extend(m.to_mark()),
    "SETITEM": lambda m, _: m.set_items(m.last(2)),
    "SETITEMS": lambda m, _: m.set_items(m.to_mark()),
    "POP": lambda m, _: m.pop(),
    "POP_MARK": lambda m, _: m.pop_mark(),
    "DUP": lambda m, _: m.push(m.stack[-1]),
    "GLOBAL": lambda m, name: m.push(look_up(name)),
    "STACK_GLOBAL": lambda m, _: m.stack_global(),
    "REDUCE": lambda m, _: m.call(),
    "BUILD": lambda m, _: m.build(),
    "BINPERSID": lambda m, _: m.storage(),
    "MEMOIZE": lambda m, _: m.put(len(m.memo)),
}
_LITERALS = (
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING "
    "SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES "
    "BINBYTES8 BYTEARRAY8"
)
_HANDLERS |= dict.fromkeys(_LITERALS.split(), _Machine.push)
_HANDLERS |= dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put)
_HANDLERS |= dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get)


class Pickles:
    """The pickles of one file, one after the other, within one budget of opcodes.

    Parameters
    ----------
    data : bytes
        Where the pickles are; its length bounds every length that they may claim.
    """

    def __init__(self, data: bytes) -> None:
        self._window = io.BytesIO(data)
        self._budget = MAX_OPCODES
        self.storages: dict[str, Storage] = {}

    @property
    def position(self) -> int:
        """Where the last pickle ended."""
        return self._window.tell()

    def parse(self) -> object:
        """Return what the next pickle builds.

        Raises
        ------
        UnpicklingError
            On damage, and on anything that is not plain data, tensors or storages.
        """
        machine = _Machine()
        try:
            # Text with odd backslashes warns; what comes out of it is only a label.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for opcode, argument, _ in pickletools.genops(self._window):
                    self._budget -= 1
                    if self._budget < 0:
                        raise UnpicklingError(f"more than {MAX_OPCODES} pickle opcodes")
                    handler = _HANDLERS.get(opcode.name)
                    if handler is None:
                        raise UnpicklingError(
                            f"uses the pickle opcode {opcode.name}, which builds arbitrary objects"
                        )
                    handler(machine, argument)
            result = machine.stack.pop()
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise UnpicklingError(
                f"damaged pickle ({label(error)})", "download or save the file again"
            ) from error
        self.storages |= machine.storages
        return result
