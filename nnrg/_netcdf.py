"""Writing and reading netCDF4 files of results, through h5netcdf; never pickle."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nnrg.errors import FormatError, SourceError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FORMAT", "read", "write"]

FORMAT = "nnrg results 1"


def write(path: str | Path, groups: Mapping[str, xr.Dataset]) -> None:
    """Write each Dataset to a group of one file ("" is the root), whole or not at all."""
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".nc", dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise SourceError(
            f"{target}: cannot be written ({error.strerror}); give a path in a folder you own"
        ) from None
    draft = Path(name)
    try:
        mode = "w"
        for group, data in groups.items():
            data = data.assign_attrs(nnrg_format=FORMAT) if not group else data
            compress = {
                key: {"zlib": True, "complevel": 4, "shuffle": True}
                for key, v in data.data_vars.items()
                if v.dtype.kind == "f" and v.size > 256
            }
            data.to_netcdf(
                draft, mode=mode, group=group or None, engine="h5netcdf", encoding=compress
            )
            mode = "a"
        draft.replace(target)
    except OSError as error:
        raise SourceError(f"{target}: cannot be written ({error}); is the disk full?") from None
    finally:
        draft.unlink(missing_ok=True)


def read(path: str | Path) -> dict[str, xr.Dataset]:
    """Read every group of a results file, loaded into memory.

    Raises
    ------
    SourceError
        If there is no such file.
    FormatError
        If it is not a results file.
    """
    import h5netcdf
    import xarray as xr

    source = Path(path)
    if not source.is_file():
        raise SourceError(f"{source}: no such results file; nnrg flow MODEL -o DIR writes one")
    try:
        with h5netcdf.File(source, "r") as file:
            names: list[str] = []
            pending = [("", file)]
            while pending:
                prefix, group = pending.pop()
                names.append(prefix)
                pending += [(f"{prefix}/{k}".strip("/"), g) for k, g in group.groups.items()]
        out = {}
        for name in sorted(names):
            with xr.open_dataset(source, group=name or None, engine="h5netcdf") as data:
                out[name] = data.load()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise FormatError(
            f"{source}: not a readable netCDF4 file ({type(error).__name__}); "
            "expected what nnrg flow or .save wrote"
        ) from None
    if out[""].attrs.get("nnrg_format") != FORMAT:
        raise FormatError(
            f"{source}: a netCDF4 file, but not results of nnrg; nnrg inspect reads models"
        )
    return out
