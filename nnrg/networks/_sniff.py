"""What a file is, told from its first bytes; its extension only helps to word an error."""

from __future__ import annotations

import zipfile
from pathlib import Path

from nnrg.errors import FormatError
from nnrg.networks._label import file_label
from nnrg.networks._limits import as_format_error, check_zip_directory, open_regular

__all__ = ["sniff"]

_HEAD = 4096
_SUPPORTED = "safetensors, PyTorch .pt/.pth, Keras .h5/.keras, ONNX, .npz and .npy are read"
_TORCH_LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
_HDF5 = b"\x89HDF\r\n\x1a\n"

# Starts of files that are often given in place of weights, and what helps.
_OTHERS = (
    (b"version https://git-lfs", "a git-LFS pointer, not the weights; run `git lfs pull`"),
    (b"GGUF", "a GGUF file; convert it to safetensors"),
    (b"\x1f\x8b", "gzip-compressed; unpack it first"),
    (b"BZh", "bzip2-compressed; unpack it first"),
    (b"\xfd7zXZ\0", "xz-compressed; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"CDF\x01", "a netCDF-3 file, not a network; give the path of a weight file"),
    (b"CDF\x02", "a netCDF-3 file, not a network; give the path of a weight file"),
    (b"MATLAB 5.0", "a MATLAB file; save its arrays with scipy.io.loadmat and numpy.savez"),
    (b"<!DOCTYPE", "an HTML page, not weights; download the file itself"),
    (b"<!doctype", "an HTML page, not weights; download the file itself"),
    (b"<html", "an HTML page, not weights; download the file itself"),
    (b"\x89PNG", "a PNG image, not weights; give the path of a weight file"),
    (b"%PDF", "a PDF document, not weights; give the path of a weight file"),
)

# Formats that have no magic, by the end of the name, and what converts them.
_CONVERTERS = (
    (
        "saved_model.pb",
        "a TensorFlow model; convert it to ONNX with tf2onnx, or save it with Keras as .h5",
    ),
    (".mlmodel", "a Core ML model; convert what it was made from to ONNX or safetensors"),
    (
        ".msgpack",
        "a flax msgpack file; numpy.savez or safetensors.flax.save_file writes its arrays",
    ),
    (".ckpt", "no PyTorch file; a TensorFlow checkpoint is converted to ONNX with tf2onnx"),
    (".ckpt.index", "the index of a TensorFlow checkpoint; convert it to ONNX with tf2onnx"),
    (".param", "an ncnn model; convert what it was made from to ONNX or safetensors"),
)


def sniff(path: Path) -> str:
    """Return the format of a file.

    Parameters
    ----------
    path : Path
        A regular file.

    Returns
    -------
    str
        ``"safetensors"``, ``"index"``, ``"numpy"``, ``"torch"``, ``"hdf5"`` or ``"onnx"``.

    Raises
    ------
    SourceError
        The file is missing, unreadable or not a regular file.
    FormatError
        The file is empty or of no format that is read.
    """
    file, stamp = open_regular(path)
    with file, as_format_error(path, "cannot be read", "copy the file again"):
        head = file.read(_HEAD)
        if not head:
            raise FormatError(f"{file_label(path)}: is empty (0 bytes); download or save it again")
        if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            check_zip_directory(path, file, stamp.size)
            return _sniff_zip(path)
        if any(
            head[at:].startswith(_HDF5) for at in (0, 512, 1024, 2048)
        ):  # a user block may stand before the data
            return "netcdf" if _is_netcdf(path) else "hdf5"
    return _sniff_head(path, head)


def _sniff_head(path: Path, head: bytes) -> str:
    suffix = path.suffix.lower()
    if head.startswith(_TORCH_LEGACY[:8]):
        return "torch"
    if head.startswith(b"\x93NUMPY"):
        return "numpy"
    if head[8:9] == b"{":
        return "safetensors"
    for start, what in _OTHERS:
        if head.startswith(start):
            raise FormatError(f"{file_label(path)}: is {what}")
    if head[4:8] == b"TFL3":
        raise FormatError(f"{file_label(path)}: is a TFLite model; convert it to ONNX")
    if head[257:262] == b"ustar":
        raise FormatError(f"{file_label(path)}: is a tar archive; unpack it first")
    if head.lstrip()[:1] == b"{":
        return "index"
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        raise FormatError(
            f"{file_label(path)}: is a Python pickle, which could run any code and is not opened; "
            "save the weights as safetensors"
        )
    for ending, what in _CONVERTERS:
        if path.name.lower().endswith(ending) or (".ckpt.data-" in path.name and ending == ".ckpt"):
            raise FormatError(f"{file_label(path)}: is {what}")
    # Protocol buffers have no magic: field 1 (ir_version, a small number), then a known field.
    if (head[:1] == b"\x08" and head[1:2] <= b"\x40") or suffix == ".onnx":
        return "onnx"
    if suffix == ".safetensors":
        return "safetensors"  # whose reader says what is wrong with it
    raise FormatError(f"{file_label(path)}: is of no known format; {_SUPPORTED}")


def _sniff_zip(path: Path) -> str:
    with (
        as_format_error(path, "a damaged zip archive", "download or save it again"),
        zipfile.ZipFile(path) as archive,
    ):
        names = archive.namelist()
    plain = [name.rsplit("/", 1)[-1] for name in names]
    if "data.pkl" in plain or "constants.pkl" in plain:
        return "torch"
    if "model.weights.h5" in plain:
        return "hdf5"
    if any(name.endswith(".npy") for name in names):
        return "numpy"
    raise FormatError(
        f"{file_label(path)}: a zip archive that is neither PyTorch, Keras nor NumPy; {_SUPPORTED}"
    )


def _is_netcdf(path: Path) -> bool:
    import h5py

    with (
        as_format_error(path, "a damaged HDF5 file", "download or save it again"),
        h5py.File(path, "r") as file,
    ):
        return "_NCProperties" in file.attrs
