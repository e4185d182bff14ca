"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError, SourceError

__all__ = ["as_path", "behind_links", "write_tensors", "written_whole"]

_WIDTH = 200


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
    if not isinstance(text, str) or "\0" in text or not _is_encodable(text):
        raise ArgumentError(f"expected the path of a file, got {shown(path)}; try 'flow.nc'")
    return Path(text)


def _is_encodable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeError:
        return False
    return True


def behind_links(path: Path) -> Path:
    """Return the file that a path leads to, there or not.

    Raises
    ------
    SourceError
        If it leads back to itself.
    """
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise SourceError(
            f"{_printable(path)}: is a link that leads back to itself; give a file's name"
        )
    return target


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
    given = as_path(path)
    named = _printable(given)
    draft = None
    try:
        target = behind_links(given)
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


def write_tensors(
    path: str | Path, arrays: dict[str, npt.NDArray[Any]], metadata: dict[str, str] | None = None
) -> None:
    """Write a safetensors file whole: `save_file` alone replaces links, and names no file."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    with written_whole(path, ".safetensors") as draft:
        try:
            save_file(arrays, draft, metadata=metadata)
        except SafetensorError as error:
            raise OSError(str(error)) from None


def _printable(path: Path) -> str:
    """Return a path for a message, control characters escaped, the middle cut."""
    text = repr(str(path))[1:-1]
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH // 2]}…{text[1 - _WIDTH // 2 :]}"


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
