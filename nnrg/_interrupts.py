"""Ctrl-C that is pressed while a kernel is compiled."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["interruptible"]


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt in place of an error that an interrupt was lost in.

    The compiler calls Python back from C, where no exception can pass: Python reports it as ignored
    and the compiler fails soon after for want of what the callback was to return.

    Raises
    ------
    KeyboardInterrupt
        If an exception leaves the block after an interrupt was lost.
    """
    lost = False
    before = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        nonlocal lost
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            lost = True
        else:
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    except Exception as error:
        if lost:
            raise KeyboardInterrupt from error
        raise
    finally:
        sys.unraisablehook = before
