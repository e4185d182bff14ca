"""One run at a time writes to a record."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from nnrg.errors import SourceError

__all__ = ["hold"]


def hold(file: IO[bytes], path: Path) -> None:
    """Keep other runs from writing to a file for as long as it is open, where systems can.

    Raises
    ------
    SourceError
        If another run holds it.
    """
    try:
        import fcntl
    except ImportError:  # not on this system
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SourceError(
            f"{path} is being written by another run; wait for its end, or give another file"
        ) from None
    except OSError:  # a file system without locks
        return
