"""Reader for one model in several safetensors files: an index, or all files of a folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from nnrg.errors import FormatError, SourceError
from nnrg.networks._label import file_label, human_bytes, label
from nnrg.networks._limits import MAX_HEADER, MAX_TENSORS, as_format_error, open_regular
from nnrg.networks._raw import Extent
from nnrg.networks._safetensors import SafetensorsSource, parse_json, read
from nnrg.networks._source import Skipped, TensorSpec

__all__ = ["read_folder", "read_index"]

_MAX_SHARDS = 4096
_WEIGHTS = (".bin", ".pt", ".pth", ".pth.tar", ".ckpt", ".h5", ".hdf5", ".keras", ".onnx", ".npz")
_CONVERT = (
    "PyTorch models in several files are not read: save it as safetensors "
    "(transformers: model.save_pretrained(folder)), or give the path of one shard"
)


def read_folder(folder: Path) -> tuple[SafetensorsSource, tuple[Path, ...]]:
    """Read the model in a folder: its ``*.safetensors.index.json``, or its safetensors files.

    Returns
    -------
    source : SafetensorsSource
        All tensors.
    files : tuple of Path
        The files they are in, in the order of their names.

    Raises
    ------
    SourceError
        There is no safetensors file, or there are several that are not one model's shards.
    FormatError
        A file is not valid.
    """
    with as_format_error(folder, "the folder cannot be listed", "give the path of a file"):
        names = sorted(os.listdir(folder))
    indices = [name for name in names if name.endswith(".safetensors.index.json")]
    if len(indices) == 1:
        return read_index(folder / indices[0])
    found = [name for name in names if name.endswith(".safetensors")]
    if "model.safetensors" in found:
        found = ["model.safetensors"]
    if not found:
        raise SourceError(
            f"{file_label(folder)}: is a directory without *.safetensors files; {_instead(names)}"
        )
    if len(found) > 1 and not all("-of-" in name for name in found):
        shown = ", ".join(label(name, 40) for name in found[:4])
        raise SourceError(
            f"{file_label(folder)}: holds {len(found)} models ({shown}); give the path of one"
        )
    return _join(folder, found)


def _instead(names: list[str]) -> str:
    """Return what to do about a folder without safetensors files."""
    if "flow.nc" in names:
        return "it holds results: nnrg plot draws them, nnrg inspect says how they were made"
    if "saved_model.pb" in names:
        return (
            "it is a TensorFlow SavedModel: convert it to ONNX with tf2onnx, or save it with Keras "
            "as .h5"
        )
    if any(name.endswith(".bin.index.json") for name in names):
        return _CONVERT
    found = [name for name in names if name.endswith(_WEIGHTS)]
    if found:
        shown = ", ".join(label(name, 40) for name in found[:4])
        return f"give the path of the file in it: {shown}"
    return "give the path of a weight file"


def read_index(path: Path) -> tuple[SafetensorsSource, tuple[Path, ...]]:
    """Read the shards that a ``*.safetensors.index.json`` lists.

    Only plain file names in the folder of the index are followed.

    Raises
    ------
    SourceError
        A shard is missing.
    FormatError
        The index is not valid, names a file elsewhere, or does not agree with the shards.
    """
    hint = "download or save the model again"
    file, stamp = open_regular(path)
    with file, as_format_error(path, "cannot be read", hint):
        if stamp.size > MAX_HEADER:
            raise FormatError(
                f"{file_label(path)}: {human_bytes(stamp.size)} is too large for an index of "
                f"shards, at most {human_bytes(MAX_HEADER)} are read; {hint}"
            )
        text = file.read(MAX_HEADER)
    where = parse_json(path, text).get("weight_map")
    if (
        not isinstance(where, dict)
        or not where
        or not all(isinstance(shard, str) for shard in where.values())
    ):
        raise FormatError(
            f"{file_label(path)}: JSON without a weight_map from tensor to file; expected a "
            "*.safetensors.index.json, give the path of a weight file"
        )
    shards = sorted(set(where.values()))
    if not any(shard.endswith(".safetensors") for shard in shards) and path.name.endswith(
        ".bin.index.json"
    ):
        raise FormatError(f"{file_label(path)}: lists shards of a PyTorch model; {_CONVERT}")
    for shard in shards:
        # A name with a separator of any system could lead out of the folder.
        if not shard or shard.startswith(".") or any(c in shard for c in "/\\:\0"):
            raise FormatError(
                f"{file_label(path)}: names the shard {label(shard)!r}, expected a plain file "
                "name; move the shards into the folder of the index"
            )
    source, files = _join(path.parent, shards)
    listed, stored = set(where), set(source.specs) | {s.name for s in source.skipped}
    if listed - stored:
        missing = sorted(listed - stored)[0]
        raise FormatError(
            f"{file_label(path)}: lists {label(missing)!r}, which no shard holds; {hint}"
        )
    return source, (path, *files)


def _join(folder: Path, shards: Iterable[str]) -> tuple[SafetensorsSource, tuple[Path, ...]]:
    files = tuple(folder / shard for shard in shards)
    if len(files) > _MAX_SHARDS:
        raise FormatError(
            f"{file_label(folder)}: {len(files)} shards, at most {_MAX_SHARDS} are read; merge them"
        )
    specs: dict[str, TensorSpec] = {}
    extents: dict[str, Extent] = {}
    skipped: list[Skipped] = []
    metadata: dict[str, str] = {}
    for file in files:
        part = read(file)
        twice = sorted(specs.keys() & part.specs.keys())
        if twice:
            raise FormatError(
                f"{file_label(folder)}: {label(twice[0])!r} is in two shards, the second is "
                f"{label(file.name)}; keep one of them"
            )
        specs.update(part.specs)
        extents.update(part.extents)
        skipped.extend(part.skipped)
        metadata.update(part.metadata)
        if len(specs) > MAX_TENSORS:
            raise FormatError(
                f"{file_label(folder)}: more than the {MAX_TENSORS} tensors allowed; "
                "give the path of one shard"
            )
    path = files[0] if len(files) == 1 else folder
    return SafetensorsSource(path, specs, extents, tuple(skipped), metadata), files
