"""The HDF5 reader: Keras 2 and 3 files, names and axes, what is left out."""

from __future__ import annotations

import json
import zipfile

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import nnrg
from nnrg.errors import FormatError
from nnrg.networks._hdf5 import read

RNG = np.random.default_rng(20261121)


def numbers(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("float32")


LAYERS = {
    "conv": ("Conv2D", {"kernel:0": numbers(3, 3, 1, 4), "bias:0": numbers(4)}),
    "up": ("Conv2DTranspose", {"kernel:0": numbers(3, 3, 2, 4)}),
    "sep": (
        "SeparableConv2D",
        {"depthwise_kernel:0": numbers(3, 3, 4, 2), "pointwise_kernel:0": numbers(1, 1, 8, 5)},
    ),
    "taps": ("Conv1D", {"kernel:0": numbers(7, 5, 6)}),
    "norm": (
        "BatchNormalization",
        {f"{name}:0": numbers(5) for name in ("gamma", "beta", "moving_mean", "moving_variance")},
    ),
    "memory": (
        "LSTM",
        {
            "kernel:0": numbers(5, 12),
            "recurrent_kernel:0": numbers(3, 12),
            "bias:0": numbers(12),
        },
    ),
    "gates": (
        "GRU",
        {"kernel:0": numbers(3, 6), "recurrent_kernel:0": numbers(2, 6), "bias:0": numbers(2, 6)},
    ),
    "words": ("Embedding", {"embeddings:0": numbers(50, 5)}),
    "answer": ("Dense", {"kernel:0": numbers(2, 10), "bias:0": numbers(10)}),
}
AXES = {
    "conv/kernel:0": ("HWIO", ""),
    "up/kernel:0": ("HWOI", ""),
    "sep/depthwise_kernel:0": ("HWIM", ""),
    "sep/pointwise_kernel:0": ("HWIO", ""),
    "taps/kernel:0": ("KIO", ""),
    "memory/kernel:0": ("IO", "ifco"),
    "memory/recurrent_kernel:0": ("IO", "ifco"),
    "memory/bias:0": ("", "ifco"),
    "gates/kernel:0": ("IO", "zrh"),
    "gates/recurrent_kernel:0": ("IO", "zrh"),
    "words/embeddings:0": ("VC", ""),
    "answer/kernel:0": ("IO", ""),
}


def write_weights(group, layers=LAYERS) -> None:
    group.attrs["layer_names"] = [name.encode() for name in layers]
    for layer, (_, variables) in layers.items():
        inside = group.create_group(layer)
        inside.attrs["weight_names"] = [f"{layer}/{name}".encode() for name in variables]
        for name, values in variables.items():
            inside[f"{layer}/{name}"] = values


def config(layers=LAYERS) -> str:
    entries = [{"class_name": kind, "config": {"name": name}} for name, (kind, _) in layers.items()]
    return json.dumps({"class_name": "Sequential", "config": {"layers": entries}})


@pytest.fixture
def keras_2(tmp_path):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"2.15.0"
        file.attrs["model_config"] = config()
        write_weights(file.create_group("model_weights"))
        file["optimizer_weights/Adam/m:0"] = numbers(30)
        file["optimizer_weights/Adam/v:0"] = numbers(12)
    return path


def test_a_whole_model_is_read_in_the_order_of_its_layers(keras_2):
    source = read(keras_2)
    written = {
        f"{layer}/{layer}/{name}": values
        for layer, (_, variables) in LAYERS.items()
        for name, values in variables.items()
    }
    assert list(source.specs) == list(written)
    for name, values in written.items():
        assert source.specs[name].shape == values.shape
        assert_array_equal(source.read(name), values)
    assert source.metadata["keras_version"] == "2.15.0"


def test_axes_and_gates_follow_the_layers_class(keras_2):
    specs = read(keras_2).specs
    for name, expected in AXES.items():
        layer = name.partition("/")[0]
        spec = specs[f"{layer}/{name}"]
        assert (spec.layout, spec.gates) == expected, name


def test_optimiser_state_is_left_out_and_its_size_named(keras_2):
    skipped = read(keras_2).skipped
    assert [(s.name, s.reason, s.size) for s in skipped] == [
        ("optimizer_weights", "optimiser state", 42)
    ]


def test_moving_statistics_are_no_parameters(keras_2):
    stored = sum(spec.size for spec in read(keras_2).specs.values())
    assert nnrg.load(keras_2).n_parameters == stored - 10


def test_a_weights_only_file_is_read_from_its_root(tmp_path):
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        write_weights(file)
    specs = read(path).specs
    assert len(specs) == 19
    assert specs["answer/answer/kernel:0"].layout == "IO"
    assert specs["up/up/kernel:0"].layout == "HWIO"  # nothing says that it is a transpose


KERAS_3 = {
    "layers/dense/vars": [numbers(4, 3), numbers(3)],
    "layers/conv2d_transpose_1/vars": [numbers(3, 3, 2, 4), numbers(2)],
    "layers/depthwise_conv2d/vars": [numbers(3, 3, 4, 1)],
    "layers/batch_normalization_2/vars": [numbers(3)] * 4,
    "layers/lstm/cell/vars": [numbers(3, 8), numbers(2, 8), numbers(8)],
    "layers/my_layer/vars": [numbers(3, 3)],
    "optimizer/vars": [numbers(4, 3)],
}


def write_keras_3(path) -> None:
    with h5py.File(path, "w") as file:
        for layer, variables in KERAS_3.items():
            for number, values in enumerate(variables):
                file[f"{layer}/{number}"] = values


def check_keras_3(source) -> None:
    assert {name: (s.layout, s.gates) for name, s in source.specs.items()} == {
        "layers/dense/kernel": ("IO", ""),
        "layers/dense/bias": ("", ""),
        "layers/conv2d_transpose_1/kernel": ("HWOI", ""),
        "layers/conv2d_transpose_1/bias": ("", ""),
        "layers/depthwise_conv2d/depthwise_kernel": ("HWIM", ""),
        "layers/batch_normalization_2/gamma": ("", ""),
        "layers/batch_normalization_2/beta": ("", ""),
        "layers/batch_normalization_2/moving_mean": ("", ""),
        "layers/batch_normalization_2/moving_variance": ("", ""),
        "layers/lstm/cell/kernel": ("IO", "ifco"),
        "layers/lstm/cell/recurrent_kernel": ("IO", "ifco"),
        "layers/lstm/cell/bias": ("", "ifco"),
        "layers/my_layer/vars/0": ("", ""),
    }
    assert_array_equal(source.read("layers/dense/kernel"), KERAS_3["layers/dense/vars"][0])
    assert [(s.name, s.size) for s in source.skipped] == [("optimizer", 12)]


def test_the_numbered_variables_of_keras_3_get_names(tmp_path):
    write_keras_3(tmp_path / "m.weights.h5")
    check_keras_3(read(tmp_path / "m.weights.h5"))


def test_a_keras_archive_is_read_in_place(tmp_path):
    write_keras_3(tmp_path / "m.weights.h5")
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", config())
        archive.write(tmp_path / "m.weights.h5", "model.weights.h5")
    source = read(path)
    check_keras_3(source)
    assert source.metadata["container"] == "keras"
    assert nnrg.load(path).n_parameters == sum(s.size for s in source.specs.values()) - 6


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_chunks_join_to_the_whole(keras_2, rows):
    source = read(keras_2)
    for name in ("conv/conv/kernel:0", "answer/answer/bias:0"):
        joined = np.concatenate([chunk.copy() for chunk in source.chunks(name, rows)])
        assert_array_equal(joined, source.read(name))


def test_packed_big_endian_and_half_precision_numbers_are_read_exactly(tmp_path):
    values = numbers(64, 32)
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("packed", data=values, compression="gzip", shuffle=True)
        file.create_dataset("half", data=values.astype("float16"))
        file.create_dataset("big", data=values, dtype=">f8")
        file.create_dataset("one", data=2.5)
    source = read(path)
    assert_array_equal(source.read("packed"), values)
    assert_array_equal(source.read("half"), values.astype("float16"))
    assert_array_equal(source.read("big"), values.astype("float64"))
    assert source.read("big").dtype.isnative
    assert source.read("one") == 2.5


def test_hard_links_to_one_dataset_are_tied_weights(tmp_path):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file["a"], file["c"] = numbers(4, 4), numbers(4, 4)
        file["b"] = file["a"]
    specs = read(path).specs
    assert specs["a"].storage == specs["b"].storage != specs["c"].storage
    assert nnrg.load(path).n_parameters == 32


def test_soft_links_cycles_text_and_missing_weights_are_named(tmp_path):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file["layer/kernel:0"] = numbers(4, 4)
        file["layer"].attrs["weight_names"] = [b"kernel:0", b"bias:0"]
        file["layer/soft"] = h5py.SoftLink("/layer/kernel:0")
        file["layer/again"] = file["/"]
        file["layer/text"] = np.array([b"abc"])
        file["layer/none"] = np.zeros((0, 3), "float32")
    source = read(path)
    assert list(source.specs) == ["layer/kernel:0"]
    assert {s.name: s.reason for s in source.skipped} == {
        "layer/soft": "a soft link to '/layer/kernel:0'",
        "layer/again": "the same group as '/'",
        "layer/text": "|S3 entries are not numbers",
        "layer/none": "no elements",
        "layer/bias:0": "listed as a weight, but not in the file",
    }


def test_only_optimiser_state_is_no_network(tmp_path):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file["optimizer_weights/m:0"] = numbers(3)
    with pytest.raises(FormatError, match=r"no weights found .*optimiser state"):
        read(path)


@pytest.mark.parametrize(
    "text", ["not json", "[" * 100_000, '{"config": 3}', '[{"class_name": 1}]']
)
def test_a_configuration_is_data_and_may_be_nonsense(tmp_path, text):
    path = tmp_path / "model.keras"
    write_keras_3(tmp_path / "m.weights.h5")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", text)
        archive.write(tmp_path / "m.weights.h5", "model.weights.h5")
    check_keras_3(read(path))
