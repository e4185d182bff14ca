"""The words of those theories of ``nnrg theory`` that take training or time as dynamics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable

__all__ = ["HELP", "OPTIONS", "READS_MODEL"]

HELP: dict[str, str] = {}

OPTIONS: dict[str, Callable[[ArgumentParser], None]] = {}

# Those with an optional MODEL, and so with what is said of reading one.
READS_MODEL: tuple[str, ...] = ()
