"""`load`: one way in for every file format and for tensors in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from nnrg._validate import as_names, shown
from nnrg.errors import ArgumentError, FormatError, SourceError
from nnrg.networks import _memory
from nnrg.networks._label import file_label, label
from nnrg.networks._sniff import sniff
from nnrg.networks._source import Skipped, Source, TensorSpec
from nnrg.networks.network import Network

__all__ = ["load"]

_READERS = {
    "safetensors": "nnrg.networks._safetensors",
    "numpy": "nnrg.networks._numpy",
    "torch": "nnrg.networks._torch",
    "hdf5": "nnrg.networks._hdf5",
    "onnx": "nnrg.networks._onnx",
}


def load(
    source: Any,
    *,
    key: str | None = None,
    buffers: Iterable[str] = (),
    trained: Iterable[str] = (),
    allow_nonfinite: bool = False,
    max_bytes: int | None = None,
) -> Network:
    """Read a network from a file, a folder, or tensors in memory.

    Only headers are read; the numbers of a tensor are read when it is asked for. The format is
    told from the content of the file. No code in a file is ever run.

    Parameters
    ----------
    source : path, mapping, list, array, module or Network
        A safetensors, PyTorch, Keras HDF5, ONNX, .npz or .npy file; a folder with safetensors
        shards; a (nested) dict or list of arrays; a torch state dict; a module with
        ``state_dict()``.
    key : str, optional
        Which part of a checkpoint holds the weights, dotted: ``"model.state_dict"``. In formats
        without nesting, the first parts of the tensors' names.
    buffers, trained : iterable of str, optional
        Shell patterns (``"*.stft.*"``) of tensors that are fixed, or trained, where the names in
        the file mislead.
    allow_nonfinite : bool, optional
        Read tensors with NaN or infinity, which is an error otherwise.
    max_bytes : int, optional
        The most bytes that one tensor may take when it is read whole.

    Returns
    -------
    Network
        Names, shapes, roles, and tensors on demand.

    Raises
    ------
    SourceError
        The file is missing, unreadable or not a regular file.
    FormatError
        The file is of no known format, damaged, refused, or holds no trained weights.
    ArgumentError
        An argument cannot be used.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> net = nnrg.load({"fc.weight": np.ones((4, 3)), "fc.bias": np.zeros(4)})
    >>> net
    <Network arrays in memory: 2 tensors, 16 parameters>
    """
    if not isinstance(key, str | None):
        raise ArgumentError(f"key must be a dotted name such as 'model', got {shown(key)}")
    options: dict[str, Any] = {
        "buffers": as_names("buffers", buffers),
        "trained": as_names("trained", trained),
        "allow_nonfinite": allow_nonfinite,
        "max_bytes": max_bytes,
    }
    if isinstance(source, Network):
        return Network(_under(source._source, key), files=source._files, **options)
    if isinstance(source, str | os.PathLike):
        opened, files = _open(Path(source), key)
        return Network(opened, files=files, **options)
    if _memory.is_memory(source):
        return Network(_memory.read(source, key), **options)
    raise ArgumentError(
        f"cannot load a {type(source).__name__}; expected a path, a dict of arrays, a state dict "
        "or a module"
    )


def _open(path: Path, key: str | None) -> tuple[Source, tuple[Path, ...]]:
    if str(path) == "-" and not path.exists():
        raise SourceError(
            "-: standard input is not read, as readers go to and fro in a file; save it first"
        )
    if _is_folder(path):
        from nnrg.networks._sharded import read_folder

        folder, files = read_folder(path)
        return _under(folder, key), files
    kind = sniff(path)
    if kind == "index":
        from nnrg.networks._sharded import read_index

        index, files = read_index(path)
        return _under(index, key), files
    if kind == "netcdf":
        raise FormatError(
            f"{file_label(path)}: is a netCDF file, such as saved results, not a network; "
            "nnrg.open_results reads results"
        )
    reader = import_module(_READERS[kind])
    if kind == "torch":  # the only format with containers inside
        return reader.read(path, key=key), (path,)
    return _under(reader.read(path), key), (path,)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{file_label(path)}: cannot be opened: {error}; check the path"
        ) from error


def _under(source: Source, key: str | None) -> Source:
    """Return the part of a source whose tensors' names start with `key`."""
    if key is None:
        return source
    kept = {
        name: spec
        for name, spec in source.specs.items()
        if name == key or name.startswith((f"{key}.", f"{key}/"))
    }
    if not kept:
        starts = sorted({name.partition(".")[0].partition("/")[0] for name in source.specs})
        shown = ", ".join(label(start, 30) for start in starts[:8])
        raise ArgumentError(
            f"{file_label(source.path)}: no tensor is under key={label(key)!r}; there are: {shown}"
        )
    others = (
        Skipped(name, f"not under key={key!r}", spec.size)
        for name, spec in source.specs.items()
        if name not in kept
    )
    return _Part(source, kept, (*source.skipped, *others))


class _Part:
    """Some of the tensors of a source."""

    def __init__(
        self, whole: Source, specs: Mapping[str, TensorSpec], skipped: tuple[Skipped, ...]
    ) -> None:
        self.format = whole.format
        self.path = whole.path
        self.metadata = whole.metadata
        self.specs = specs
        self.skipped = skipped
        self.read = whole.read
        self.chunks = whole.chunks
