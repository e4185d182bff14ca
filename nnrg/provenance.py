"""What a result records of how it was made."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from nnrg._version import __version__

__all__ = ["describe_run", "utc_now"]

_LIBRARIES = ("numpy", "scipy", "numba", "xarray", "h5netcdf", "ml_dtypes")


def utc_now() -> str:
    """Return the time in UTC, ISO 8601; SOURCE_DATE_EPOCH is obeyed for reproducible files."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    when = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
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
        "python_version": platform.python_version(),
        "processor": platform.machine(),
        "system": platform.system(),
        "command": command,
        "started": started,
        "finished": utc_now(),
    }
    for name in _LIBRARIES:
        try:
            record[f"{name}_version"] = version(name)
        except PackageNotFoundError:
            continue
    if "numba" in sys.modules:
        import numba

        record["threads"] = int(numba.get_num_threads())
    return record
