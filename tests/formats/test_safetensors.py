"""safetensors: what the reader hands out equals what the reference library wrote."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from formats._measure import measure

import nnrg
from nnrg.errors import ArgumentError, FormatError, NonFiniteError, SourceError

BF16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = {
    "F64": np.dtype("f8"),
    "F32": np.dtype("f4"),
    "F16": np.dtype("f2"),
    "BF16": BF16,
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
}


def write(path: Path, tensors: dict[str, tuple[str, np.ndarray]], **metadata: str) -> Path:
    """Write a safetensors file by its definition, with any dtype code."""
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    body = b""
    for name, (code, array) in tensors.items():
        data = array.tobytes()
        offsets = [len(body), len(body) + len(data)]
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": offsets}
        body += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def normal(shape: tuple[int, ...], dtype: np.dtype, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def test_reads_what_the_library_wrote(tmp_path):
    tensors = {
        "a.weight": normal((7, 5), np.dtype("f4")),
        "a.bias": normal((7,), np.dtype("f8"), 1),
        "logit_scale": np.array(2.5, np.float16),
    }
    safetensors.numpy.save_file(tensors, tmp_path / "m.safetensors", {"step": "12"})
    net = nnrg.load(tmp_path / "m.safetensors")
    assert net.format == "safetensors"
    assert dict(net.metadata) == {"step": "12"}
    assert set(net.tensors) == set(tensors)
    for name, expected in tensors.items():
        found = net.tensors[name]
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape == net.specs[name].shape
        np.testing.assert_array_equal(found, expected)
    assert net.n_parameters == 7 * 5 + 7 + 1


@pytest.mark.parametrize("code", FLOATS)
def test_every_float_type_bit_for_bit(tmp_path, code):
    # All bit patterns of the 8-bit types, normal numbers of the others.
    dtype = FLOATS[code]
    if dtype.itemsize == 1:
        array = np.arange(256, dtype=np.uint8).view(dtype).reshape(16, 16)
    else:
        array = normal((16, 16), dtype)
    net = nnrg.load(write(tmp_path / "m", {"w": (code, array)}), allow_nonfinite=True)
    found = net.tensors["w"]
    assert found.dtype == dtype
    assert net.specs["w"].dtype == dtype.name
    assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize("rows", [1, 3, 4, 10, 100])
@pytest.mark.parametrize("shape", [(10, 4), (10,), (10, 2, 3), (), (1, 7)])
def test_chunks_put_together_are_the_tensor(tmp_path, rows, shape):
    array = normal(shape, BF16)
    net = nnrg.load(write(tmp_path / "m", {"x": ("F32", np.ones(3, "f4")), "w": ("BF16", array)}))
    pieces = [chunk.copy() for chunk in net.chunks("w", rows)]
    assert all(len(piece) == rows for piece in pieces[:-1])
    whole = np.concatenate(pieces).reshape(shape)
    assert whole.tobytes() == array.tobytes()


def test_chunks_share_one_buffer(tmp_path):
    net = nnrg.load(write(tmp_path / "m", {"w": ("F32", normal((8, 4), np.dtype("f4")))}))
    first, second = net.chunks("w", 4)
    assert np.shares_memory(first, second)


def test_integers_and_packed_floats_are_left_out_with_the_reason(tmp_path):
    path = write(
        tmp_path / "m",
        {
            "w": ("F32", np.ones((2, 2), "f4")),
            "ids": ("I64", np.arange(4)),
            "on": ("BOOL", np.array([True, False])),
            "z": ("C64", np.ones(2, "c8")),
        },
    )
    net = nnrg.load(path)
    reasons = {s.name: s.reason for s in net.skipped}
    assert set(net.tensors) == {"w"}
    assert "int64" in reasons["ids"] and "bool" in reasons["on"] and "complex" in reasons["z"]
    np.testing.assert_array_equal(net.buffers["ids"], np.arange(4))
    with pytest.raises(ArgumentError, match="'ids' is left out: int64 numbers"):
        net.tensors["ids"]


def test_four_bit_numbers_are_counted_by_bits(tmp_path):
    header = {
        "q": {"dtype": "F4", "shape": [3, 2], "data_offsets": [0, 3]},
        "w": {"dtype": "F32", "shape": [1], "data_offsets": [3, 7]},
    }
    text = json.dumps(header).encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(7))
    net = nnrg.load(path)
    assert [(s.name, s.size) for s in net.skipped] == [("q", 6)]


def test_empty_tensor_is_dropped_with_a_note(tmp_path):
    path = write(
        tmp_path / "m", {"e": ("F32", np.empty((0, 4), "f4")), "w": ("F32", np.ones(2, "f4"))}
    )
    net = nnrg.load(path)
    assert set(net.tensors) == {"w"}
    assert [(s.name, s.reason) for s in net.skipped] == [("e", "no elements: shape [0, 4]")]


def test_names_dropped_by_save_model_are_tied(tmp_path):
    array = {"wte.weight": ("F32", np.ones((4, 2), "f4"))}
    net = nnrg.load(write(tmp_path / "m", array, **{"lm_head.weight": "wte.weight"}))
    assert net.n_parameters == 8
    (tied,) = net.skipped
    assert tied.name == "lm_head.weight" and tied.reason.startswith("tied to wte.weight")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("code", FLOATS)
def test_nonfinite_numbers_are_counted(tmp_path, code, value):
    if code == "F8_E4M3" and np.isinf(value):
        value = np.nan  # the type has no infinity
    array = normal((40, 50), np.dtype("f4"))
    array.flat[[3, 700, 1999]] = value
    path = write(tmp_path / "m.safetensors", {"w": (code, array.astype(FLOATS[code]))})
    with pytest.raises(NonFiniteError, match=r"m\.safetensors: 'w' holds 3 NaN or infinite"):
        nnrg.load(path).tensors["w"]
    with pytest.raises(NonFiniteError, match="holds 2 NaN or infinite"):
        list(nnrg.load(path).chunks("w", 30))
    allowed = nnrg.load(path, allow_nonfinite=True)
    assert np.sum(~np.isfinite(allowed.tensors["w"].astype("f8"))) == 3


def test_largest_finite_numbers_pass(tmp_path):
    for code, dtype in FLOATS.items():
        limit = ml_dtypes.finfo(dtype)
        array = np.array([limit.max, limit.min, limit.smallest_subnormal, 0, -0.0], dtype)
        path = write(tmp_path / code, {"w": (code, array)})
        assert nnrg.load(path).tensors["w"].tobytes() == array.tobytes()


def shards(folder: Path) -> dict[str, np.ndarray]:
    folder.mkdir()
    tensors = {f"l{i}.weight": normal((4, i + 1), np.dtype("f4"), i) for i in range(4)}
    for number, names in enumerate((("l0.weight", "l3.weight"), ("l1.weight", "l2.weight")), 1):
        part = {name: ("F32", tensors[name]) for name in names}
        write(folder / f"model-{number:05}-of-00002.safetensors", part)
    return tensors


def index(folder: Path, tensors, **override: str) -> Path:
    where = {n: f"model-0000{1 + (n[1] in '12')}-of-00002.safetensors" for n in tensors}
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": {**where, **override}}))
    return path


@pytest.mark.parametrize("how", ["folder with index", "index", "folder of shards"])
def test_shards_are_one_network(tmp_path, how):
    folder = tmp_path / "Modell mit Ümlaut"
    tensors = shards(folder)
    source = folder if how == "folder of shards" else index(folder, tensors)
    net = nnrg.load(folder if how == "folder with index" else source)
    assert net.n_parameters == sum(t.size for t in tensors.values())
    for name, expected in tensors.items():
        np.testing.assert_array_equal(net.tensors[name], expected)


@pytest.mark.parametrize(
    ("shard", "words"),
    [
        ("../evil.safetensors", "plain file name"),
        ("/etc/passwd", "plain file name"),
        ("a\\b.safetensors", "plain file name"),
        ("..", "plain file name"),
        ("", "plain file name"),
        ("c:evil", "plain file name"),
    ],
)
def test_shards_outside_the_folder_are_refused(tmp_path, shard, words):
    tensors = shards(tmp_path / "m")
    path = index(tmp_path / "m", tensors, **{"l0.weight": shard})
    with pytest.raises(FormatError, match=words):
        nnrg.load(path)


def test_index_that_does_not_fit_its_shards(tmp_path):
    tensors = shards(tmp_path / "m")
    path = index(tmp_path / "m", tensors, **{"lost": "model-00001-of-00002.safetensors"})
    with pytest.raises(FormatError, match="'lost', which no shard holds"):
        nnrg.load(path)
    path = index(tmp_path / "m", tensors, **{"l0.weight": "gone.safetensors"})
    with pytest.raises(SourceError, match=r"gone\.safetensors: no such file"):
        nnrg.load(path)


def test_same_tensor_in_two_shards(tmp_path):
    for number in (1, 2):
        write(tmp_path / f"m-{number}-of-2.safetensors", {"w": ("F32", np.ones(2, "f4"))})
    with pytest.raises(FormatError, match="'w' is in two shards"):
        nnrg.load(tmp_path)


def test_file_that_changes_after_loading_is_not_read(tmp_path):
    path = write(tmp_path / "m.safetensors", {"w": ("F32", np.ones(64, "f4"))})
    net = nnrg.load(path)
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(SourceError, match="changed since it was loaded"):
        net.tensors["w"]
    path.unlink()
    with pytest.raises(SourceError, match="no such file"):
        net.tensors["w"]


def test_four_gigabytes_are_inspected_and_streamed_in_little_memory(tmp_path):
    path = tmp_path / "big.safetensors"
    rows, columns = 2**17, 2**14
    header = {
        "w": {"dtype": "BF16", "shape": [rows, columns], "data_offsets": [0, 2 * rows * columns]}
    }
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + 2 * rows * columns)
    outcome = measure(path, max_bytes=2**30)
    path_size = path.stat().st_size
    assert path_size > 2**32
    assert outcome.error == "ArgumentError" and "read it with chunks()" in outcome.message
    assert outcome.seconds < 1 and outcome.megabytes < 150
    chunk = next(nnrg.load(path).chunks("w", 16))
    assert chunk.shape == (16, columns) and chunk.dtype == BF16


def test_key_selects_by_the_start_of_names(tmp_path):
    path = write(
        tmp_path / "m",
        {
            "encoder.w": ("F32", np.ones(2, "f4")),
            "encoder2.w": ("F32", np.ones(3, "f4")),
            "decoder.w": ("F32", np.ones(4, "f4")),
        },
    )
    net = nnrg.load(path, key="encoder")
    assert set(net.tensors) == {"encoder.w"}
    assert {s.name for s in net.skipped} == {"encoder2.w", "decoder.w"}
    with pytest.raises(ArgumentError, match="there are: decoder, encoder, encoder2"):
        nnrg.load(path, key="head")
