"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nnrg._validate import shown
from nnrg.errors import ArgumentError, SourceError

__all__ = ["as_path", "written_whole"]


def as_path(path: object) -> Path:
    """Return a path.

    Raises
    ------
    ArgumentError
        If it is none.
    """
    try:
        text = os.fspath(path)  # type: ignore[call-overload]
    except TypeError:
        text = None
    if not isinstance(text, str) or "\0" in text:
        raise ArgumentError(f"expected the path of a file, got {shown(path)}; try 'flow.nc'")
    return Path(text)


@contextmanager
def written_whole(path: str | Path, ending: str = "") -> Iterator[Path]:
    """Give a draft to write to, which takes the place of a file once it is written.

    A link stays, and what it points to is replaced. Folders are made.

    Parameters
    ----------
    path : path
    ending : str
        Of the draft's name, for writers that go by it.

    Raises
    ------
    ArgumentError
        If `path` is no path.
    SourceError
        If the file cannot be written, or what is there is a folder or a device.
    """
    named = as_path(path)
    draft = None
    try:
        target = Path(os.path.realpath(named))
        if target.exists() and not target.is_file():
            what = "a folder" if target.is_dir() else "a device or a pipe"
            raise SourceError(f"{named}: is {what}, which is not replaced; give a file's name")
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        handle, draft = tempfile.mkstemp(
            prefix=f".{target.name[:60]}.", suffix=ending, dir=target.parent
        )
        os.close(handle)
        yield Path(draft)
        os.chmod(draft, mode)
        os.replace(draft, target)
    except SourceError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise SourceError(
            f"{named}: cannot be written ({reason}); give a path in a folder you own, on a disk "
            "that is not full"
        ) from None
    finally:
        if draft is not None:
            with suppress(OSError):
                os.unlink(draft)


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
