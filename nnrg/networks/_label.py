"""Names that come from files, made safe to print: a name is data, never a terminal command."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["file_label", "human_bytes", "label"]


_FILE_WIDTH = 240  # a path is cut only where it fills a screen


def label(name: object, width: int = 80) -> str:
    """Return `name` on one line, control characters escaped, the middle cut to `width`.

    Escape sequences, newlines, bidirectional controls and undecodable bytes become visible text.
    """
    text = os.fsdecode(name) if isinstance(name, bytes | os.PathLike) else str(name)
    if len(text) > 4 * width:  # escape no more than can be shown
        text = text[: 2 * width] + "…" + text[-2 * width :]
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if len(shown) <= width:
        return shown
    head = (width - 1) // 2
    return f"{shown[:head]}…{shown[head + 1 - width :]}"


def file_label(path: Path | None) -> str:
    """Return the name of `path` for a message, or say that there is no file."""
    return "arrays in memory" if path is None else label(path, _FILE_WIDTH)


def human_bytes(n: int) -> str:
    """Return a number of bytes with a binary prefix.

    Examples
    --------
    >>> human_bytes(1536)
    '1.5 KiB'
    """
    value = float(n)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{n} bytes" if unit == "bytes" else f"{value:.4g} {unit}"
