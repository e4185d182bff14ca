"""Finished tensors of a run that is not finished: what an interrupted run goes on from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from zlib import crc32

from nnrg._netcdf_reader import read
from nnrg.errors import NNRGError
from nnrg.results import Measurement, Run, open_results

__all__ = ["Parts"]

PATIENCE = 20.0
"""Seconds of work that may be lost: a run that is shorter writes no parts."""


class Parts:
    """A folder with one results file for each tensor that is done.

    Parameters
    ----------
    folder : Path or None
        None keeps nothing.
    identity : mapping
        Weights and settings: a part made from others is not taken.
    """

    def __init__(self, folder: Path | None, identity: Mapping[str, str]) -> None:
        self._folder = folder
        self._identity = dict(identity)
        self._unsaved: dict[str, Measurement] = {}
        self._started = time.monotonic()

    def seed(self) -> int | None:
        """Return the seed of the parts that are there, so that the rest can be drawn from it."""
        for path in self._files():
            try:
                attrs = read(path)[""].attrs
                if all(attrs.get(k) == v for k, v in self._identity.items()):
                    return int(str(attrs["seed"]))
            except (NNRGError, KeyError, ValueError):
                continue  # cut off or of another kind: its tensor is measured again
        return None

    def use_seed(self, seed: int) -> None:
        """Take and keep parts of this seed only."""
        self._identity["seed"] = str(seed)

    def get(self, name: str) -> Measurement | None:
        """Return the measurement of a tensor if it is there, made from the same numbers."""
        path = self._path(name)
        if path is None or not path.is_file():
            return None
        try:
            run = open_results(path)
        except NNRGError:
            return None  # cut off or of another kind: measured again
        wanted = {**self._identity, "tensor": name}
        if isinstance(run, Run) and all(run.attrs.get(k) == v for k, v in wanted.items()):
            return next(iter(run.measurements.values()), None)
        return None

    def add(self, name: str, result: Measurement) -> None:
        """Keep a measurement, on disk once the run has lasted."""
        if self._folder is not None:
            self._unsaved[name] = result
            if time.monotonic() - self._started > PATIENCE:
                self.flush()

    def flush(self) -> None:
        """Write what is not on disk yet."""
        for name in list(self._unsaved):
            path = self._path(name)
            assert path is not None
            Run({name: self._unsaved[name]}, attrs={**self._identity, "tensor": name}).save(path)
            del self._unsaved[name]

    def _path(self, name: str) -> Path | None:
        if self._folder is None:
            return None
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
        check = crc32(name.encode("utf-8", "surrogatepass"))
        return self._folder / f"{plain[:60].lstrip('.')}-{check:08x}.nc"

    def _files(self) -> Iterator[Path]:
        if self._folder is not None and self._folder.is_dir():
            yield from sorted(self._folder.glob("*.nc"))
