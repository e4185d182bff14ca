""".npy and .npz: what the reader hands out equals what NumPy wrote."""

from __future__ import annotations

import numpy as np
import pytest

import nnrg
from nnrg.errors import FormatError, NonFiniteError

RNG = np.random.default_rng


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_round_trip(tmp_path, save):
    arrays = {
        "fc_w": RNG(0).normal(size=(6, 4)),
        "fc_b": RNG(1).normal(size=6).astype("f4"),
        "half": RNG(2).normal(size=(3, 2, 2)).astype("f2"),
        "scale": np.float32(3.0),
    }
    save(tmp_path / "m.npz", **arrays)
    net = nnrg.load(tmp_path / "m.npz")
    assert net.format == "npz"
    assert list(net.tensors) == list(arrays)
    for name, expected in arrays.items():
        found = net.tensors[name]
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(found, expected)
    assert net.n_parameters == 24 + 6 + 12 + 1


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["npy", "npz", "compressed"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", ">f8", "<f2"])
def test_order_of_axes_and_of_bytes(tmp_path, order, kind, dtype):
    array = np.array(RNG(0).normal(size=(7, 3, 2)), dtype, order=order)
    path = tmp_path / "w.bin"
    with path.open("wb") as file:
        {"npy": np.save, "npz": np.savez, "compressed": np.savez_compressed}[kind](file, array)
    net = nnrg.load(path)
    (name,) = net.tensors
    assert name == ("w" if kind == "npy" else "arr_0")
    for found in (net.tensors[name], np.concatenate([c.copy() for c in net.chunks(name, 3)])):
        assert found.dtype.isnative
        assert found.shape == array.shape
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_chunks_of_a_compressed_member(tmp_path, rows):
    array = RNG(0).normal(size=(9, 1000))
    np.savez_compressed(tmp_path / "m.npz", w=array)
    pieces = [c.copy() for c in nnrg.load(tmp_path / "m.npz").chunks("w", rows)]
    np.testing.assert_array_equal(np.concatenate(pieces), array)


def test_what_is_not_a_float_is_left_out_with_the_reason(tmp_path):
    np.savez(
        tmp_path / "m.npz",
        w=np.ones((2, 2)),
        vocabulary=np.array(["a", "b"]),
        config=np.array({"lr": 1}, dtype=object),
        step=np.int64(7),
        empty=np.empty((0, 3)),
        z=np.ones(2, complex),
        when=np.array(["2026-01-01"], "M8[D]"),
        record=np.zeros(3, [("x", "f4")]),
    )
    net = nnrg.load(tmp_path / "m.npz")
    assert set(net.tensors) == {"w"}
    reasons = {s.name: s.reason for s in net.skipped}
    assert set(reasons) == {"vocabulary", "config", "step", "empty", "z", "when", "record"}
    assert "pickle" in reasons["config"]
    assert "no elements" in reasons["empty"]
    assert "int64" in reasons["step"]
    assert "complex" in reasons["z"]
    for name in ("vocabulary", "when", "record"):
        assert "not numbers" in reasons[name]


def test_nonfinite_in_npz(tmp_path):
    np.savez(tmp_path / "m.npz", w=np.array([[1.0, np.nan], [np.inf, 2.0]]))
    with pytest.raises(NonFiniteError, match="'w' holds 2 NaN or infinite numbers among 4"):
        nnrg.load(tmp_path / "m.npz").tensors["w"]
    net = nnrg.load(tmp_path / "m.npz", allow_nonfinite=True)
    assert np.isnan(net.tensors["w"][0, 1])


def test_sixteen_bit_overflow_is_infinity_and_refused(tmp_path):
    with np.errstate(over="ignore"):
        np.save(tmp_path / "w.npy", np.array([1e6, 1.0]).astype("f2"))
    with pytest.raises(NonFiniteError, match="1 NaN or infinite"):
        nnrg.load(tmp_path / "w.npy").tensors["w"]


def test_flipped_bit_in_a_member_is_noticed(tmp_path):
    path = tmp_path / "m.npz"
    np.savez(path, w=np.ones(1000))
    data = bytearray(path.read_bytes())
    data[4000] ^= 1
    path.write_bytes(data)
    with pytest.raises(FormatError, match="CRC"):
        nnrg.load(path).tensors["w"]
