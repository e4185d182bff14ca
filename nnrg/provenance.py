"""What a result records of how it was made."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from nnrg._version import __version__
from nnrg.errors import ArgumentError

__all__ = ["describe_run", "utc_now"]

_LIBRARIES = ("numpy", "scipy", "numba", "h5py", "ml_dtypes")

# BibTeX keys of what a flow rests on: the program, and the estimator of the couplings.
_CITATION = f"nnrg-{__version__}, Hyvarinen2005"


def utc_now() -> str:
    """Return the time in UTC, ISO 8601; SOURCE_DATE_EPOCH is obeyed for reproducible files.

    Raises
    ------
    ArgumentError
        If SOURCE_DATE_EPOCH is not a number of seconds.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        when = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    except (ValueError, OverflowError, OSError):
        raise ArgumentError(
            f"SOURCE_DATE_EPOCH must be seconds since 1970, got {epoch!r}; unset it or mend it"
        ) from None
    return when.isoformat(timespec="seconds")


def describe_run(command: str, started: str) -> dict[str, str | int]:
    """Return versions, threads, machine kind, command and times: the attributes of a results file.

    Parameters
    ----------
    command : str
        What was asked for, as a user would type it.
    started : str
        `utc_now` at the start.
    """
    record: dict[str, str | int] = {
        "nnrg_version": __version__,
        "command": command,
        "started": started,
        "finished": utc_now(),
        "python_version": platform.python_version(),
    }
    for name in _LIBRARIES:
        try:
            record[f"{name}_version"] = version(name)
        except PackageNotFoundError:
            continue
    record["blas"] = _blas()
    record["processor"] = platform.machine()
    record["system"] = platform.system()
    if "numba" in sys.modules:
        import numba

        record["threads"] = int(numba.get_num_threads())
    record["cite"] = _CITATION
    return record


def _blas() -> str:
    """Name and version of the linear algebra that NumPy was built with."""
    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()
